"""Nouns and plumbing: errors, records, files, the content-addressed store, seeds. No network code, no torch."""
