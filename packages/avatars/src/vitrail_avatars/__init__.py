"""A parametric world of talking heads."""
