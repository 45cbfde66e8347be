"""SIGKILL at any moment of a run: nothing is torn, and the next run goes on from what was finished."""

import json
import random
import time

import pytest

from tests.cli import process
from tests.images import TINY_OPTIONS, draw_images
from tests.runs.whole import check_cache, check_runs


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("kill") / "images", 40)


def test_killed_in_the_prefix_pass(cache, images, tmp_path, convlens):
    for kill in range(3):
        running = _started(images, tmp_path / "runs" / str(kill))
        found = process.wait_for_shards(running, cache, check_cache(cache) + 1 + 2 * kill)
        running.kill()
        process.finish(running)
        assert check_cache(cache) >= found
        assert check_runs(tmp_path / "runs") == []
    outcome = convlens("train", images, *TINY_OPTIONS, "--json", "--out", tmp_path / "runs" / "last")
    assert outcome.code == 0
    features = json.loads(outcome.out)["features"]
    assert features["reused"] >= 4
    assert features["computed"] == features["decoded"] == 80 - features["reused"]
    assert [run.name for run in check_runs(tmp_path / "runs")] == ["last"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_moments(cache, images, tmp_path):
    start = time.monotonic()
    process.finish(_started(images, tmp_path / "runs" / "whole"))
    whole = time.monotonic() - start
    moment = random.Random(0)
    for kill in range(20):
        out = tmp_path / "runs" / str(kill)
        if kill % 5 == 0:
            for path in (cache / "store").rglob("*.safetensors"):
                path.unlink()
        running = _started(images, out)
        time.sleep(whole * moment.random())
        running.kill()
        process.finish(running)
        shards = check_cache(cache)
        check_runs(tmp_path / "runs")
        done = process.finish(_started(images, out.with_name(f"{kill}-again")))
        assert done.returncode == 0, done.stderr
        assert shards == 0 or json.loads(done.stdout)["features"]["reused"] > 0
    assert check_cache(cache) >= 20


def _started(images, out):
    words = ("train", images, *TINY_OPTIONS, "--json", "--out", out)
    return process.start(*words, command=process.MANY_SHARDS)
