"""The cache folder: what is stored there, and removing of it what may be made again."""

import datetime
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from safetensors import SafetensorError, safe_open

from convlens.core.amounts import bytes_in, seconds_in
from convlens.core.cache import (
    CachedFeatures,
    CachedKind,
    CacheRecord,
    FeatureNote,
    KindName,
    PrunedEntry,
    PruneRecord,
)
from convlens.core.cache_layout import FEATURE_NOTE
from convlens.core.cache_prune import Criteria, chosen, removed
from convlens.core.cache_scan import Contents, Entry, WeightNames, contents
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.files import cache_folder
from convlens.core.settings import setting
from convlens.zoo import names, weight_cards
from convlens.zoo.fetch import kept_weights

KINDS: tuple[KindName, ...] = get_args(KindName)
_FORMATS = {"F32": "fp32", "BF16": "bf16", "U8": "pixels"}


def list_cache() -> CacheRecord:
    """What is stored in the cache folder, $CONVLENS_CACHE: by kind, and for features by table. Nothing is changed."""
    root = cache_folder()
    found = _contents(root)
    tables = sorted((one for one in found.entries if one.kind == "features"), key=lambda one: one.used)
    return CacheRecord(
        folder=str(root),
        bytes=sum(one.bytes for one in found.entries),
        free_bytes=shutil.disk_usage(root).free if root.is_dir() else None,
        kinds=[_kind(kind, entries) for kind in KINDS if (entries := _of_kind(found, kind))],
        features=[_table(one) for one in tables],
        others=found.others,
    )


def prune_cache(
    *,
    older_than: str | float | None = None,
    kind: str | Sequence[str] = (),
    down_to: str | int | None = None,
    all: bool = False,  # noqa: A002  (as the option is called)
    dry_run: bool = False,
) -> PruneRecord:
    """What was removed from the cache folder, or with `dry_run` would be; it is made again when it is needed.

    `older_than` means what was last used longer ago, in seconds or such as "30d"; `kind` one kind or several alone;
    `down_to` no more than must go to leave as many bytes (or "5GB"), what was used longest ago first; `all` everything
    that convlens stored. Trials of number formats go by their kind or with `all`. What a running command uses is kept,
    and so is everything that is not of convlens.

    Raises UsageError without any of them, for `all` beside others, and for a value that is none.
    """
    root = cache_folder()
    criteria = _criteria(older_than, [kind] if isinstance(kind, str) else kind, down_to, everything=all)
    found = _contents(root)
    gone: list[PrunedEntry] = []
    kept: list[PrunedEntry] = []
    for entry in chosen(found.entries, criteria):
        reason = "" if dry_run else removed(entry)
        (kept if reason else gone).append(_pruned(root, entry, reason))
    removed_bytes = sum(one.bytes for one in gone)
    return PruneRecord(
        folder=str(root),
        dry_run=dry_run,
        removed=gone,
        kept=kept,
        removed_bytes=removed_bytes,
        left_bytes=sum(one.bytes for one in found.entries) - removed_bytes,
        wanted_bytes=criteria.down_to,
    )


def _criteria(
    older_than: str | float | None, kinds: Sequence[str], down_to: str | int | None, *, everything: bool
) -> Criteria:
    selective = older_than is not None or bool(kinds) or down_to is not None
    if everything and selective:
        raise UsageError(
            f"{setting('all', True)} removes everything that convlens stored. Leave out {setting('older_than')}, "
            f"{setting('kind')} and {setting('down_to')}, or leave out {setting('all', True)}."
        )
    if not (everything or selective):
        raise UsageError(
            f"nothing says what to remove. Give {setting('older_than', '30d')}, {setting('down_to', '5GB')} or "
            f"{setting('kind', 'features')}, or several of them, or {setting('all', True)}; "
            f"{setting('dry_run', True)} shows what would go."
        )
    return Criteria(
        everything=everything,
        kinds=[_known_kind(kind) for kind in kinds],
        before=None if older_than is None else time.time() - seconds_in("older_than", older_than),
        down_to=None if down_to is None else bytes_in("down_to", down_to),
    )


def _known_kind(name: str) -> KindName:
    for known in KINDS:
        if name == known:
            return known
    raise unknown_name("kind", name, KINDS)


def _contents(root: Path) -> Contents:
    cards = [card for name in names() for card in weight_cards(name).values()]
    kept = {kept_weights(card).name for card in cards}
    return contents(root, WeightNames(kept=kept, published={card.file for card in cards}))


def _of_kind(found: Contents, kind: KindName) -> list[Entry]:
    return [one for one in found.entries if one.kind == kind]


def _kind(kind: KindName, entries: Iterable[Entry]) -> CachedKind:
    entries = list(entries)
    uses = [one.used for one in entries]
    return CachedKind(
        kind=kind,
        entries=len(entries),
        files=sum(len(one.files) for one in entries),
        bytes=sum(one.bytes for one in entries),
        oldest=_moment(min(uses)),
        newest=_moment(max(uses)),
    )


class _Header(NamedTuple):
    """What a shard says of itself."""

    images: int
    shape: list[list[int]]
    number_format: str


def _table(entry: Entry) -> CachedFeatures:
    headers = [header for path in entry.files if path.name != FEATURE_NOTE and (header := _header(path)) is not None]
    return CachedFeatures(
        key=entry.path.name,
        note=_note(entry.path / FEATURE_NOTE),
        images=sum(header.images for header in headers),
        shape=headers[0].shape if headers else [],
        number_format=headers[0].number_format if headers else "",
        files=len(entry.files),
        bytes=entry.bytes,
        last_use=_moment(entry.used),
    )


def _header(path: Path) -> _Header | None:
    """Of a shard; None where it is damaged or gone, which is told where its features are used."""
    try:
        with safe_open(path, framework="numpy") as shard:
            columns = [shard.get_slice(name) for name in sorted(shard.keys()) if name != "images"]
            return _Header(
                images=shard.get_slice("images").get_shape()[0],
                shape=[one.get_shape()[1:] for one in columns],
                number_format=_FORMATS.get(columns[0].get_dtype(), ""),
            )
    except (SafetensorError, OSError, IndexError):
        return None


def _note(path: Path) -> FeatureNote | None:
    try:
        return FeatureNote.from_json(path.read_bytes(), str(path))
    except (OSError, DataError):  # an earlier version wrote none; a damaged one says nothing
        return None


def _pruned(root: Path, entry: Entry, reason: str) -> PrunedEntry:
    return PrunedEntry(
        kind=entry.kind,
        name=entry.path.relative_to(root).as_posix(),
        bytes=entry.bytes,
        last_use=_moment(entry.used),
        reason=reason,
    )


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
