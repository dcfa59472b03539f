"""Compiled parts of the method: the contrastive loss, and sums by class."""
