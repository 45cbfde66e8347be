"""Training as a function: what is reused, what is equal, and what damage does."""

import contextlib
import json
import logging

import pytest

from convlens.core.errors import UsageError
from convlens.data import batches
from convlens.runs import writer
from convlens.tasks.train import train
from tests.images import TINY_HOUSE, draw_images
from tests.runs.whole import check_cache, check_runs


@pytest.fixture(autouse=True)
def short_report(monkeypatch):
    """Drawing the report takes as long as all the rest of a tiny run, and has tests of its own."""
    monkeypatch.setattr(writer, "write_run_report", lambda run: (run / "report.html").write_text("</html>"))


@pytest.fixture
def images(tmp_path):
    return draw_images(tmp_path / "images")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(images, runs):
    """Trains on the images, into the run folder of that name."""

    def trained(name, **changes):
        return train(images, out=runs / name, **{**TINY_HOUSE, **changes})

    return trained


def metrics(run_folder):
    lines = map(json.loads, (run_folder / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_second_run_decodes_nothing(run, monkeypatch):
    first = run("first")
    assert (first.features.computed, first.features.reused, first.features.decoded) == (16, 0, 16)

    def decode(*arguments, **keywords):
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(batches, "decode", decode)
    second = run("second", learning_rate=0.1)
    assert (second.features.computed, second.features.reused, second.features.decoded) == (0, 16, 0)
    assert second.images == first.images
    assert second.validation.images == first.validation.images
    assert second.recipe["learning_rate"] == 0.1


def test_more_images_cost_only_themselves(run, images):
    run("first")
    draw_images(images, 5, first=8)
    features = run("second").features
    assert (features.computed, features.reused, features.decoded) == (10, 16, 10)


def test_bad_images_are_not_decoded_again(run, images):
    (images / "blue" / "bad.png").write_text("no image")
    assert run("first").features.decoded == 17
    second = run("second")
    assert second.features.decoded == 0
    assert [problem.reason for problem in second.bad_files] == ["not-an-image"]


def test_the_same_again_is_the_same(run, runs, tmp_path, cache):
    run("one")
    run("reused")
    (cache / "store").rename(tmp_path / "other-store")
    run("computed")
    for other in ("reused", "computed"):
        assert metrics(runs / other) == metrics(runs / "one")
        for file in ("model.safetensors", "model.json", "predictions.csv", "bad_files.jsonl", "recipe.toml"):
            assert (runs / other / file).read_bytes() == (runs / "one" / file).read_bytes()


def test_another_seed_is_another_run(run, runs):
    run("one")
    run("other", seed=1)
    assert metrics(runs / "other") != metrics(runs / "one")
    one, other = ((runs / name / "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one != other


class BrokenOffError(Exception):
    """Stands for anything that ends a run at once."""


def test_what_was_finished_before_the_end_is_reused(run, runs, cache, monkeypatch):
    monkeypatch.setattr("convlens.transfer.prefix.BATCH_SIZE", 4)
    monkeypatch.setattr("convlens.transfer.prefix._FLUSH_BYTES", 1)

    @contextlib.contextmanager
    def breaking(stage, total):
        done = 0

        def advance(steps):
            nonlocal done
            done += steps
            if stage == "prefix" and done >= 8:
                raise BrokenOffError

        yield advance

    with pytest.raises(BrokenOffError):
        run("broken", progress=breaking)
    assert check_cache(cache) == 4  # two shards of features, two of facts
    features = run("next").features
    assert (features.computed, features.reused, features.decoded) == (8, 8, 8)
    assert [path.name for path in check_runs(runs)] == ["next"]


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("kind", "damage"),
    [("features", flip_a_byte), ("features", lambda path: path.write_bytes(b"")), ("pictures", cut_off)],
)
def test_damaged_shard(run, runs, cache, kind, damage):
    run("first")
    (shard,) = (cache / "store" / kind).rglob("*.safetensors")
    damage(shard)
    damaged = shard.read_bytes()
    said = []
    record = run("second", say=said.append)
    assert record.features.computed == 16
    (warning,) = (text for text in record.warnings if "damaged" in text)
    assert "set aside and computed again" in warning
    assert shard.name in warning
    assert warning in said
    assert (shard.parent / "damaged" / shard.name).read_bytes() == damaged
    assert check_cache(cache) == 2
    assert metrics(runs / "second") == metrics(runs / "first")
    third = run("third")
    assert (third.features.computed, third.features.decoded) == (0, 0)
    assert not any("damaged" in text for text in third.warnings)


@pytest.mark.parametrize("damage", [flip_a_byte, lambda path: path.write_bytes(b"\xff\n")])
def test_damaged_captured_graph(run, runs, cache, damage, caplog):
    caplog.set_level(logging.WARNING, logger="convlens")  # `--quiet` of another test may have raised it
    for path in (cache / "graphs").glob("*.json"):
        path.unlink()  # those of other tests' networks would not be read here
    run("first")
    for path in (cache / "graphs").glob("*.json"):
        damage(path)
    caplog.clear()
    run("second")
    assert f"damaged entry of the graph cache, captured again: {cache / 'graphs'}" in caplog.text
    check_cache(cache)
    assert metrics(runs / "second") == metrics(runs / "first")


@pytest.mark.parametrize("plan", ["layer3", "none"])
def test_batch_normalization_of_one_value_is_refused_with_its_reason_before_training(tmp_path, plan):
    images = draw_images(tmp_path / "images", 3)
    options = {**TINY_HOUSE, "backbone": "resnet18", "freeze": plan, "out": tmp_path / "run"}
    with pytest.raises(UsageError, match=r"batch_size=1: layer4\.0\.bn1 is batch norm.*one value.*batch_size=2"):
        train(images, batch_size=1, **options)
    assert not (tmp_path / "run").exists()


def test_one_training_image_is_refused_where_batch_normalization_trains_on_one_value(tmp_path):
    draw_images(tmp_path / "images", 2, classes=1)
    table = tmp_path / "labels.csv"
    table.write_text("file,length\nblue/000.png,1.5\nblue/001.png,2.5\n")
    options = {**TINY_HOUSE, "backbone": "resnet18", "freeze": "layer3", "labels": str(table), "task": "numbers"}
    with pytest.raises(UsageError, match=r"a single training image: layer4\.0\.bn1 .*Add images"):
        train(tmp_path / "images", out=tmp_path / "run", **options)


def test_single_images_train_where_maps_have_several_places(tmp_path):
    images = draw_images(tmp_path / "images", 3)
    options = {**TINY_HOUSE, "backbone": "resnet18", "freeze": "layer3", "size": 64, "epochs": 1}
    record = train(images, out=tmp_path / "run", batch_size=1, **options)
    assert record.recipe["batch_size"] == 1
