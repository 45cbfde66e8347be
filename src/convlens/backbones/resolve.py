"""Networks and weights from their names; published weights are downloaded where that is needed."""

from pathlib import Path
from typing import NamedTuple

from torch import nn

from convlens.backbones.external import GIVEN, PRETRAINED, is_of_timm, is_own
from convlens.backbones.timm_networks import make_known, network_of_timm, network_of_timm_with
from convlens.core.errors import UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.zoo import (
    PACKAGE,
    card,
    is_foreign,
    known_answer,
    package_weights,
    preprocessing_of_foreign,
    refuse_another_answer,
    set_names,
    weight_card,
    weight_cards,
)
from convlens.zoo import network as network_of_zoo

RANDOM = "random"
_WORDS = (RANDOM, GIVEN, PRETRAINED, PACKAGE)


class Loaded(NamedTuple):
    """A network and the file that its weights are from; None for those that are in no file of ours."""

    module: nn.Module
    file: Path | None


def network(
    name: str,
    *,
    classes: int | None = None,
    weights: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> nn.Module:
    """The network `name` of the zoo, in training mode.

    `classes` None means as many as the weights have, or as the paper's network has. `weights` None or "random" means
    the paper's random initialization, drawn from torch's global generator; "package" the weights that travel in the
    package (house); "imagenet" and other names of published sets (`convlens zoo show NAME`) come from their installed
    package or are downloaded once; "pretrained" what timm downloads for a network of its own; all else is the path of
    a file, of which `say` receives what was taken off or left out to make it fit. A module of one's own has the weights
    that it came with.

    Raises UsageError for an unknown name, a number of classes below 1 or a missing file, DataError when the weights do
    not fit or hold NaN or infinity, NetworkError or MachineError when they cannot be had, IntegrityError when their
    file is another one than was published, or unsafe to open, or the network does not answer with them as it did when
    they were published.
    """
    return loaded(name, classes=classes, weights=weights, progress=progress, say=say).module


def loaded(
    name: str,
    *,
    classes: int | None = None,
    weights: str | Path | None = None,
    new_head: bool = False,
    fold_stem: bool = True,
    progress: Progress = silent,
    say: Say = unsaid,
) -> Loaded:
    """The network of that name with these weights, as in `network`, and the file of the weights.

    With `new_head` the caller replaces the last layer, and a file need not have one that fits. Without `fold_stem` a
    file is refused whose first layer takes another number of channels.
    """
    make_known(name)
    file = weights_file(name, weights, progress)
    if is_of_timm(name):
        if file is None:
            return Loaded(network_of_timm(name, classes, pretrained=weights == PRETRAINED), None)
        return Loaded(network_of_timm_with(name, classes, file, new_head=new_head, fold_stem=fold_stem, say=say), file)
    module = network_of_zoo(name, classes=classes, weights=file, new_head=new_head, fold_stem=fold_stem, say=say)
    if (expected := known_answer(name, str(weights))) is not None:
        refuse_another_answer(module, card(name), expected, str(file))
    return Loaded(module, file)


def weights_file(name: str, weights: str | Path | None, progress: Progress = silent) -> Path | None:
    """The file of the weights that `weights` means for a network, as in `network`; None for those in no file of ours.

    Raises UsageError for those of a module of one's own where the network is none, and for random ones where it is.
    """
    if weights == GIVEN and not is_own(name):
        other = "or 'pretrained'" if is_of_timm(name) else "or leave it out"
        raise UsageError(
            f"{setting('weights', GIVEN)} means the weights of a module of your own, which {name} is not. Set "
            f"{setting('weights', RANDOM)}, {other}."
        )
    if weights == RANDOM:
        refuse_to_draw(name)
    if weights in (None, RANDOM, GIVEN) or (weights == PRETRAINED and is_of_timm(name)):
        return None
    if weights == PACKAGE:
        return package_weights(card(name))
    if not _names_a_set(weights):
        return Path(weights).expanduser()
    from convlens.zoo.fetch import fetched_weights  # the HTTP client takes 0.2 s to load

    return fetched_weights(weight_card(name, str(weights)), progress)


def refuse_to_draw(name: str) -> None:
    """Raises UsageError for a module of one's own: how its weights are drawn is not known."""
    if is_own(name):
        raise UsageError(
            f"{name} has the weights that it came with, and convlens cannot initialize new ones. Leave "
            f"{setting('weights', 'random')} and {setting('fractions')} out; to start from scratch, give a newly "
            "created module."
        )


def weights_named(backbone: str, weights: str | Path | None) -> str | None:
    """The weights that a person means; where none are named, the trained ones.

    Those are a module's own, the package's, the first published set, or what timm publishes. None where a network has
    no trained weights.
    """
    make_known(backbone)
    if is_own(backbone) and weights in (None, PRETRAINED):
        return GIVEN
    if weights is not None:
        return str(weights)
    if is_of_timm(backbone):
        return PRETRAINED
    if card(backbone).package_weights:
        return PACKAGE
    return next(iter(weight_cards(backbone)), None)


def weights_to_start_from(backbone: str, weights: str | Path | None, freeze: str) -> str:
    """The weights from which training starts: those of `weights_named`, or random ones where nothing is frozen.

    Raises UsageError where layers would be frozen that have learned nothing and nobody said "random".
    """
    found = weights_named(backbone, weights)
    if found is None and freeze != "none":
        train_all, random = setting("freeze", "none"), setting("weights", RANDOM)
        raise UsageError(
            f"no trained weights of {backbone} are known, and {setting('freeze', freeze)} would freeze random layers. "
            f"Give a weights file ({setting('weights')}), train all layers ({train_all}), or set {random} if random "
            "layers are what you want."
        )
    return found or RANDOM


def whole_name(weights: str) -> str:
    """What names these weights from any folder: a set by its name, a file by its absolute path."""
    return weights if _names_a_set(weights) else str(Path(weights).expanduser().absolute())


def preprocessing_for(backbone: str, weights: str) -> Preprocessing:
    """What the backbone is fed with these weights: a published set has its own, and so has another framework."""
    published = weight_cards(backbone)
    if weights in published:
        return published[weights].preprocessing
    if not _names_a_set(weights) and is_foreign(Path(weights).expanduser()):
        return preprocessing_of_foreign(card(backbone))
    return card(backbone).preprocessing


def _names_a_set(weights: str | Path | None) -> bool:
    """Whether it is a bare word, with neither a suffix nor a folder: a file is called that where no set is."""
    if not isinstance(weights, str) or not weights.replace("_", "").isalnum():
        return False
    return weights in _WORDS or weights in set_names() or not Path(weights).is_file()
