"""File index: the files of a folder, found by what a table calls them."""

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from convlens.data.foreign import is_document
from convlens.data.walk import files_below

_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".jp2", ".ppm", ".pgm", ".dcm"),
}
_URL = re.compile(r"(https?|file|s3|gs)://", re.IGNORECASE)
_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0)?")
"""A number that files may have zeros before; pandas writes whole ones as 7.0 where some are missing."""
_MOST_SEARCHED = 20_000


class FoundFile(NamedTuple):
    """What a table's word for a file leads to."""

    file: str | None
    """The file's path from the folder on, as it stands there; None where none fits, or several do."""
    as_written: bool
    """Whether it is called exactly so."""
    several: tuple[str, ...] = ()
    """Files that fit equally well."""


class FileIndex:
    """The files below a folder. They are listed when a word is looked for that is not a path of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bases = (folder.absolute(), folder.resolve())

    def find(self, text: str) -> FoundFile:
        """The file that a word of a table means: by its path, else the only one that fits.

        It may be written with backslashes, in quotes, as a URL, with folders in front that are not here or without
        those that are, in another case or Unicode form, with another extension or none, or without the zeros before a
        number. A file that is in another folder than the word says does not fit where there is a folder of that name.
        """
        plain = self._from_here(text)
        if plain is not None and _is_there(self._folder / plain):
            return FoundFile(PurePosixPath(plain).as_posix(), True)
        slashed = self._from_here(_plain(text))
        if slashed is not None and _is_there(self._folder / slashed):
            return FoundFile(PurePosixPath(slashed).as_posix(), slashed == plain)
        *folders, name = [part for part in PurePosixPath(_plain(text)).parts if part not in ("/", ".", "..")] or [""]
        for fitting in self._called(name):
            best = self._deepest(fitting, folders)
            if best:
                return FoundFile(best[0] if len(best) == 1 else None, False, tuple(best) if len(best) > 1 else ())
        return FoundFile(None, False)

    def nearest(self, text: str) -> str | None:
        """The file whose name is most like the word's, of the first thousands."""
        name = _folded(PurePosixPath(_plain(text)).name)
        by_name = {_folded(PurePosixPath(file).name): file for file in self._files[:_MOST_SEARCHED]}
        near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.4)
        return by_name[near[0]] if near else None

    def leads_out(self, text: str) -> bool:
        """Whether the word is a path that goes up and out of the folder."""
        return ".." in PurePosixPath(_plain(text)).parts

    def _from_here(self, text: str) -> str | None:
        """The path from the folder on; None for one that leads elsewhere."""
        path = PurePosixPath(text)
        for base in self._bases:
            if path.is_absolute() and path.is_relative_to(base):
                path = path.relative_to(base)
        return None if path.is_absolute() or ".." in path.parts or not path.parts else str(path)

    def _called(self, name: str) -> Iterator[Sequence[str]]:
        """Files of that name; of its name with another extension; of its number."""
        folded, suffix = _folded(name), PurePosixPath(name).suffix.lower()
        yield self._by_name.get(folded, ())
        yield self._by_stem.get(folded, ())
        if suffix in _SUFFIXES:
            yield self._by_stem.get(folded.removesuffix(suffix), ())
        if number := _WHOLE.fullmatch(name):
            yield self._by_number.get(int(number[1]), ())

    def _deepest(self, files: Sequence[str], folders: Sequence[str]) -> list[str]:
        """Those of which most folders are the ones asked for, if the others that were asked for are not here."""
        asked = [_folded(part) for part in reversed(folders)]
        agreed = {file: _same_at_start(asked, _folders_of(file)[::-1]) for file in files}
        most = max(agreed.values(), default=0)
        best = [file for file, number in agreed.items() if number == most]
        if most < len(asked) and asked[most] in self._folders:
            return []
        if most == len(asked) and (whole := [file for file in best if len(_folders_of(file)) == most]):
            return whole
        return best

    @cached_property
    def _files(self) -> list[str]:
        return [
            path.relative_to(self._folder).as_posix()
            for path in files_below(self._folder)
            if path.suffix.lower() in _SUFFIXES or not (path.is_dir() or is_document(path))
        ]

    @cached_property
    def _folders(self) -> set[str]:
        return {part for file in self._files for part in _folders_of(file)}

    @cached_property
    def _by_name(self) -> Mapping[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for file in self._files:
            found[_folded(PurePosixPath(file).name)].append(file)
        return found

    @cached_property
    def _by_stem(self) -> Mapping[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for file in self._files:
            found[_folded(PurePosixPath(file).stem)].append(file)
        return found

    @cached_property
    def _by_number(self) -> Mapping[int, list[str]]:
        found: defaultdict[int, list[str]] = defaultdict(list)
        for stem, files in self._by_stem.items():
            if _WHOLE.fullmatch(stem) and "." not in stem:
                found[int(stem)] += files
        return found


def _plain(text: str) -> str:
    """The path that a word holds: without quotes around it, what stands around the path of a URL, and backslashes."""
    bare = text.strip()
    while len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"`":
        bare = bare[1:-1].strip()
    if _URL.match(bare):
        bare = unquote(urlsplit(bare).path)
    return re.sub(r"^[A-Za-z]:(?=[/\\])", "", bare).replace("\\", "/")


def _folded(name: str) -> str:
    """A name without its case and Unicode form: macOS stores another one than tables have."""
    return unicodedata.normalize("NFC", name).casefold()


def _folders_of(file: str) -> list[str]:
    return [_folded(part) for part in PurePosixPath(file).parts[:-1]]


def _same_at_start(one: Sequence[str], other: Sequence[str]) -> int:
    number = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        number += 1
    return number


def _is_there(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112  (Path's raise for too long a name)
