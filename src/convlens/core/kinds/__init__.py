"""The kinds of labels that images may have: for each task, what takes no tensors."""
