"""The trained network of a finished run."""

from pathlib import Path

import torch
from torch import nn

from convlens.backbones.timm_networks import make_known
from convlens.core.bundle import Bundle
from convlens.runs.bundle import read_bundle
from convlens.transfer.heads import replace_head
from convlens.zoo import card, load_weights, network, read_weights, unloaded


def load_run(folder: Path) -> tuple[Bundle, nn.Module]:
    """The bundle of a run folder, and its network with the trained weights. Raises what `read_bundle` does."""
    bundle, weights = read_bundle(folder)
    make_known(bundle.backbone)
    classes = len(bundle.classes)
    if bundle.head.plain:
        return bundle, network(bundle.backbone, classes=classes, weights=weights)
    module, head = unloaded(bundle.backbone, classes), card(bundle.backbone).head
    with torch.device("meta"):
        replace_head(module, head, classes, 0, bundle.head)
    load_weights(module, read_weights(weights, head), weights, head, name=bundle.backbone)
    return bundle, module
