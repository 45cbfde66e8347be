"""Heads: the new last layers for the classes of one's own images."""

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from convlens.core.bundle import PLAIN_HEAD, HeadForm
from convlens.core.errors import UsageError
from convlens.core.settings import setting

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


@runtime_checkable
class Renewable(Protocol):
    """Last layers that are several, such as scores of maps at several depths: they say how they are for others."""

    def for_classes(self, classes: int) -> nn.Module:
        """New ones that read the same and give maps of so many classes."""
        ...


def replace_head(module: nn.Module, head: str, classes: int, seed: int, form: HeadForm = PLAIN_HEAD) -> None:
    """Put new last layers of this form for `classes` classes in the place of the layer at the dotted name `head`.

    In the plain form a linear layer, or a sequence that replaced one, becomes a linear one, and a convolution one of
    the same kernel, so that a network whose last layer gives a map of scores keeps giving one; layers that are
    `Renewable` renew themselves. Other forms are a sequence in the place of a linear layer.
    Raises UsageError for any other layer.
    """
    new = new_head(module.get_submodule(head), head, classes, seed, form)
    parent, _, name = head.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def new_head(old: nn.Module, head: str, classes: int, seed: int, form: HeadForm) -> nn.Module:
    """Fresh last layers of this form that read what `old`, the layer called `head`, reads."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _like(old, head, classes) if form.plain else _sequence(_features(old, head), classes, form)


def _features(old: nn.Module, head: str) -> int:
    """How many numbers the head reads."""
    if isinstance(old, nn.Sequential):
        return next(layer.in_features for layer in old.modules() if isinstance(layer, nn.Linear))
    if isinstance(old, nn.Linear):
        return old.in_features
    raise UsageError(
        f"the head {head!r} of this network is a {type(old).__name__}: a hidden layer, dropout and batch "
        f"normalization go with a linear head. Use {setting('head', 'linear')} without {setting('dropout')} and "
        f"{setting('batch_norm')}, or another {setting('backbone')}."
    )


def _sequence(features: int, classes: int, form: HeadForm) -> nn.Sequential:
    """With a hidden layer: linear, norm, ReLU, dropout, linear; without: norm, dropout, linear."""
    layers: list[nn.Module] = [nn.Linear(features, form.hidden)] if form.hidden else []
    width = form.hidden or features
    if form.batch_norm:
        layers.append(nn.BatchNorm1d(width))
    if form.hidden:
        layers.append(nn.ReLU())
    if form.dropout:
        layers.append(nn.Dropout(form.dropout))
    return nn.Sequential(*layers, nn.Linear(width, classes))


def _like(old: nn.Module, head: str, classes: int) -> nn.Module:
    """A fresh layer that reads what `old` reads and gives one channel (or number) per class."""
    if isinstance(old, nn.Linear | nn.Sequential):
        return nn.Linear(_features(old, head), classes)
    if isinstance(old, Renewable):
        return old.for_classes(classes)
    if isinstance(old, Convolution) and old.groups == 1:
        geometry = {"stride": old.stride, "padding": old.padding, "dilation": old.dilation}
        return type(old)(old.in_channels, classes, old.kernel_size, **geometry)  # type: ignore[arg-type]
    raise UsageError(
        f"the head {head!r} is a {type(old).__name__}; only a linear layer or a convolution without groups can be "
        "replaced. Name the network's last layer with parameters."
    )
