"""The network's own kernels, one folder for each op."""
