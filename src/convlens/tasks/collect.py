"""Collect: a data set from keywords, one class folder per word, with whose every image is."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from convlens.core.collection import CollectionRecord
from convlens.core.errors import NetworkError, UsageError, unknown_name
from convlens.core.files import disk_errors_named
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.settings import setting
from convlens.data.collect.flickr import Flickr
from convlens.data.collect.gather import Gathering, Wanted, gather
from convlens.data.collect.ledger import Ledger
from convlens.data.collect.licences import allowed_licences
from convlens.data.collect.network import Network, Rules
from convlens.data.collect.openverse import Openverse
from convlens.data.collect.provider import Api, Candidate, Pace, Provider
from convlens.data.collect.wikimedia import Wikimedia
from convlens.report.credits import write_credits

PROVIDERS: tuple[Provider, ...] = (Flickr(), Openverse(), Wikimedia())
_LOCK = ".collect.lock"
_LONGEST_NAME = 100


def collect(
    words: Sequence[str],
    out: str | Path,
    *,
    count: int = 300,
    provider: str | None = None,
    licence: str = "cc",
    max_side: int | None = None,
    providers: Sequence[Provider] = PROVIDERS,
    rules: Rules | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> CollectionRecord:
    """The record of a collection: for every word a class folder in `out` with up to `count` images.

    A word is a query, or "class=query". `provider` names one of `providers`; by default all that can be used are
    asked, one after another. `licence` is any, cc, commercial or public-domain. Images with a longer side than
    `max_side` are made smaller. Beside the class folders stand attribution.jsonl and CREDITS.html. Called again, only
    what is missing is fetched. `rules` are for the network, see data.collect.network.

    Raises UsageError for wrong arguments, NetworkError when no provider could be asked and nothing has come,
    MachineError for a full disk.
    """
    start = time.perf_counter()
    wanted = [_wanted(word, count) for word in words]
    _refuse_wrong_use(wanted, count, max_side)
    licences = allowed_licences(licence)
    asked = _usable(providers, provider, say)
    folder = Path(out).expanduser()
    with disk_errors_named(folder / "images"):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        network = Network(rules)
        try:
            to = Gathering(
                folder=folder,
                ledger=Ledger(folder),
                network=network,
                paces={
                    one.name: Pace(one.downloads_per_second if network.rules.paced else float("inf")) for one in asked
                },
                licences=licences,
                max_side=max_side,
                progress=progress,
            )
            search = _Search(asked, network, licences, say)
            classes = [gather(one, search(one.query), to) for one in wanted]
        finally:
            network.close()
        to.ledger.tidy()
        write_credits(to.ledger.images, folder)
    if search.warnings and not any(one.present for one in classes):
        raise NetworkError(f"{' '.join(search.warnings)} Try again later, or where there is a network.")
    return CollectionRecord(
        folder=str(folder),
        created=now(),
        providers=[one.name for one in asked],
        licence=licence,
        classes=classes,
        warnings=search.warnings,
        seconds=time.perf_counter() - start,
    )


class _Search:
    """Candidates for a query from all providers in turn; one that fails is reported and left out from then on."""

    def __init__(self, providers: Sequence[Provider], network: Network, licences: frozenset[str], say: Say) -> None:
        self._apis = [(one, Api(one, network)) for one in providers]
        self._licences = licences
        self._say = say
        self.warnings: list[str] = []

    def __call__(self, query: str) -> Iterator[Candidate]:
        for one, api in list(self._apis):
            try:
                yield from one.search(api, query, self._licences)
            except NetworkError as trouble:
                self._apis.remove((one, api))
                self.warnings.append(str(trouble))
                self._say(str(trouble))


def _wanted(word: str, count: int) -> Wanted:
    name, given, query = word.partition("=")
    name, query = name.strip(), (query if given else name).strip()
    unsafe = not name or not query or name.startswith(".") or "/" in name or "\\" in name or not name.isprintable()
    if unsafe or len(name.encode()) > _LONGEST_NAME:
        raise UsageError(
            f"{word!r} cannot name a class folder. Give words such as elephant or 'asian elephant', or class=query; a "
            f"class has no slash, does not begin with a dot and has at most {_LONGEST_NAME} bytes."
        )
    return Wanted(name=name, query=query, count=count)


def _refuse_wrong_use(wanted: Sequence[Wanted], count: int, max_side: int | None) -> None:
    if not wanted:
        raise UsageError("no words to collect images for. Give one per class, such as ants bees.")
    names = [one.name.casefold() for one in wanted]
    if twice := next((one.name for one in wanted if names.count(one.name.casefold()) > 1), None):
        raise UsageError(f"class {twice!r} is given twice. Join the queries, or name the classes with class=query.")
    if count < 1:
        raise UsageError(f"{setting('count', count)}: give how many images each class should have, at least 1.")
    if max_side is not None and max_side < 32:
        raise UsageError(f"{setting('max_side', max_side)}: give at least 32 pixels.")


def _usable(providers: Sequence[Provider], name: str | None, say: Say) -> list[Provider]:
    """The provider of that name, or all that can be used."""
    by_name = {one.name: one for one in providers}
    if name is not None:
        if name not in by_name:
            raise unknown_name(setting("provider"), name, by_name)
        if why := by_name[name].unusable():
            raise UsageError(
                f"{setting('provider', name)} cannot be used: {why}. Use another one of {', '.join(by_name)}."
            )
        return [by_name[name]]
    for one in providers:
        if why := one.unusable():
            say(f"{one.name} is left out: {why}")
    return [one for one in providers if one.unusable() is None]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process works on a collection."""
    try:
        with FileLock(folder / _LOCK, timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"another process is collecting into {folder} right now. Wait for it, or give another {setting('out')}."
        ) from None
