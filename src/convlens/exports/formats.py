"""All formats by name, and which one a file has; a new one is added here and in core.exported."""

from pathlib import Path

from convlens.core.errors import UsageError, unknown_name
from convlens.core.exported import ExportFormat
from convlens.core.settings import setting
from convlens.exports.browser_folder import Browser
from convlens.exports.file import Format, Runner
from convlens.exports.onnx_file import Onnx
from convlens.exports.openvino_folder import OpenVino
from convlens.exports.pt2_file import Pt2

FORMATS: dict[ExportFormat, Format] = {"onnx": Onnx(), "pt2": Pt2(), "browser": Browser(), "openvino": OpenVino()}


def format_named(name: str, *, runtime: Path | None = None, compiled: bool = False) -> tuple[ExportFormat, Format]:
    """The format of that name.

    `runtime` is the folder or archive with what a browser's folder needs to run; `compiled` asks for a PT2 archive of
    machine code. Raises UsageError where there is no such format, or it is not the one that those are for.
    """
    kind = next((known for known in FORMATS if known == name), None)
    if kind is None:
        raise unknown_name("format", name, FORMATS)
    if runtime is not None and kind != "browser":
        raise UsageError(f"{setting('runtime', runtime)} is for {setting('to', 'browser')}; leave it out.")
    if compiled and kind != "pt2":
        raise UsageError(f"{setting('compiled', True)} is for {setting('to', 'pt2')}; leave it out.")
    if runtime is not None:
        return kind, Browser(runtime)
    return kind, Pt2(compiled=True) if compiled else FORMATS[kind]


def is_exported(path: Path) -> bool:
    """Whether that is a file whose name ends as those of a format do, or a folder of one."""
    return _format_at(path) is not None


def opened(path: Path, *, trust: bool) -> Runner:
    """The model of a file, by the end of its name.

    Raises UsageError where there is no such file, its name has another end, or it can run code and is not trusted, and
    what `Format.open` raises.
    """
    form = _format_at(path)
    if form is None and not path.is_file():
        raise UsageError(f"no such file: {path}. Give one that `convlens export` wrote.")
    if form is None:
        ends = " or ".join(one.suffix for one in FORMATS.values() if one.suffix)
        raise UsageError(f"{path} ends in {path.suffix or 'nothing'}. Give a file that ends in {ends}.")
    if form.can_run_code and not trust:
        raise UsageError(
            f"{path}: torch runs code that a {path.suffix} file holds. If you made it yourself or trust whoever did, "
            f"say so with {setting('trust', True)}."
        )
    return form.open(path)


def _format_at(path: Path) -> Format | None:
    return next((form for form in FORMATS.values() if form.is_at(path)), None)
