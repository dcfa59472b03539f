"""Readers for the data sets of the paper, and for one scene with labels."""
