"""Models in 8 bits: what they hold, what they cost, and that the cost is measured."""

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import convlens
from convlens.core.errors import DataError, UsageError
from convlens.core.exported import ExportRecord
from convlens.core.run import RunRecord
from convlens.exports.formats import opened
from convlens.exports.quantization import cost_of
from convlens.runs.validation_images import ValidationImage
from tests.images import TINY_HOUSE, draw_images


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> RunRecord:
    folder = tmp_path_factory.mktemp("run")
    return convlens.train(draw_images(folder / "images", 12), out=folder / "run", **TINY_HOUSE)


@pytest.fixture(scope="module")
def exported(run: RunRecord, module_cache: Path) -> ExportRecord:
    return convlens.export(run.run, quantize="int8", out=Path(run.run).parent / "int8.onnx")


def test_the_network_is_in_8_bits_and_what_is_around_it_is_not(exported: ExportRecord) -> None:
    nodes = onnx.load(exported.file).graph.node
    maker = {output: node for node in nodes for output in node.output}
    for node in nodes:
        if node.op_type in ("Conv", "Gemm"):
            assert {maker[name].op_type for name in node.input[:2]} == {"DequantizeLinear"}
        if node.op_type == "Softmax":
            assert maker[node.input[0]].op_type != "DequantizeLinear"
    resizing = [node for node in nodes if node.op_type == "MatMul"]
    assert resizing
    inputs = [maker[name] for node in resizing for name in node.input if name in maker]
    assert "DequantizeLinear" not in {node.op_type for node in inputs}


def test_the_record_says_what_it_costs(run: RunRecord, exported: ExportRecord) -> None:
    assert exported.validation is not None
    assert exported.validation.float32.proved
    found = exported.quantization
    assert found is not None
    assert found.calibration_images == run.images.train
    assert found.bytes < 0.5 * found.float32_bytes
    assert found.cost is not None
    assert found.cost.images == run.images.val
    assert found.cost.float32_score == pytest.approx(run.validation.score.value)
    assert found.cost.interval[0] <= found.cost.difference <= found.cost.interval[1]


def test_it_is_verified_by_its_own_answers(exported: ExportRecord, tmp_path: Path) -> None:
    found = convlens.verify(exported.file).golden
    assert found.proved
    assert found.largest_difference < 1e-3
    assert found.limit == 0.02
    model = onnx.load(exported.file)
    weights = next(
        one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 4
    )
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(model, tmp_path / "zeroed.onnx")
    assert not convlens.verify(tmp_path / "zeroed.onnx").golden.proved


def test_for_the_browser(run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convlens.exports.browser_folder.web_runtime", lambda source: {"runtime.mjs": b""})
    record = convlens.export(run.run, to="browser", quantize="int8", out=tmp_path / "page")
    assert convlens.verify(record.file).golden.proved
    assert '"precision": "int8"' in (tmp_path / "page" / "card.json").read_text()


def test_numbers(tmp_path: Path, cache: Path) -> None:
    folder = draw_images(tmp_path / "images", 12)
    paths = sorted(folder.rglob("*.png"))
    lines = [f"{path.relative_to(folder)},{20 + 3 * place}" for place, path in enumerate(paths)]
    (tmp_path / "t.csv").write_text("file,age\n" + "\n".join(lines) + "\n")
    run = convlens.train(folder, labels=tmp_path / "t.csv", out=tmp_path / "run", **TINY_HOUSE)
    found = convlens.export(run.run, quantize="int8", out=tmp_path / "a.onnx").quantization
    assert found is not None
    assert found.cost is not None
    assert found.cost.task == "regression"
    assert found.cost.float32_score > 0


def test_a_worse_model_costs_and_the_interval_says_so(exported: ExportRecord) -> None:
    """A model that always says the other class, on images of which the first is right."""
    before = opened(Path(exported.file), trust=False)

    class Reversed(type(before)):  # type: ignore[misc]
        def __init__(self) -> None:
            self.card, self.runtime = before.card, before.runtime

        def outputs(self, inputs: torch.Tensor) -> list[torch.Tensor]:
            return [before(inputs).answers.flip(1)]

    folder = Path(exported.file).parent / "images"
    files = sorted(folder.rglob("*.png"))
    images = [ValidationImage(file.name, file.read_bytes(), []) for file in files]
    truths = {}
    for image, file in zip(images, files, strict=True):
        (one,) = convlens.predict(Path(exported.file).parent / "run", file).predictions
        truths[image.file] = (one.predicted,)
    cost = cost_of(before, Reversed(), images, truths, lambda steps, note="": None)
    assert cost is not None
    assert cost.score < 0.2 < 0.8 < cost.float32_score
    assert cost.interval[1] < 0
    assert cost.alike == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"quantize": "int4"}, "unknown number format to quantize to 'int4'"),
        ({"quantize": "int8", "to": "pt2"}, "quantize='int8' is for ONNX and for browsers, not for to='pt2'"),
    ],
)
def test_wrong_use(run: RunRecord, tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        convlens.export(run.run, out=tmp_path / "a", **options)


def test_a_network_alone_has_no_images_to_set_ranges_by(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="house is not a run folder"):
        convlens.export("house", quantize="int8", out=tmp_path / "a.onnx")


def test_training_images_that_are_gone(tmp_path: Path, cache: Path) -> None:
    import shutil

    run = convlens.train(draw_images(tmp_path / "images", 8), out=tmp_path / "run", **TINY_HOUSE)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(DataError, match="none of the run's training images"):
        convlens.export(run.run, quantize="int8", out=tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()
