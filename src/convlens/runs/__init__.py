"""The run directory and what lies in it: locks, records, bundles, predictions."""
