"""Statistics of agreement: exact rates, shared bins, PSI with its noise, paired moments, movement.

Everything here is pure (numpy arrays and counts in, frozen records out) and knows nothing of stores.
No function returns NaN or infinity: what cannot be computed is ``None``. scipy is imported only
inside the functions that need it, so that importing this package stays cheap.
"""
