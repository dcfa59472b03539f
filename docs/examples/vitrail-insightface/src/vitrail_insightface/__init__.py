"""The recogniser of an insightface model pack, for Vitrail."""
