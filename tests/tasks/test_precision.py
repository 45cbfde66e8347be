"""The number formats that a run settles on: what was asked for, what is stored, what a trial found, else float32."""

import json

import pytest
import torch

import convlens
from convlens.core.cache_layout import TRIALS
from convlens.core.errors import UsageError
from convlens.core.files import cache_folder
from convlens.pipeline import precision as settling
from convlens.runs.run_directory import read_begun
from convlens.tasks.train import train
from convlens.transfer import precision, precision_trial
from tests.images import TINY_HOUSE, draw_images


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images")


@pytest.fixture
def trials(monkeypatch):
    """What is tried, in order; the first answer of each is `answers`, bfloat16 unless the test says else."""
    seen: list[str] = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(settling, "_LEAST_IMAGES", 1)
    monkeypatch.setattr(settling, "_LEAST_STEPS", 1)

    def compared(work):
        seen.append("a trial")
        return precision_trial.PrecisionTrial(chosen="bf16", fp32_seconds=[2.0], bf16_seconds=[1.0])

    monkeypatch.setattr(precision_trial, "compared", compared)
    return seen


def formats(record) -> tuple[str, str]:
    return record.recipe["precision"], record.recipe["training_precision"]


def test_each_part_is_tried_once_and_the_recipe_says_what_was_found(images, trials, tmp_path):
    options = {**TINY_HOUSE, "unfreeze": 1}
    first = train(images, out=tmp_path / "a", **options)
    assert formats(first) == ("bf16", "bf16")
    assert len(trials) == 2
    again = train(images, out=tmp_path / "b", **options)
    assert len(trials) == 2
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert again.features.computed == 0
    assert 'training_precision = "bf16"' in (tmp_path / "a/recipe.toml").read_text()
    assert json.loads((tmp_path / "a/model.json").read_text())["precision"] == "bf16"


def test_little_work_is_not_tried(images, trials, monkeypatch, tmp_path):
    monkeypatch.setattr(settling, "_LEAST_IMAGES", 17)
    monkeypatch.setattr(settling, "_LEAST_STEPS", 100)
    assert formats(train(images, out=tmp_path / "a", unfreeze=1, **TINY_HOUSE)) == ("fp32", "fp32")
    assert not trials


def test_a_head_alone_trains_in_float32_and_no_format_is_tried_without_instructions(
    images, trials, monkeypatch, tmp_path
):
    assert formats(train(images, out=tmp_path / "a", **TINY_HOUSE)) == ("bf16", "fp32")
    assert len(trials) == 1
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert formats(train(images, out=tmp_path / "b", unfreeze=1, **TINY_HOUSE)) == ("fp32", "fp32")
    assert len(trials) == 1


def test_features_that_are_stored_decide_over_a_trial(images, trials, tmp_path):
    train(images, out=tmp_path / "a", precision="fp32", **TINY_HOUSE)
    record = train(images, out=tmp_path / "b", **TINY_HOUSE)
    assert formats(record) == ("fp32", "fp32")
    assert record.features.computed == 0
    assert not trials


def test_what_is_asked_for_holds_for_both_parts_or_for_each(images, trials, tmp_path):
    assert formats(train(images, out=tmp_path / "a", precision="bf16", **TINY_HOUSE)) == ("bf16", "bf16")
    mixed = train(images, out=tmp_path / "b", precision="bf16", training_precision="fp32", unfreeze=1, **TINY_HOUSE)
    assert formats(mixed) == ("bf16", "fp32")
    assert not trials
    with pytest.raises(UsageError, match=r"'fp16'.*Accepted: auto, fp32, bf16"):
        train(images, out=tmp_path / "c", training_precision="fp16", **TINY_HOUSE)


def test_where_nothing_is_frozen_there_is_one_format(images, trials, tmp_path):
    assert formats(train(images, out=tmp_path / "a", freeze="none", **TINY_HOUSE)) == ("bf16", "bf16")
    assert len(trials) == 1


def test_a_resumed_run_keeps_its_formats_though_what_is_remembered_has_changed(images, trials, monkeypatch, tmp_path):
    out = tmp_path / "run"
    options = {**TINY_HOUSE, "freeze": "none", "out": out}
    with monkeypatch.context() as interrupted:
        interrupted.setattr("convlens.tasks.train.predictions_for", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(images, **options)
    assert read_begun(out).recipe.training_precision == "bf16"
    for path in (cache_folder() / TRIALS).iterdir():
        path.write_text(precision_trial.PrecisionTrial(chosen="fp32", fp32_seconds=[1.0], bf16_seconds=[2.0]).to_json())
    assert formats(train(images, **options)) == ("bf16", "bf16")


def _interrupt(*_):
    raise KeyboardInterrupt


def test_a_comparison_settles_each_recipe_and_writes_the_formats_of_the_best(images, trials, tmp_path):
    convlens.compare(images, tricks=["unfreeze"], weights="random", size=32, epochs=2, seeds=1, out=tmp_path / "c")
    best = next((tmp_path / "c").glob("*.toml")).read_text()
    assert 'precision = "bf16"' in best
    assert '"auto"' not in best.replace('task = "auto"', "").replace('calibrate = "auto"', "")
    assert len(trials) == 3, "the frozen parts of two plans, and what the unfrozen one trains"


def test_bfloat16_is_fast_only_with_instructions_for_it(monkeypatch):
    for name in ("avx512_bf16", "amx_bf16", "arm_bf16"):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda name=name: {name: True, "avx2": True})
        assert precision.computes_in_bfloat16("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert not precision.computes_in_bfloat16("cpu")
