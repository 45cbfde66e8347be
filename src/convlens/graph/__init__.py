"""The computation graph: nodes, capture, and the passes over it."""
