"""This kit's own kernels, one folder for each op."""
