"""OpenVINO: a folder with the model in its intermediate representation, answered by OpenVINO on the processor."""

import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from convlens.core.errors import DataError, MachineError
from convlens.core.exported import ExportCard
from convlens.exports.file import Format, Runner
from convlens.exports.onnx_file import Onnx

_MODEL, _CARD = "model.xml", "card.json"
"""Beside the first one lies model.bin, with the weights."""


class OpenVinoRunner(Runner):
    """OpenVINO on the processor, in float32: by itself it would compute in bfloat16 where a processor has it."""

    def __init__(self, path: Path) -> None:
        openvino = _library()
        self.card = ExportCard.from_json((path / _CARD).read_bytes(), str(path / _CARD))
        self.runtime = f"openvino {openvino.__version__}"
        try:
            core = openvino.Core()
            self._model = core.compile_model(path / _MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DataError(f"{path} is not a model that OpenVINO can open: {reason}") from error

    def outputs(self, inputs: Tensor) -> Sequence[Tensor]:
        """The answers, and a second output."""
        given = self._model(inputs.numpy())
        return [torch.from_numpy(given[place].copy()) for place in range(len(self.card.outputs))]


class OpenVino(Format):
    """The folder, converted from ONNX."""

    suffix = ""

    def write(self, program: ExportedProgram, card: ExportCard, path: Path) -> None:
        """Write the folder."""
        openvino = _library()
        path.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            Onnx().write(program, card, file)
            openvino.save_model(openvino.convert_model(file), path / _MODEL, compress_to_fp16=False)
        (path / _CARD).write_text(card.to_json(), encoding="utf-8")

    def is_at(self, path: Path) -> bool:
        """Whether that is such a folder."""
        return (path / _MODEL).is_file() and (path / _CARD).is_file()

    def open(self, path: Path) -> Runner:
        """The model in OpenVINO."""
        return OpenVinoRunner(path)


def _library() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise MachineError(
            f"OpenVINO needs the library openvino ({error}). Install it: pip install 'convlens[openvino]'."
        ) from error
