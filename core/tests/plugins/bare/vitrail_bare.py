"""A plugin without a single hook, which is allowed."""
