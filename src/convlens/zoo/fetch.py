"""A published set of weights on this machine: fetched once, verified, and kept as safetensors."""

from pathlib import Path

from convlens.core.download import Source, download, verify
from convlens.core.errors import NetworkError
from convlens.core.files import cache_folder, write_atomically
from convlens.core.progress import Progress, silent
from convlens.zoo import registry
from convlens.zoo.match import classes_in
from convlens.zoo.published import WeightCard
from convlens.zoo.structure import structure
from convlens.zoo.weights import load_weights, read_weights, serialized


def fetched_weights(card: WeightCard, progress: Progress = silent) -> Path:
    """The set's safetensors file in the cache; downloaded and converted when it is not there yet.

    A file that a person has put into the cache's `weights` folder under its own name is taken instead of the
    download, and left there. Its hash is checked before anything is parsed, and the network must take it whole
    before it is kept.

    Raises NetworkError, which says what to fetch and where to put it, when the file cannot be had, and IntegrityError
    when it is another one than the card says.
    """
    kept = kept_weights(card)
    if kept.is_file():
        return kept
    source = Source(card.url, card.sha256)
    own, fetched = kept.parent / card.file, kept.parent / "downloads" / card.file
    original = own if own.is_file() else fetched
    if original == own:
        verify(own, source, remove=False)
    else:
        try:
            download(source, fetched, progress)
        except NetworkError as error:
            raise NetworkError(
                f"{error} Without a network: fetch {card.url} elsewhere, and put the file at {own}."
            ) from error
    _convert(card, original, kept)
    fetched.unlink(missing_ok=True)
    return kept


def kept_weights(card: WeightCard) -> Path:
    """Where the set lies, or will lie, once it is fetched."""
    return cache_folder() / "weights" / f"{card.network}-{card.name}-{card.sha256[:8]}.safetensors"


def _convert(card: WeightCard, original: Path, kept: Path) -> None:
    """Write `kept` from the published file, which a network must have taken first."""
    build, known = registry.entry(card.network)
    state = read_weights(original)
    module = structure(build, classes_in(state, known.head) or known.classes)
    load_weights(module, state, card.url, known.head, name=card.network, dropped=known.dropped_weights)
    metadata = {"url": card.url, "sha256": card.sha256, "licence": card.licence}
    write_atomically(kept, serialized(module.state_dict(), metadata))
