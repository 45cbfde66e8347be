"""Records -> pictures and self-contained HTML. Runs nothing, imports no torch."""
