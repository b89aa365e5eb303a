"""The rules, one file for each cause code: a new cause is a new file here."""
