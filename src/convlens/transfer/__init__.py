"""Transfer learning: freeze plans, the feature cache, heads."""
