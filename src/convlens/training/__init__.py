"""Training: the recipe, the loop, and how well it went. Takes objects, never names."""
