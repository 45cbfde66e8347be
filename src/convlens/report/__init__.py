"""Records -> images and self-contained HTML. Runs nothing, imports no torch."""
