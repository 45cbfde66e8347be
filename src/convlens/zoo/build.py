"""A network by its name, with random or trained weights."""

from pathlib import Path

from torch import nn

from convlens.core.errors import UsageError
from convlens.core.progress import Progress, silent
from convlens.zoo import registry
from convlens.zoo.fit import classes_in
from convlens.zoo.published import weight_card
from convlens.zoo.structure import structure
from convlens.zoo.weights import load_weights, package_weights, read_weights

PACKAGE = "package"


def blueprint(name: str, classes: int | None = None) -> nn.Module:
    """The network `name` without values, on the meta device: enough to capture it and to count what it costs."""
    build, card = registry.entry(name)
    return structure(build, card.classes if classes is None else classes)


def network(
    name: str, *, classes: int | None = None, weights: str | Path | None = None, progress: Progress = silent
) -> nn.Module:
    """The network `name`, in training mode.

    `classes` None means as many as the weights have, or as the card says. `weights` None means the paper's
    random initialisation, drawn from torch's global generator; "package" means the weights that travel in the
    package; "imagenet" and other names of published sets (`weight_cards(name)`) are downloaded once; all else is
    the path of a file.

    Raises UsageError for an unknown name, a number of classes below 1 or a missing file, DataError when the
    weights do not fit, NetworkError when they cannot be downloaded, IntegrityError when their file is another one
    than was published, or unsafe to open.
    """
    build, card = registry.entry(name)
    if classes is not None and classes < 1:
        raise UsageError(f"the number of classes must be at least 1, got {classes}.")
    if weights is None:
        return build(card.classes if classes is None else classes)
    path = weights_file(name, weights, progress)
    state = read_weights(path)
    module = structure(build, classes or classes_in(state, card.head) or card.classes)
    load_weights(module, state, path, card.head, name=name)
    return module


def weights_file(name: str, weights: str | Path, progress: Progress = silent) -> Path:
    """The file of the weights that `weights` names for a network: "package", a published set, or a file's path."""
    if weights == PACKAGE:
        return package_weights(registry.card(name))
    if not _names_a_set(weights):
        return Path(weights).expanduser()
    # The HTTP client takes 0.2 s to load, and only sets of weights need it.
    from convlens.zoo.fetch import fetched_weights

    return fetched_weights(weight_card(name, str(weights)), progress)


def _names_a_set(weights: str | Path) -> bool:
    """Whether it is a bare word, with neither a suffix nor a folder: no file of weights is called that."""
    return isinstance(weights, str) and weights.replace("_", "").isalnum()
