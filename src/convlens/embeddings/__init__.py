"""Embeddings: vectors of images, which are near where images are alike."""
