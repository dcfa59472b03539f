"""The ops of this package; each has its definition beside it."""
