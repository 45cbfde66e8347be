"""What lies in folders of images and is never an image of theirs: our own runs, environments, repositories, documents.

`convlens train .` puts its runs beside the class folders, and a run holds thumbnails: without this the next training
would learn them as a class.
"""

import os
from pathlib import Path

from convlens.core.audit import AUDIT_FILE
from convlens.core.bundle import BUNDLE_FILE
from convlens.core.cache_layout import GRAPHS, STORE
from convlens.core.comparison import COMPARISON_FILE
from convlens.core.complexity import COMPLEXITY_FILE, COMPLEXITY_UNFINISHED_FILE
from convlens.core.files import cache_folder
from convlens.core.run import BEGUN_FILE, RUN_FILE, UNFINISHED
from convlens.core.study import STUDY_FILE
from convlens.data.container import format_of

FOREIGN = "no-images"
"""The reason of a problem that names a folder which is left out."""
DOCUMENT = "document"
"""The reason of a problem that names a file which nobody meant to be an image."""

_CLUTTER = {
    *("thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information"),
    *("attribution.jsonl", "credits.html"),
}
"""What systems leave behind, and what `convlens collect` writes beside the images."""
_RECORDS = {
    RUN_FILE: "a run of convlens",
    BUNDLE_FILE: "a run of convlens",
    BEGUN_FILE: "an unfinished run of convlens",
    COMPARISON_FILE: "a comparison of convlens",
    AUDIT_FILE: "an audit of convlens",
    STUDY_FILE: "a study of convlens",
    COMPLEXITY_FILE: "a study of convlens",
    COMPLEXITY_UNFINISHED_FILE: "an unfinished study of convlens",
}
_OF_OURS = b'"convlens.'
_CACHE_PARTS = (STORE, GRAPHS)
_HEAD_BYTES = 256
_MARKS = {
    "pyvenv.cfg": "a virtual environment",
    "conda-meta": "a conda environment",
    ".git": "a Git repository",
    "CACHEDIR.TAG": "a cache",
}
_ENVIRONMENT_PARTS = {"bin", "etc", "include", "lib", "lib64", "scripts", "share"}
"""Folders of a virtual environment that was made in the folder of images itself."""
_PACKAGES = {"node_modules", "site-packages", "__pycache__"}
_DOCUMENT_SUFFIXES = {
    *(".txt", ".md", ".rst", ".log", ".html", ".htm", ".css", ".pdf", ".doc", ".docx", ".odt", ".rtf", ".tex", ".bib"),
    *(".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xls", ".xlsx", ".ods"),
    *(".py", ".ipynb", ".js", ".sh", ".bat", ".ps1", ".r", ".m", ".svg"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"),
    *(".npy", ".npz", ".mat", ".pkl", ".h5", ".pt", ".pth", ".onnx", ".safetensors", ".db", ".sqlite"),
    *(".md5", ".sha1", ".sha256"),
}
_DOCUMENT_NAMES = {
    *("readme", "license", "licence", "copying", "notice", "authors", "changelog", "changes", "makefile"),
    *("dockerfile", "md5sums", "sha256sums"),
}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of that name is passed over without a word."""
    return name.startswith(".") or name.lower() in _CLUTTER


def foreign(folder: Path) -> str | None:
    """What a folder is by its own marks, where its files are nobody's images; else None."""
    return of_convlens(folder) or _of_others(folder)


def of_convlens(folder: Path) -> str | None:
    """What a folder is that convlens wrote, such as "a run of convlens"; else None."""
    for name, what in _RECORDS.items():
        if _OF_OURS in _head(folder / name):
            return what
    if folder.name.endswith(UNFINISHED) and _holds_nothing(folder):
        return "an unfinished run of convlens"  # the moment before it has its record
    return "the cache of convlens" if _is_cache(folder) else None


def is_document(path: Path) -> bool:
    """Whether a file is a text, table, archive or the like by its name, and no image by its first bytes."""
    suffix = path.suffix.lower()
    named = suffix in _DOCUMENT_SUFFIXES if suffix else path.name.lower() in _DOCUMENT_NAMES
    return named and path.is_file() and format_of(_head(path)) is None


def is_empty_runs(folder: Path) -> bool:
    """Whether it is the folder that runs are written into, which outlives them."""
    return folder.name == "runs" and _holds_nothing(folder)


def _of_others(folder: Path) -> str | None:
    if folder.name in _PACKAGES:
        return "a folder of packages"
    if folder.name.lower() in _ENVIRONMENT_PARTS and (folder.parent / "pyvenv.cfg").is_file():
        return "part of a virtual environment"
    return next((what for name, what in _MARKS.items() if os.path.lexists(folder / name)), None)


def _is_cache(folder: Path) -> bool:
    """Whether it is this process's cache, or one that another setting of CONVLENS_CACHE filled."""
    if all((folder / part).is_dir() for part in _CACHE_PARTS):
        return True
    here = cache_folder()
    return here.exists() and folder.exists() and folder.samefile(here)


def _holds_nothing(folder: Path) -> bool:
    try:
        return all(path.name.startswith(".") for path in folder.iterdir())
    except OSError:  # a folder that cannot be listed is reported as such
        return False


def _head(path: Path) -> bytes:
    """The first bytes of a plain file; none of what is not there, is no plain file or may not be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""
