"""A network by its name, with random or trained weights."""

from pathlib import Path

from torch import nn

from convlens.core.errors import UsageError
from convlens.core.progress import Say, unsaid
from convlens.zoo import registry
from convlens.zoo.match import classes_in
from convlens.zoo.structure import structure
from convlens.zoo.weights import load_weights, package_weights, read_state

PACKAGE = "package"


def blueprint(name: str, classes: int | None = None) -> nn.Module:
    """The network `name` without values, on the meta device: enough to capture it and to count what it costs."""
    build, card = registry.entry(name)
    return structure(build, card.classes if classes is None else classes)


def unloaded(name: str, classes: int) -> nn.Module:
    """The network before `load_weights`. One of the zoo is on the meta device.

    A module of one's own has its values, because it may need tensors that are no part of its state.
    """
    build = registry.entry(name).build
    return build(classes) if registry.is_adopted(name) else structure(build, classes)


def network(
    name: str,
    *,
    classes: int | None = None,
    weights: str | Path | None = None,
    new_head: bool = False,
    fold_stem: bool = True,
    say: Say = unsaid,
) -> nn.Module:
    """The network `name`, in training mode.

    `classes` None means as many as the weights have, or as the card says. `weights` None means the paper's
    random initialization, drawn from torch's global generator; "package" means the weights that travel in the
    package; all else is the path of a file, in any form that `read_state` takes. With `new_head` the caller replaces
    the last layer: where the file has none, or another one, it is zero. `fold_stem` is as in `read_state`. `say`
    receives what was made fit.

    Raises UsageError for an unknown name, a number of classes below 1 or a missing file, DataError when the
    weights do not fit, IntegrityError when their file is unsafe to open.
    """
    build, card = registry.entry(name)
    refuse_wrong_number(classes)
    if weights is None:
        return build(card.classes if classes is None else classes)
    path = package_weights(card) if weights == PACKAGE else Path(weights)
    state = read_state(path, card, blueprint(name).state_dict(), new_head=new_head, fold_stem=fold_stem, say=say)
    module = unloaded(name, classes or classes_in(state, card.head) or card.classes)
    load_weights(module, state, path, card.head, name=name, dropped=card.dropped_weights)
    return module


def refuse_wrong_number(classes: int | None) -> None:
    """Raises UsageError for a number of classes below 1."""
    if classes is not None and classes < 1:
        raise UsageError(f"the number of classes must be at least 1, got {classes}.")
