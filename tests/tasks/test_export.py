"""Export and verify: files that answer as the run does, and faults that are found."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convlens.core.errors import DataError, IntegrityError, MachineError, UsageError
from convlens.core.exported import ExportCard, ExportRecord
from convlens.core.preprocessing import Preprocessing
from convlens.core.run import RunRecord
from convlens.exports import model as export_model
from convlens.exports.formats import opened
from convlens.tasks import export as export_task
from convlens.tasks.export import export
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from convlens.tasks.verify import verify
from tests.data.drawn import put
from tests.images import TINY_HOUSE, draw, draw_images

SUFFIXES = [("onnx", ".onnx"), ("pt2", ".pt2")]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("export") / "images", 10)


@pytest.fixture(scope="module")
def run(images: Path, module_cache: object) -> RunRecord:
    options = {**TINY_HOUSE, "weights": "package", "precision": "fp32"}
    return train(images, out=images.parent / "run", **options)


@pytest.fixture(scope="module")
def exported(run: RunRecord, module_cache: object) -> dict[str, ExportRecord]:
    return {kind: export(run.run, to=kind, out=Path(run.run).parent / f"model{end}") for kind, end in SUFFIXES}


def answers(run: RunRecord) -> dict[str, list[float]]:
    with (Path(run.run) / "predictions.csv").open(newline="") as file:
        return {row["file"]: [float(row[f"p({name})"]) for name in run.classes] for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
class TestExport:
    def test_it_is_proved_on_golden_and_on_validation_images(self, run, exported, kind):
        record = exported[kind]
        assert record.golden.images == 4
        assert record.golden.proved
        assert record.validation is not None
        assert record.validation.float32.images == record.validation.as_trained.images == run.images.val
        assert record.validation.as_trained.largest_difference < 1e-5
        assert not record.validation.as_trained.flips
        assert record.bytes == Path(record.file).stat().st_size

    def test_raw_pixels_of_all_sizes_get_the_answers_of_the_run(self, run, exported, kind):
        runner = opened(Path(exported[kind].file), trust=True)
        expected = answers(run)
        for file, probabilities in expected.items():
            pixels = np.array(Image.open(Path(run.folder) / file).convert("RGB"))
            assert runner(torch.from_numpy(pixels[None])).answers[0].tolist() == pytest.approx(probabilities, abs=1e-5)

    def test_a_batch_gets_the_answers_of_its_images(self, run, exported, kind):
        runner = opened(Path(exported[kind].file), trust=True)
        pixels = torch.randint(0, 256, (32, 90, 51, 3), dtype=torch.uint8)
        alone = torch.cat([runner(one[None]).answers for one in pixels])
        assert torch.allclose(runner(pixels).answers, alone, atol=1e-5)
        assert alone.std(0).max() > 1e-4  # images that all get one answer would prove nothing

    def test_the_card_says_how_to_use_it(self, run, exported, kind):
        card = opened(Path(exported[kind].file), trust=True).card
        bundle = json.loads((Path(run.run) / "model.json").read_text())
        assert (card.classes, card.task, card.network) == (run.classes, "classification", "house")
        assert card.weights_sha256 == bundle["sha256"]
        assert card.preprocessing.model_dump(mode="json") == bundle["preprocessing"]

    def test_verify_finds_it_sound(self, exported, kind):
        found = verify(exported[kind].file, trust=True)
        assert found.golden.proved
        assert found.runtime.split()[0] in ("onnxruntime", "torch")

    def test_a_bare_file_takes_preprocessed_images(self, run, exported, kind, tmp_path):
        end = Path(exported[kind].file).suffix
        record = export(run.run, to=kind, out=tmp_path / f"bare{end}", bare=True)
        assert record.validation is not None
        assert record.validation.float32.proved
        runner = opened(tmp_path / f"bare{end}", trust=True)
        size = runner.card.preprocessing.size
        assert runner(torch.zeros(3, 3, size, size)).answers.shape == (3, len(run.classes))
        assert verify(tmp_path / f"bare{end}", trust=True).golden.proved

    def test_what_is_no_exported_file(self, tmp_path, exported, kind):
        end = Path(exported[kind].file).suffix
        with pytest.raises(DataError, match=r"that (onnxruntime|torch) can open"):
            verify(put(tmp_path / f"words{end}", "no model"), trust=True)
        torn = tmp_path / f"torn{end}"
        torn.write_bytes(Path(exported[kind].file).read_bytes()[:5000])
        with pytest.raises(DataError, match=r"that (onnxruntime|torch) can open"):
            verify(torn, trust=True)


class SwappedChannels(export_model.WholeModel):
    def forward(self, pixels):
        return super().forward(pixels.flip(3))


class OtherMean(export_model.WholeModel):
    def __init__(self, bare, preprocessing):
        super().__init__(bare, preprocessing.model_copy(update={"mean": (0.5, 0.5, 0.5)}))


class OtherInterpolation(export_model.WholeModel):
    def __init__(self, bare, preprocessing):
        other = {"bilinear": "bicubic", "bicubic": "bilinear"}[preprocessing.interpolation]
        super().__init__(bare, preprocessing.model_copy(update={"interpolation": other}))


class OtherCrop(export_model.WholeModel):
    def __init__(self, bare, preprocessing):
        super().__init__(bare, preprocessing.model_copy(update={"resize": preprocessing.resize + 4}))


def test_a_fault_is_refused_and_leaves_no_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_task, "WholeModel", SwappedChannels)
    with pytest.raises(IntegrityError, match="answers otherwise than the run"):
        export(run.run, to="pt2", out=tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", [SwappedChannels, OtherMean, OtherInterpolation, OtherCrop])
def test_verify_finds_planted_faults(run, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(export_task, "WholeModel", fault)
    monkeypatch.setattr(export_task, "refuse_unlike", lambda *_: None)
    export(run.run, to="pt2", out=tmp_path / "model.pt2")
    found = verify(tmp_path / "model.pt2", trust=True)
    assert not found.golden.proved
    assert found.golden.largest_difference > 1e-3


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, module_cache: object) -> dict[str, RunRecord]:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "p").mkdir()
    for n in range(24):
        draw(folder / "p" / f"{n:02d}.png", (20 + 9 * n, (37 * n) % 200, 60), seed=str(n))
    lines = {
        "numbers": ["file,year,shade", *(f"{n:02d}.png,{1900 + 3 * n},{(37 * n) % 200 / 100}" for n in range(24))],
        "labels": ["file,red,green", *(f"{n:02d}.png,{int(n > 11)},{int((37 * n) % 200 > 90)}" for n in range(24))],
    }
    options = {"backbone": "house", "size": 32, "epochs": 2, "precision": "fp32"}
    return {
        name: train(folder / "p", labels=put(folder / f"{name}.csv", "\n".join(rows)), out=folder / name, **options)
        for name, rows in lines.items()
    }


@pytest.mark.parametrize(("name", "kind"), [("numbers", "onnx"), ("labels", "pt2")])
def test_labels_and_numbers_are_those_of_predict(tables, tmp_path, name, kind):
    run = tables[name]
    record = export(run.run, to=kind, out=tmp_path / f"model.{kind}")
    assert record.validation is not None
    assert record.validation.float32.images == run.images.val
    photo = Path(run.folder) / "07.png"
    (expected,) = predict(run.run, photo).predictions
    runner = opened(tmp_path / f"model.{kind}", trust=True)
    got = runner(torch.from_numpy(np.array(Image.open(photo).convert("RGB"))[None])).answers[0].tolist()
    assert dict(zip(runner.card.classes, got, strict=True)) == pytest.approx(expected.answers, rel=1e-4, abs=1e-5)


def test_large_jpegs_are_tried_whole_too(images, module_cache, tmp_path):
    folder = tmp_path / "large"
    shutil.copytree(images, folder)
    for path in sorted(folder.glob("*/00[0-3].png")):
        Image.open(path).resize((900, 700)).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    run = train(folder, out=tmp_path / "run", val_fraction=0.5, **TINY_HOUSE)
    found = export(run.run, out=tmp_path / "model.onnx").validation
    assert found is not None
    assert found.whole_decode is not None
    assert 0 < found.whole_decode.images <= 8


def test_images_that_are_gone_are_said(run, tmp_path):
    moved = tmp_path / "images"
    shutil.copytree(run.folder, moved)
    copy = tmp_path / "run"
    shutil.copytree(run.run, copy)
    record = RunRecord.from_json((copy / "run.json").read_bytes(), "run.json")
    put(copy / "run.json", record.model_copy(update={"folder": str(moved)}).to_json())
    files = [file for file in answers(run) if (moved / file).exists()]
    (moved / files[0]).unlink()
    put(moved / files[1], "other bytes")
    said: list[str] = []
    found = export(copy, to="pt2", out=tmp_path / "some.pt2", say=said.append).validation
    assert found is not None
    assert found.float32.images == run.images.val - 2
    assert any(line.startswith(f"2 of {run.images.val} validation images") for line in said)
    shutil.rmtree(moved)
    assert export(copy, to="pt2", out=tmp_path / "none.pt2", say=said.append).validation is None
    assert "verified on golden images" in said[-1]


def test_a_network_by_name(tmp_path):
    record = export("house", to="pt2", out=tmp_path / "house.pt2")
    assert record.validation is None
    assert record.golden.proved
    assert len(opened(tmp_path / "house.pt2", trust=True).card.classes) == 200


class TestWrongUse:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"to": "onix"}, "unknown format 'onix': did you mean onnx"),
            ({"to": "onnx", "out": "model.pt2"}, "ends in .onnx"),
            ({"to": "pt2", "out": "there.pt2"}, "already exists"),
        ],
    )
    def test_options(self, run, tmp_path, monkeypatch, options, message):
        monkeypatch.chdir(tmp_path)
        put(tmp_path / "there.pt2", "kept")
        with pytest.raises(UsageError, match=message):
            export(run.run, **options)
        assert (tmp_path / "there.pt2").read_text() == "kept"

    def test_the_default_name_is_the_runs(self, run, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert export(run.run, to="pt2").file == "run.pt2"

    def test_a_library_that_is_missing(self, run, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
        with pytest.raises(MachineError, match=r"pip install 'convlens\[onnx\]'"):
            export(run.run, out=tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())

    def test_files_of_others(self, tmp_path):
        with pytest.raises(UsageError, match="no such file"):
            verify(tmp_path / "none.onnx", trust=True)
        with pytest.raises(UsageError, match=r"ends in \.tflite"):
            verify(put(tmp_path / "model.tflite", ""), trust=True)

    def test_a_file_that_can_run_code_is_opened_on_trust_alone(self, exported, monkeypatch):
        monkeypatch.setattr(torch.export, "load", lambda *_, **__: pytest.fail("opened"))
        with pytest.raises(UsageError, match=r"trust whoever did, say so with trust=True"):
            verify(exported["pt2"].file)
        assert verify(exported["onnx"].file).golden.proved

    def test_a_program_that_convlens_did_not_write(self, tmp_path):
        program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
        torch.export.save(program, tmp_path / "other.pt2")
        with pytest.raises(DataError, match="not written by `convlens export`"):
            verify(tmp_path / "other.pt2", trust=True)


def test_a_card_is_read_again(exported):
    card = opened(Path(exported["pt2"].file), trust=True).card
    assert ExportCard.from_json(card.to_json(), "card") == card
    assert isinstance(card.preprocessing, Preprocessing)


def test_openvino_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MachineError, match=r"pip install 'convlens\[openvino\]'"):
        export("house", to="openvino", out=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
