"""A folder for the browser: a page, the model as ONNX, and onnxruntime as WebAssembly; any static server shows it."""

from pathlib import Path

from torch.export import ExportedProgram

from convlens.core.exported import ExportCard
from convlens.exports.file import QuantizableFormat, Runner
from convlens.exports.onnx_file import Onnx, OnnxRunner
from convlens.exports.web_runtime import web_runtime
from convlens.report.browser_page import CARD_FILE, MODEL_FILE, PAGE_FILE, RUNTIME_FOLDER, browser_page


class Browser(QuantizableFormat):
    """The folder, with the runtime from `source` or from npm."""

    suffix = ""
    can_be_bare = False

    def __init__(self, source: Path | None = None) -> None:
        self._source = source

    def write(self, program: ExportedProgram, card: ExportCard, path: Path) -> None:
        """Write the folder. Raises as `web_runtime` and `Onnx.write`."""
        runtime = web_runtime(self._source)
        (path / RUNTIME_FOLDER).mkdir(parents=True)
        for name, content in runtime.items():
            (path / RUNTIME_FOLDER / name).write_bytes(content)
        Onnx().write(program, card, path / MODEL_FILE)
        _write_page(card, path)

    def onnx_of(self, path: Path) -> Path:
        """The model's file."""
        return path / MODEL_FILE

    def write_card(self, card: ExportCard, path: Path) -> None:
        """Put another card into the folder."""
        Onnx().write_card(card, path / MODEL_FILE)
        _write_page(card, path)

    def is_at(self, path: Path) -> bool:
        """Whether that is such a folder."""
        return (path / MODEL_FILE).is_file() and (path / CARD_FILE).is_file()

    def open(self, path: Path) -> Runner:
        """Its model in onnxruntime."""
        return OnnxRunner(path / MODEL_FILE)


def _write_page(card: ExportCard, path: Path) -> None:
    (path / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
    (path / PAGE_FILE).write_text(browser_page(card), encoding="utf-8")
