"""Keras itself, in an environment of its own (`make test-keras`)."""
