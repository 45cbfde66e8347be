"""File formats: whether a file can hold weights that convlens reads, and what else it is where it cannot.

Formats are told by content. Suffixes say little: people name files of torch .pth, .ckpt, .pth.tar, .pkl or not at all.
"""

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from convlens.core.errors import DataError, UsageError

Format = Literal["safetensors", "zip", "pickle", "keras", "caffe"]
"""safetensors; what torch writes since 1.6, a pickle in a zip archive; what it wrote before, a pickle alone; and
weights of other frameworks, which are converted (see zoo.foreign)."""

TITLES: Mapping[Format, str] = {"keras": "Keras", "caffe": "Caffe"}
"""Names of the frameworks whose weights are converted."""

_HEAD_BYTES = 4096
_ZIP, _PICKLE, _HDF5 = b"PK\x03\x04", b"\x80", b"\x89HDF\r\n\x1a\n"
_LONGEST_HEADER = 100_000_000
"""Of safetensors, in bytes."""
_ENDS = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d+)\s*\]')
"""Where tensors end, in the header of safetensors."""
_STATE = "Ask for the state dict of the PyTorch network: torch.save(model.state_dict(), 'weights.pth')."
_AGAIN = "Download it again."


class _Other(NamedTuple):
    """A format of other things."""

    fits: Callable[[bytes], bool]
    """Whether a file begins like that."""
    what: str
    advice: str


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\r\n\t\ufeff" for character in text)


def _is_onnx(head: bytes) -> bool:
    """A protocol buffer that begins with the version of its format, and the program that made it."""
    return bool(re.match(rb"\x08[\x01-\x20](\x12.{1,40}[\x1a\x22\x3a]|\x3a)", head, re.DOTALL))


_OTHERS = (
    _Other(
        _begins(b"version https://git-lfs"),
        "a Git LFS pointer: a few lines of text in the place of the real file",
        "Run `git lfs pull` in its repository, or download the file itself from its web page.",
    ),
    _Other(
        lambda head: bool(re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", head, re.IGNORECASE)),
        "a web page (HTML): the address led to a page, such as one that asks to log in or to confirm",
        "Open the address in a browser and download the file itself.",
    ),
    _Other(_begins(b"\x93NUMPY"), "an array of NumPy (.npy)", _STATE),
    _Other(_begins(b"GGUF"), "a GGUF file, for llama.cpp", _STATE),
    _Other(_begins(b"\x1f\x8b"), "compressed with gzip", "Unpack it first: gunzip FILE, or tar -xzf FILE."),
    _Other(_begins(b"7z\xbc\xaf", b"Rar!"), "an archive (7z or RAR)", "Unpack it first, and name the file inside."),
    _Other(_begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "an image", "Name a file of weights instead."),
    _Other(_begins(b"%PDF"), "a PDF document", "Name a file of weights instead."),
    _Other(lambda head: head[4:8] == b"TFL3", "a TensorFlow Lite model", _STATE),
    _Other(
        lambda head: head[257:262] == b"ustar",
        "a tar archive",
        "Unpack it first (tar -xf FILE), and name the file inside. If torch itself wrote it, before version 0.1.10, "
        "load and save it again with a newer version of torch.",
    ),
    _Other(_is_onnx, "an ONNX model: a graph whose tensors have other names than those of the network", _STATE),
    _Other(lambda head: bool(head) and not any(head), "nothing but zeros: space was kept, never filled", _AGAIN),
)

_BY_SUFFIX = {
    ".onnx": ("an ONNX model: a graph whose tensors have other names than those of the network", _STATE),
    ".pb": ("a TensorFlow graph", _STATE),
    ".tflite": ("a TensorFlow Lite model", _STATE),
    ".index": ("part of a TensorFlow checkpoint", _STATE),
}
"""What such a file is, where its content does not say."""


def format_of(path: Path) -> Format:
    """How the tensors in a file are kept.

    Raises UsageError where there is no such file, and DataError, with what it is instead, where it holds no weights: a
    TorchScript archive, an ONNX or TensorFlow model, a web page, a pointer of Git LFS, half a download.
    """
    _refuse_no_file(path)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    size = path.stat().st_size
    if not size:
        raise _is(path, "an empty file", _AGAIN)
    if head.startswith(_HDF5):
        return "keras"
    if head.startswith(_ZIP):
        return _kind_of_zip(path, size)
    if _is_safetensors(head, size, path):
        return "safetensors"
    if other := next((one for one in _OTHERS if one.fits(head)), None):
        raise _is(path, other.what, other.advice)
    if path.suffix.lower() == ".caffemodel":
        return "caffe"
    if head.startswith(_PICKLE) and path.suffix.lower() not in _BY_SUFFIX:
        return "pickle"
    if _is_text(head):
        words = " ".join(head.decode("utf-8", errors="ignore").split())[:60]
        raise _is(path, f"text, which begins {words!r}", "Name a file of weights.")
    if path.suffix.lower() in _BY_SUFFIX or ".data-0" in path.suffix:
        raise _is(path, *_BY_SUFFIX.get(path.suffix.lower(), _BY_SUFFIX[".index"]))
    raise DataError(
        f"{path} cannot be read as weights: it begins like no file of safetensors or torch. It is damaged, or of "
        "another format; download it again."
    )


def _refuse_no_file(path: Path) -> None:
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir())
        if "saved_model.pb" in names:
            raise _is(path, "a SavedModel of TensorFlow", _STATE)
        inside = [name for name in names if name.endswith((".safetensors", ".pth", ".pt", ".bin", ".ckpt"))]
        named = f" Name the file inside: {', '.join(inside[:3])}." if inside else ""
        raise UsageError(f"no file of weights at {path}: it is a folder.{named}")
    if not path.is_file():
        raise UsageError(
            f"no file of weights at {path}. Check the path, or leave the weights out to start from scratch."
        )


def _is_safetensors(head: bytes, size: int, path: Path) -> bool:
    """Whether it begins with the length of a header and that header; refuses one whose end is missing."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length < _LONGEST_HEADER:
        return False
    if length + 8 > size:
        raise _cut_off(path, "a safetensors file", size)
    with path.open("rb") as file:
        file.seek(8)
        header = file.read(length)
    if (ends := [int(end) for end in _ENDS.findall(header)]) and length + 8 + max(ends) > size:
        raise _cut_off(path, "a safetensors file", size)
    return True


def _kind_of_zip(path: Path, size: int) -> Format:
    """Of torch.save or Keras; refuses another zip archive."""
    if not zipfile.is_zipfile(path):
        raise _cut_off(path, "a zip archive, as torch.save writes it,", size)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last:
        raise _is(path, "a TorchScript archive (torch.jit.save): a program, with its weights inside", _STATE)
    if any(name.endswith("models/model.json") or name.startswith("archive_format") for name in names):
        raise _is(path, "an exported program of torch.export", _STATE)
    if "model.weights.h5" in last:
        return "keras"
    if last and all(name.endswith(".npy") for name in last):
        raise _is(path, "a file of NumPy arrays (.npz)", _STATE)
    if "data.pkl" not in last:
        shown = ", ".join(names[:3])
        raise _is(path, f"a zip archive of something else ({shown})", "Unpack it, and name the file of weights inside.")
    return "zip"


def _is(path: Path, what: str, advice: str) -> DataError:
    return DataError(f"{path} holds no weights that convlens reads: it is {what}. {advice}")


def _cut_off(path: Path, what: str, size: int) -> DataError:
    return DataError(
        f"{path} is incomplete: it is {what} whose end is missing, after {size} bytes. The download was cut off; "
        "download it again."
    )
