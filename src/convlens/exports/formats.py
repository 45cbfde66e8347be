"""All formats by name, and which one a file has; a new one is added here and in core.exported."""

from pathlib import Path

from convlens.core.errors import UsageError, unknown_name
from convlens.core.exported import ExportFormat
from convlens.core.settings import setting
from convlens.exports.file import Format, Runner
from convlens.exports.onnx_file import Onnx
from convlens.exports.pt2_file import Pt2

FORMATS: dict[ExportFormat, Format] = {"onnx": Onnx(), "pt2": Pt2()}


def known_format(name: str) -> ExportFormat:
    """The same name where there is such a format. Raises UsageError where there is not."""
    for known in FORMATS:
        if name == known:
            return known
    raise unknown_name("format", name, FORMATS)


def is_exported(path: Path) -> bool:
    """Whether that is a file whose name ends as those of a format do."""
    return path.is_file() and path.suffix in {form.suffix for form in FORMATS.values()}


def opened(path: Path, *, trust: bool) -> Runner:
    """The model of a file, by the end of its name.

    Raises UsageError where there is no such file, its name has another end, or it can run code and is not trusted, and
    what `Format.open` raises.
    """
    ends = {form.suffix: form for form in FORMATS.values()}
    if not path.is_file():
        raise UsageError(f"no such file: {path}. Give one that `convlens export` wrote.")
    if path.suffix not in ends:
        raise UsageError(f"{path} ends in {path.suffix or 'nothing'}. Give a file that ends in {' or '.join(ends)}.")
    form = ends[path.suffix]
    if form.can_run_code and not trust:
        raise UsageError(
            f"{path}: torch runs code that a {path.suffix} file holds. If you made it yourself or trust whoever did, "
            f"say so with {setting('trust', True)}."
        )
    return form.open(path)
