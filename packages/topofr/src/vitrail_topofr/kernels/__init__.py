"""Kernels of TopoFR."""
