"""A network compiled by onnxruntime for this process, which answers several times as fast as torch on a processor."""

import importlib.util
import tempfile
from pathlib import Path

from torch import nn
from torch.onnx import OnnxExporterError

from convlens.core.bundle import Bundle
from convlens.core.errors import MachineError
from convlens.exports.card import card_of
from convlens.exports.file import Runner, traced
from convlens.exports.formats import FORMATS
from convlens.exports.model import BareModel, Vectors
from convlens.exports.proof import on_golden_images, refuse_unlike
from convlens.training.tasks import task_of

_LIBRARIES = ("onnx", "onnxruntime", "onnxscript")


def can_compile() -> bool:
    """Whether the libraries of the extra `onnx` are installed."""
    return all(importlib.util.find_spec(name) for name in _LIBRARIES)


def compiled(bundle: Bundle, network: nn.Module, head: str) -> Runner:
    """The network in evaluation mode and float32, from what `preprocessing` makes of images to answers.

    Its second output is what the layer `head` reads.

    It has answered the golden images as the module does. Raises MachineError where a library is missing, or ONNX cannot
    express the network, and IntegrityError where an answer is another one.
    """
    model = BareModel(network.eval().float(), task_of(bundle), head, Vectors())
    card = card_of(model, bundle, whole=False, weights_license=None)
    onnx = FORMATS["onnx"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"network{onnx.suffix}"
        try:
            onnx.write(traced(model, whole=False, size=bundle.preprocessing.size), card, file)
        except OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise MachineError(f"ONNX cannot express {bundle.backbone}: {reason}. Take runtime torch.") from error
        runner = onnx.open(file)
    refuse_unlike(on_golden_images(runner), "golden images", runner.runtime)
    return runner
