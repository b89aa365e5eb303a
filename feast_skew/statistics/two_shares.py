"""Whether a share rose between two counts: Fisher's exact test."""

from __future__ import annotations

from feast_skew.statistics._hypergeometric import tail_above


def rise_p_value(wrong_before: int, checked_before: int, wrong_now: int, checked_now: int) -> float:
    """Give the one-sided p-value of "the share is no larger now than before"; 1 when one of the two counts is empty.

    Parameters
    ----------
    wrong_before, checked_before, wrong_now, checked_now : int
        How many were wrong among how many, in either count.

    Returns
    -------
    float
        P(at least `wrong_now` of all the wrong ones fall among those checked now), by the hypergeometric distribution. For
        the same entities checked twice it errs on the safe side, as they move less than independent ones.

    Raises
    ------
    ValueError
        When more are wrong than were checked, or a count is negative.
    """
    for wrong, checked in ((wrong_before, checked_before), (wrong_now, checked_now)):
        if not 0 <= wrong <= checked:
            raise ValueError(f"{wrong} wrong of {checked} is no count")
    if not checked_before or not checked_now:
        return 1.0
    return tail_above(wrong_now, checked_before + checked_now, wrong_before + wrong_now, checked_now)
