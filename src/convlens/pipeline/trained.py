"""Trained networks, ready to be asked: that of a finished run, or one of the zoo with published weights."""

from collections import Counter
from pathlib import Path

import torch
from torch import nn

from convlens.backbones.external import is_of_timm
from convlens.backbones.resolve import RANDOM, loaded, preprocessing_for, weights_named
from convlens.backbones.timm_networks import make_known
from convlens.core.bundle import BUNDLE_FILE, Bundle
from convlens.core.errors import UsageError
from convlens.core.files import sha256_of
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.data.foreign import of_convlens
from convlens.runs.bundle import read_bundle
from convlens.transfer.heads import replace_head
from convlens.zoo import (
    card,
    class_names,
    load_weights,
    names,
    network,
    read_weights,
    unknown_network,
    unloaded,
    weight_cards,
)


def load_trained(
    named: str | Path, weights: str | Path | None = None, progress: Progress = silent, say: Say = unsaid
) -> tuple[Bundle, nn.Module]:
    """The bundle and the network of a run folder, or of a network of the zoo with its trained weights.

    `weights` are another published set or a file, for a network of the zoo; `say` receives what was done to make a file
    fit. Raises UsageError for what is neither a run
    nor a network, or has no trained weights, and what `load_run` and `loaded` raise.
    """
    if str(named) in names():
        return _published(str(named), weights, progress, say)
    if is_of_timm(str(named)):
        raise UsageError(
            f"{named} is a timm network whose class names convlens does not know. Train it on your own images "
            f"({setting('backbone', str(named))}), or use one from `convlens zoo`."
        )
    folder = Path(named).expanduser()
    if not folder.exists() and len(folder.parts) == 1:
        raise unknown_network(str(named), "run folder or network")
    if weights is not None:
        raise UsageError(f"{setting('weights', weights)}: a run has its own weights; leave them out.")
    return load_run(folder)


def is_run(named: str | Path) -> bool:
    """Whether that is a run folder; a name of the zoo never is one."""
    return str(named) not in names() and (Path(named).expanduser() / BUNDLE_FILE).is_file()


def refuse_swapped(named: str | Path, *others: str | Path) -> None:
    """Raises UsageError where `named` is a file or folder that is no run, and says so where one of `others` is one.

    `named` is what should be a run folder or the name of a network; `others` are what the command works on.
    """
    path = Path(named).expanduser()
    if str(named) in names() or ":" in str(named) or is_run(named) or not path.exists():
        return
    what = of_convlens(path) or ("a folder" if path.is_dir() else "a file")
    for other in others:
        if str(other) in names() or is_run(other):
            kind = "a network" if str(other) in names() else "a run"
            raise UsageError(f"{path} is {what} and {other} is {kind}: their order is wrong. Give {other} first.")
    held = f": it holds no {BUNDLE_FILE}" if path.is_dir() else ""
    raise UsageError(
        f"{path} is {what}, but not a finished run{held}. Give a run folder that `convlens train` made, or the name of "
        "a network (see `convlens zoo`)."
    )


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


def _published(name: str, weights: str | Path | None, progress: Progress, say: Say) -> tuple[Bundle, nn.Module]:
    """A network of the zoo, as a bundle would describe it; its classes are those that its weights were trained on."""
    known, chosen = card(name), weights_named(name, weights)
    if chosen is None or chosen == RANDOM:
        raise UsageError(
            f"{name} without trained weights can only guess. Give a weights file ({setting('weights')}), or use a "
            "network that has some (`convlens zoo`)."
        )
    published = weight_cards(name).get(chosen)
    data = published.data if published else known.data
    if data is None or known.output != "scores" or known.input_shape[0] != 3:
        raise UsageError(f"{name} does not classify color images, or its classes have no names.")
    module, file = loaded(name, weights=chosen, progress=progress, say=say)
    classes = _distinct_names(data)
    if len(classes) != len(module.get_parameter(f"{known.head}.weight")):
        raise UsageError(f"{file} does not have the {len(classes)} classes of {data}, so its classes have no names.")
    assert file is not None, "published sets and those that people give are files"
    bundle = Bundle(
        backbone=name,
        classes=classes,
        preprocessing=preprocessing_for(name, chosen),
        precision="fp32",
        sha256=sha256_of(file),
    )
    return bundle, module


def _distinct_names(data: str) -> list[str]:
    """The main name of each class; with its key where several classes have one (ImageNet: crane, maillot)."""
    classes = class_names(data)
    counts = Counter(one.names[0] for one in classes)
    return [one.names[0] if counts[one.names[0]] == 1 else f"{one.names[0]} ({one.key})" for one in classes]
