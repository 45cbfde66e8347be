"""Quantization: weights and activations in 8 bits, with ranges that images have set, and what it costs.

Only the network itself is quantized. What resizes and normalizes before it, and what makes probabilities or numbers
after it, stays in float32: there 8 bits would save nothing and cost most.
"""

import importlib
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convlens.core.exported import ExportCard, QuantizationCost
from convlens.core.kinds.kind import Labels
from convlens.core.progress import Advance
from convlens.data.decode import Pixels, opened_for
from convlens.exports.file import QuantizableFormat, Runner
from convlens.exports.golden import pixels_of, with_answers
from convlens.exports.onnx_file import library
from convlens.exports.proof import asked, fed, task_of_card
from convlens.runs.validation_images import ValidationImage
from convlens.training.significance import paired_difference
from convlens.training.task import Task

_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")
_FIRST = ("Conv", "Gemm")
"""What a network may begin with; matrices that resize images come before it."""
_NEAR = 0.05
"""In standard deviations: numbers that count as alike."""


def quantize(form: QuantizableFormat, path: Path, card: ExportCard, images: Iterable[bytes]) -> None:
    """Turn the model of an exported file into one in 8 bits, by static quantization in the form of QDQ.

    Weights are 8-bit integers per output channel, activations per tensor, between the least and the largest value that
    the images give. The file's card then has the answers of the new model to the golden images.

    Raises MachineError where a library is missing.
    """
    library("onnx")
    library("onnxruntime")
    file = form.onnx_of(path)
    inputs = (fed(_pixels(image, card), card.preprocessing, whole=card.whole) for image in images)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, result = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quantization = importlib.import_module("onnxruntime.quantization")
        shapes = importlib.import_module("onnxruntime.quantization.shape_inference")
        shapes.quant_pre_process(str(file), str(prepared), skip_symbolic_shape=True)
        outside, last = _outside_network(prepared)
        quantization.quantize_static(
            str(prepared),
            str(result),
            _Reader("pixels" if card.whole else "input", inputs),
            quant_format=quantization.QuantFormat.QDQ,
            nodes_to_exclude=outside,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": last},
        )
        file.write_bytes(result.read_bytes())
    form.write_card(card, path)  # without one, nothing opens the file
    runner = form.open(path)
    judged = "p_values" in card.outputs
    golden = [with_answers(image, asked(runner, pixels_of(image)), judged=judged) for image in card.golden]
    form.write_card(card.model_copy(update={"precision": "int8", "golden": golden}), path)


def cost_of(
    before: Runner,
    after: Runner,
    images: Iterable[ValidationImage],
    truths: Mapping[str, Labels],
    advance: Advance,
) -> QuantizationCost | None:
    """What the file `after` costs against `before`, on images whose true labels are known; None where there is none."""
    card = before.card
    task = task_of_card(card)
    rows: dict[str, tuple[Tensor, Tensor]] = {}
    seconds: tuple[list[float], list[float]] = ([], [])
    for image in images:
        inputs = fed(_pixels(image.data, card), card.preprocessing, whole=card.whole)
        answers = []
        for runner, times in zip((before, after), seconds, strict=True):
            start = time.perf_counter()
            answers.append(runner(inputs).answers[0])
            times.append(time.perf_counter() - start)
        rows[image.file] = (answers[0], answers[1])
        advance(1)
    if not rows:
        return None
    spread = card.scale.spread if card.scale else None
    old = {file: _score(task, pair[0], truths[file], spread) for file, pair in rows.items()}
    new = {file: _score(task, pair[1], truths[file], spread) for file, pair in rows.items()}
    difference = paired_difference([new], [old], proportions=task.kind.measure.proportion)
    return QuantizationCost(
        images=len(rows),
        alike=sum(_alike(task, *pair, spread) for pair in rows.values()),
        task=card.task,
        float32_score=statistics.fmean(old.values()),
        score=statistics.fmean(new.values()),
        difference=difference.value,
        interval=difference.interval,
        float32_milliseconds=round(statistics.median(seconds[0]) * 1e3, 2),
        milliseconds=round(statistics.median(seconds[1]) * 1e3, 2),
    )


def _pixels(data: bytes, card: ExportCard) -> Pixels:
    return np.array(opened_for(data, card.preprocessing.resize).rgb)


def _score(task: Task, row: Tensor, truth: Labels, spread: Sequence[float] | None) -> float:
    """1 for what is right; of numbers the squared error relative to the variance."""
    if spread is None:
        return float(sorted(task.labels(row.tolist())) == sorted(truth))
    errors = (row.double() - torch.tensor([float(number) for number in truth])) / torch.tensor(spread)
    return float(errors.square().mean())


def _alike(task: Task, before: Tensor, after: Tensor, spread: Sequence[float] | None) -> bool:
    if spread is None:
        return task.labels(before.tolist()) == task.labels(after.tolist())
    return bool(((before - after).abs() <= _NEAR * torch.tensor(spread)).all())


class _Reader:
    """What onnxruntime asks for images until there are no more."""

    def __init__(self, name: str, inputs: Iterator[Tensor]) -> None:
        self._name, self._inputs = name, inputs

    def get_next(self) -> dict[str, Any] | None:
        """The next input, or None."""
        following = next(self._inputs, None)
        return None if following is None else {self._name: following.numpy()}


def _outside_network(file: Path) -> tuple[list[str], list[str]]:
    """Names of the nodes before the first layer with weights and after the last ones, and the operators of those.

    What the last ones give is left in float32, so that scores are not rounded to 256 levels.
    """
    graph = library("onnx").load(file, load_external_data=False).graph
    maker = {output: node for node in graph.node for output in node.output}
    first = next(node for node in graph.node if node.op_type in _FIRST)
    before = _upward(maker, [first.input[0]])
    reached = _upward(maker, [output.name for output in graph.output], until=_WITH_WEIGHTS)
    after = [node.name for node in reached.values() if node.op_type not in _WITH_WEIGHTS]
    return [*before, *after], sorted({node.op_type for node in reached.values()} & {*_WITH_WEIGHTS})


def _upward(maker: Mapping[str, Any], values: list[str], until: Collection[str] = ()) -> dict[str, Any]:
    """By name, the nodes from which values come, as far up as one of the operators `until`, that one with them."""
    found: dict[str, Any] = {}
    while values:
        node = maker.get(values.pop())
        if node is not None and node.name not in found:
            found[node.name] = node
            values += [] if node.op_type in until else list(node.input)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that onnxruntime logs for people who call it themselves."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        root.setLevel(level)
