"""Many trainings on shared features, and whether they differ."""
