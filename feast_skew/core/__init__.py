"""The pure part: types, keys, alignment and comparison over Arrow and numpy, without Feast or Redis."""
