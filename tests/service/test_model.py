"""Models as they are served: by every runtime the same answers, of every task."""

from pathlib import Path
from typing import Any

import pytest
import torch

import convlens
from convlens.core.errors import IntegrityError, MachineError, UsageError
from convlens.exports import compiled
from convlens.service.messages import HeatMap, Prediction, Refused, Runtime, Setup, Similar
from convlens.service.model import loaded_model
from tests.images import TINY, draw_images
from tests.service.running import image_file
from tests.stripes import HOUSE, striped_images

IMAGES = [image_file(seed) for seed in range(5)]


def predictions(setup: Setup) -> list[Prediction]:
    with torch.inference_mode():
        found = loaded_model(setup).predict(IMAGES)
    assert all(isinstance(one, Prediction) for one in found)
    return found  # type: ignore[return-value]


def largest_difference(some: list[Prediction], others: list[Prediction]) -> float:
    return max(
        abs(one.probabilities[name] - other.probabilities[name])
        for one, other in zip(some, others, strict=True)
        for name in one.probabilities
    )


def test_onnxruntime_and_torch_answer_alike() -> None:
    by_onnx, by_torch = (predictions(Setup(named="house", runtime=one)) for one in ("onnxruntime", "torch"))
    assert largest_difference(by_onnx, by_torch) < 1e-5


@pytest.mark.parametrize(("runtime", "name"), [("auto", "onnxruntime"), ("torch", "torch")])
def test_the_description_names_the_runtime(runtime: Runtime, name: str) -> None:
    assert loaded_model(Setup(named="house", runtime=runtime)).description.runtime.startswith(name)


@pytest.mark.parametrize("bare", [False, True])
def test_an_exported_file_answers_as_its_network(tmp_path: Path, bare: bool) -> None:
    convlens.export("house", out=tmp_path / "house.onnx", bare=bare)
    of_file = predictions(Setup(named=str(tmp_path / "house.onnx")))
    assert largest_difference(of_file, predictions(Setup(named="house"))) < 1e-5
    model = loaded_model(Setup(named=str(tmp_path / "house.onnx")))
    assert not model.description.explains
    assert isinstance(model.explain(IMAGES[0], None), Refused)


def test_a_pt2_file_is_opened_where_it_is_trusted(tmp_path: Path) -> None:
    convlens.export("house", to="pt2", out=tmp_path / "house.pt2")
    with pytest.raises(UsageError, match="trust"):
        loaded_model(Setup(named=str(tmp_path / "house.pt2")))
    of_file = predictions(Setup(named=str(tmp_path / "house.pt2"), trust=True))
    assert largest_difference(of_file, predictions(Setup(named="house"))) < 1e-5


def test_other_weights_of_a_file_are_refused(tmp_path: Path) -> None:
    convlens.export("house", out=tmp_path / "house.onnx")
    with pytest.raises(UsageError, match="has its own weights"):
        loaded_model(Setup(named=str(tmp_path / "house.onnx"), weights="x"))


def test_without_the_libraries_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_LIBRARIES", ("onnx", "no_such_library"))
    model = loaded_model(Setup(named="house"))
    assert model.description.runtime.startswith("torch")
    assert model.notes == ()


@pytest.mark.parametrize("error", [MachineError("it cannot"), IntegrityError("it answers otherwise")])
def test_what_onnxruntime_cannot_is_said_and_computed_by_torch(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("convlens.service.model.compiled", fail)
    model = loaded_model(Setup(named="house"))
    assert model.description.runtime.startswith("torch")
    assert model.notes == (f"torch computes, more slowly than onnxruntime would: {error}",)
    with pytest.raises(type(error)):
        loaded_model(Setup(named="house", runtime="onnxruntime"))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> Path:
    root = striped_images(tmp_path_factory.mktemp("calibrated") / "images")
    convlens.train(root, out=root.parent / "run", **HOUSE)
    return root.parent / "run"


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_answers_are_judged_as_predict_judges_them(calibrated: Path, runtime: Runtime) -> None:
    folder = calibrated.parent
    files = [*sorted((folder / "foreign").iterdir())[:4], *sorted((folder / "images/val/columns").iterdir())[:4]]
    model = loaded_model(Setup(named=str(calibrated), runtime=runtime, shows_training_images=True, reject=0.1))
    with torch.inference_mode():
        found = model.predict([file.read_bytes() for file in files])
    expected = convlens.predict(calibrated, *files, reject=0.1).predictions
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Prediction)
        assert one.judged is not None
        assert other.judgment is not None
        assert one.judged.p_value == pytest.approx(other.judgment.p_value, abs=0.05)
        assert one.judged.rejected == other.judgment.rejected
        assert list(one.judged.possible) == other.judgment.possible
        assert [image.file for image in one.judged.nearest] == [image.file for image in other.judgment.nearest]
    assert [one.judged.rejected for one in found[:4]] == [True] * 4  # type: ignore[union-attr]


def test_thumbnails_come_from_the_store_where_it_has_them(
    calibrated: Path, module_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = (calibrated.parent / "foreign" / "blobs1.png").read_bytes()

    def nearest(shown: bool) -> tuple[Similar, ...]:
        (one,) = loaded_model(Setup(named=str(calibrated), runtime="torch", shows_training_images=shown)).predict(
            [image]
        )
        assert isinstance(one, Prediction)
        assert one.judged is not None
        return one.judged.nearest

    assert [one.thumbnail for one in nearest(True)] == [None] * 3
    monkeypatch.setenv("CONVLENS_CACHE", str(module_cache))
    assert all(str(one.thumbnail).startswith("data:image/jpeg;base64,") for one in nearest(True))
    assert nearest(False) == ()


def test_an_exported_file_judges_by_its_p_values(calibrated: Path, tmp_path: Path) -> None:
    convlens.export(calibrated, out=tmp_path / "model.onnx")
    image = (calibrated.parent / "foreign" / "blobs1.png").read_bytes()
    for reject, expected in ((None, True), (0.001, False)):
        (one,) = loaded_model(Setup(named=str(tmp_path / "model.onnx"), reject=reject)).predict([image])
        assert isinstance(one, Prediction)
        assert one.judged is not None
        assert (one.judged.rejected, one.judged.nearest) == (expected, ())


def test_a_rate_for_a_model_that_judges_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"reject='5\.000%': this model has nothing to judge its answers by"):
        loaded_model(Setup(named="house", reject=0.05))
    convlens.export("house", out=tmp_path / "house.onnx")
    with pytest.raises(UsageError, match=r"reject='5\.000%': this file has nothing to judge its answers by"):
        loaded_model(Setup(named=str(tmp_path / "house.onnx"), reject=0.05))


def test_several_labels(tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "images", 10)
    lines = [f"{file.relative_to(folder)},{int('blue' in str(file))},1" for file in sorted(folder.rglob("*.png"))]
    (tmp_path / "tags.csv").write_text("file,blue,small\n" + "\n".join([*lines[:-1], lines[-1][:-1] + "0"]) + "\n")
    run = convlens.train(
        folder, labels=tmp_path / "tags.csv", task="multilabel", out=tmp_path / "run", backbone="house", **TINY
    )
    for place, image in enumerate(IMAGES):
        (tmp_path / f"{place}.png").write_bytes(image)
    expected = convlens.predict(run.run, *(tmp_path / f"{place}.png" for place in range(5))).predictions
    found = predictions(Setup(named=run.run))
    for one, other in zip(found, expected, strict=True):
        assert one.predicted == other.predicted
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)  # a run may compute in bfloat16
    explained = loaded_model(Setup(named=run.run)).explain(IMAGES[0], "small")
    assert isinstance(explained, HeatMap)
    assert explained.target == "small"
