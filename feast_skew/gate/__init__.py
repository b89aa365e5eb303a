"""The gate before `feast apply`: which definitions change meaning, what that does to what is served, and whether it may."""
