"""A model as a service: one process speaks HTTP, another one holds the model, so that neither can take the other down.

The first imports no torch.
"""
