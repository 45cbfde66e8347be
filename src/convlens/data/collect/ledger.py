"""The ledger of a collection: which images are there, which were dropped, and whether one is there already.

attribution.jsonl   a line for each image, written before the image gets its name
.dropped.jsonl      a line for each that will never be wanted, so that it is not asked for again

An image that a person moved to another class, or renamed, is found again, and its line says where it is now. A line
without an image anywhere below is of one that a person took away, which is not fetched again; but for the last one:
that may be what a killed process left, and counts for nothing.
"""

import contextlib
import hashlib
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from convlens.core.collection import ATTRIBUTION_FILE, Attribution
from convlens.core.files import TEMPORARY_PREFIX, sha256_of, write_atomically
from convlens.data.collect.provider import Candidate
from convlens.data.decode import BadImage, opened
from convlens.data.perceptual_hash import is_like_one_of, signature
from convlens.data.side_names import SIDE_NAMES
from convlens.data.walk import files_below, shown

_DROPPED_FILE = ".dropped.jsonl"
_SIGNED_SIDE = 128


class Ledger:
    """What is known of a collection in `folder`. Several threads may use it; one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._remove_leftovers()
        written = _written(folder)
        there = _still_there(folder, written)
        self.images = list(there.values())
        self._dropped = set(_dropped(folder / _DROPPED_FILE))
        for one in written[:-1]:
            if one.file not in there:
                self.drop(one, "taken-away")
        self._kept = {(one.provider, one.id) for one in self.images}
        self._hashes = {one.sha256 for one in self.images}
        self._signatures = [_signature_of(folder / one.file) for one in self.images]
        self.tidy()

    @property
    def counts(self) -> Counter[str]:
        """Images that are there, by class."""
        return Counter(one.label for one in self.images)

    def knows(self, candidate: Candidate) -> bool:
        """Whether this id was kept, or dropped for good."""
        key = (candidate.provider, candidate.id)
        return key in self._kept or key in self._dropped

    def keep(self, image: Attribution, temporary: Path, signed: bytes) -> str:
        """ "kept", and the image stands under its name; or "duplicate" or "near-duplicate" of one that does."""
        with self._lock:
            if image.sha256 in self._hashes:
                return "duplicate"
            if is_like_one_of(signed, self._signatures):
                return "near-duplicate"
            _append(self._folder / ATTRIBUTION_FILE, image.model_dump_json(ensure_ascii=True))
            temporary.replace(self._folder / image.file)
            self.images.append(image)
            self._kept.add((image.provider, image.id))
            self._hashes.add(image.sha256)
            self._signatures.append(signed)
            return "kept"

    def drop(self, candidate: Candidate | Attribution, reason: str) -> None:
        """Remember that this id is not wanted."""
        with self._lock:
            self._dropped.add((candidate.provider, candidate.id))
            line = {"provider": candidate.provider, "id": candidate.id, "reason": reason}
            _append(self._folder / _DROPPED_FILE, json.dumps(line))

    def tidy(self) -> None:
        """Rewrite attribution.jsonl without lines that have no image."""
        if self.images or (self._folder / ATTRIBUTION_FILE).exists():
            lines = "".join(f"{one.model_dump_json(ensure_ascii=True)}\n" for one in self.images)
            write_atomically(self._folder / ATTRIBUTION_FILE, lines)

    def _remove_leftovers(self) -> None:
        for path in self._folder.glob(f"*/{TEMPORARY_PREFIX}*"):
            path.unlink()


def file_name(candidate: Candidate, extension: str) -> str:
    """A name of our own making: what a provider says could be anything."""
    digest = hashlib.sha256(f"{candidate.provider}/{candidate.id}".encode()).hexdigest()
    return f"{candidate.provider}-{digest[:16]}{extension}"


def _written(folder: Path) -> list[Attribution]:
    path = folder / ATTRIBUTION_FILE
    lines = (Attribution.from_json(line, str(path)) for line in _whole_lines(path))
    return list({image.file: image for image in lines}.values())


def _still_there(folder: Path, written: Sequence[Attribution]) -> dict[str, Attribution]:
    """The images that are there, as they are now, by the places where they were written."""
    there = {one.file: one for one in written if (folder / one.file).is_file()}
    if lost := [one for one in written if one.file not in there]:
        strays = [path for path in files_below(folder) if shown(path.relative_to(folder)) not in there]
        there |= {one.file: _moved(one, folder, path) for one, path in _found_again(lost, strays)}
    return {one.file: there[one.file] for one in written if one.file in there}


def _found_again(lost: Sequence[Attribution], strays: Sequence[Path]) -> Iterator[tuple[Attribution, Path]]:
    """Images and where they are now: under the same name, which no other has, or with the same bytes."""
    files = [path for path in strays if path.is_file()]
    by_name = {path.name: path for path in reversed(files)}
    by_size: defaultdict[int, list[Path]] = defaultdict(list)
    for path in files:
        by_size[path.stat().st_size].append(path)
    for one in lost:
        alike = (path for path in by_size[one.bytes] if sha256_of(path) == one.sha256)
        if place := by_name.get(PurePosixPath(one.file).name) or next(alike, None):
            yield one, place


def _moved(image: Attribution, folder: Path, path: Path) -> Attribution:
    """The image at its new place; its class is the outermost folder there, within a side as `scan` knows them."""
    place = path.relative_to(folder)
    classes = [shown(Path(part)) for part in place.parts[:-1]]
    if len(classes) > 1 and classes[0].lower() in SIDE_NAMES:
        del classes[0]
    return image.model_copy(update={"file": shown(place), "label": classes[0] if classes else image.label})


def _dropped(path: Path) -> Iterable[tuple[str, str]]:
    for line in _whole_lines(path):
        row = json.loads(line)
        yield row["provider"], row["id"]


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file; one that a killed process has not ended is cut off, so that the next begins a line."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole, end, _ = content.rpartition(b"\n")
    if len(whole + end) < len(content):
        write_atomically(path, whole + end)
    return [line for line in whole.split(b"\n") if line]


def _append(path: Path, line: str) -> None:
    """Add a line, safely on the disk."""
    with path.open("ab") as file:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _signature_of(path: Path) -> bytes:
    with contextlib.suppress(BadImage, OSError):
        return signature(opened(path.read_bytes(), at_least=_SIGNED_SIDE).rgb)
    return b""
