"""Transformations that timm names when its own are defined, and nobody applies here."""

from . import functional as functional
from .functional import InterpolationMode as InterpolationMode


def __getattr__(name: str) -> type:
    """A class of that name, to be derived from."""
    if name.startswith("_"):
        raise AttributeError(name)
    return type(name, (), {})
