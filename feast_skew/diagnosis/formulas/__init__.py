"""Fits of a function of one value to pairs of numbers, each with its own proof against chance."""
