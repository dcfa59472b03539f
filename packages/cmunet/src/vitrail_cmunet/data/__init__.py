"""Readers for the data sets of the paper."""
