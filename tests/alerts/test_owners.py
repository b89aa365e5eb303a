"""Each owner has a file of their own."""

from __future__ import annotations

from feast_skew.owners import NOBODY, file_name

OWNERS = (NOBODY, "unowned", "Unowned", "ann", "Ann", "ANN", "a b", "a_b", "..", "crm@example.com", "CRM@example.com")


def test_no_two_owners_share_a_file() -> None:
    """Also on a disk that takes capitals for small letters, and for an owner called like another one's file."""
    owners = [*OWNERS, *(file_name(owner) for owner in OWNERS if file_name(owner) not in OWNERS)]
    assert len({file_name(owner).lower() for owner in owners}) == len(owners)
    assert [file_name(owner) for owner in (NOBODY, "ann", "crm@example.com")] == ["unowned", "ann", "crm@example.com"]
