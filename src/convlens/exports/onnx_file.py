"""ONNX: written by torch's exporter, answered by onnxruntime."""

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from convlens.core.errors import DataError, MachineError
from convlens.core.exported import ExportCard
from convlens.exports.file import CARD_KEY, QuantizableFormat, Runner, card_in, quiet_exporter

_LEAST_OPSET = 20


class OnnxRunner(Runner):
    """onnxruntime on the processor."""

    def __init__(self, path: Path) -> None:
        runtime = library("onnxruntime")
        try:
            self._session = runtime.InferenceSession(path, _options(runtime), providers=["CPUExecutionProvider"])
        except Exception as error:  # it raises a dozen kinds of its own, all of them RuntimeErrors or not
            reason = str(error).splitlines()[0]
            raise DataError(f"{path} is not an ONNX model that onnxruntime can open: {reason}") from error
        self.runtime = f"onnxruntime {runtime.__version__}"
        self.card = card_in(self._session.get_modelmeta().custom_metadata_map.get(CARD_KEY), path)
        self._input = self._session.get_inputs()[0].name

    def outputs(self, inputs: Tensor) -> Sequence[Tensor]:
        """The answers, and a second output."""
        return [torch.from_numpy(one) for one in self._session.run(None, {self._input: inputs.numpy()})]


class Onnx(QuantizableFormat):
    """One file with weights, for onnxruntime and all that read ONNX."""

    suffix = ".onnx"

    def write(self, program: ExportedProgram, card: ExportCard, path: Path) -> None:
        """Write the file."""
        library("onnxscript")  # which torch's exporter imports
        exporter = logging.getLogger("torch.onnx")
        level = exporter.level
        exporter.setLevel(logging.ERROR)  # it warns that torchvision is missing, which no model here needs
        try:
            with quiet_exporter():
                exported = torch.onnx.export(
                    program,
                    dynamo=True,
                    verbose=False,
                    external_data=False,
                    opset_version=_LEAST_OPSET,
                    input_names=["pixels" if card.whole else "input"],
                    output_names=list(card.outputs),
                )
        finally:
            exporter.setLevel(level)
        assert exported is not None, "it is None only for what is written at once"
        exported.model.metadata_props[CARD_KEY] = card.to_json()
        exported.save(path, external_data=False)

    def onnx_of(self, path: Path) -> Path:
        """The file itself."""
        return path

    def write_card(self, card: ExportCard, path: Path) -> None:
        """Put another card into the file."""
        onnx = library("onnx")
        model = onnx.load(path)
        kept = [one for one in model.metadata_props if one.key != CARD_KEY]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        model.metadata_props.add(key=CARD_KEY, value=card.to_json())
        onnx.save(model, path)

    def open(self, path: Path) -> Runner:
        """The model in onnxruntime."""
        return OnnxRunner(path)


def _options(runtime: ModuleType) -> Any:
    """Threads that sleep while they wait for each other: those that spin take the cores from whoever decodes images."""
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def library(name: str) -> ModuleType:
    """One of the extra `onnx`. Raises MachineError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MachineError(
            f"ONNX needs the library {name} ({error}). Install it: pip install 'convlens[onnx]'."
        ) from error
