"""`vitrail embed`, `compare`, `identify` and `gallery`: any recogniser over photographs. One module a verb."""
