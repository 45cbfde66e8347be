"""A training from scratch that is killed or stopped goes on, to the same weights bit for bit."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli import process
from tests.images import draw_images
from tests.runs.whole import check_files, check_runs

OPTIONS = (
    "--backbone",
    "house",
    "--weights",
    "random",
    "--freeze",
    "none",
    "--size",
    "32",
    "--epochs",
    "12",
    "--batch-size",
    "8",
)
REGULARIZED = ("--ema", "0.9", "--mixup", "0.2", "--cutmix", "1", "--erasing", "0.3", "--clip", "1", "--warm-up", "1")
GROWING = ("--progressive-resizing", "0.5")  # 16, 16, 24, 24 and 32 pixels
WORDS = (*OPTIONS, *REGULARIZED, *GROWING, "--json")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("resume") / "images", 16)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, module_cache, images):
    """The same training without a break."""
    run = tmp_path_factory.mktemp("whole") / "run"
    done = process.run("train", images, *WORDS, "--out", run)
    assert done.returncode == 0, done.stderr
    return run


def killed_until_it_ends(images, run, kills, moment):
    """Starts the same command again and again; each time it is killed a while after it has got further."""
    for _ in range(kills):
        running = process.start("train", images, *WORDS, "--out", run)
        before = newest(run)
        while newest(run) == before and running.poll() is None:
            time.sleep(0.005)
        time.sleep(moment.random() * 0.3)
        running.kill()
        process.finish(running)
        if run.exists():
            return
    done = process.run("train", images, *WORDS, "--out", run)
    assert done.returncode == 0, done.stderr


def newest(run):
    return max((path.name for path in run.with_name("run.unfinished").glob("checkpoints/step-*")), default="")


def same(run, whole):
    """Equal weights, predictions and metrics; nothing unfinished is left."""
    assert check_runs(run.parent) == [run]
    assert not run.with_name(f"{run.name}.unfinished").exists()
    for file in ("model.safetensors", "model.json", "predictions.csv", "recipe.toml"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()
    assert metrics(run) == metrics(whole)


def metrics(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_two_kills(images, whole, tmp_path):
    killed_until_it_ends(images, tmp_path / "run", 2, random.Random(0))
    same(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_ten_kills(images, whole, tmp_path, seed):
    killed_until_it_ends(images, tmp_path / "run", 10, random.Random(seed))
    same(tmp_path / "run", whole)


def stopped(images, run, number):
    """What the command said when it was stopped after its third checkpoint."""
    running = process.start("train", images, *WORDS, "--out", run)
    while newest(run) < "step-0000000009":
        assert running.poll() is None, process.finish(running).stderr
        time.sleep(0.005)
    start = time.monotonic()
    os.kill(running.pid, number)
    done = process.finish(running)
    assert time.monotonic() - start < 10
    return done


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_by_a_signal_and_resumed_by_name(images, whole, tmp_path, convlens, number, code):
    run = tmp_path / "run"
    done = stopped(images, run, number)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"convlens train --resume {run}" in done.stderr
    assert "Traceback" not in done.stderr
    unfinished = run.with_name("run.unfinished")
    lines = (unfinished / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) >= 3
    outcome = convlens("train", "--resume", unfinished, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["run"] == str(run)
    same(run, whole)
    check_files(run)
    finished = convlens("train", "--resume", run)
    assert finished.code == 2
    assert "is already finished" in finished.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_printed_goes_on(images, whole, tmp_path, monkeypatch, number, code):
    """Without --out, from another folder, and in a place whose name a shell would take apart."""
    working, elsewhere = tmp_path / "it's here", tmp_path / "elsewhere"
    working.mkdir()
    elsewhere.mkdir()
    started = process.start("train", images, *WORDS, command=["env", "-C", str(working), *process.CONVLENS])
    while not list(working.glob("runs/*/checkpoints/step-*")):
        assert started.poll() is None, process.finish(started).stderr
        time.sleep(0.005)
    os.kill(started.pid, number)
    done = process.finish(started)
    assert done.returncode == code
    (unfinished,) = working.glob("runs/*.unfinished")
    before, _, command = done.stderr.splitlines()[-1].partition(". To continue: ")
    assert before.endswith("finished work is kept")
    assert shlex.split(command)[-1] == str(unfinished)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    again = subprocess.run(command, shell=True, cwd=elsewhere, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    same(Path(str(unfinished).removesuffix(".unfinished")), whole)
    assert list(elsewhere.iterdir()) == []


def test_what_does_not_fit_is_refused(images, tmp_path, convlens):
    run = tmp_path / "run"
    stopped(images, run, signal.SIGTERM)
    other = convlens("train", images, *WORDS, "--out", run, "--learning-rate", "0.02")
    assert other.code == 2
    assert "was started with learning_rate 0.01 (now 0.02)" in other.err.splitlines()[-1]
    assert f"--resume {run}" in other.err.splitlines()[-1]
    (images.parent / "spare").mkdir()
    (images / "blue" / "000.png").rename(images.parent / "spare" / "000.png")
    try:
        changed = convlens("train", "--resume", run)
    finally:
        (images.parent / "spare" / "000.png").rename(images / "blue" / "000.png")
        (images.parent / "spare").rmdir()
    assert changed.code == 3
    assert "belongs to another training" in changed.err.splitlines()[-1]
    assert newest(run)


def test_resume_where_there_is_nothing(convlens, tmp_path):
    outcome = convlens("train", "--resume", tmp_path / "run")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"convlens: no unfinished run {tmp_path / 'run'}")


def test_options_beside_resume_are_refused(convlens, tmp_path):
    outcome = convlens("train", tmp_path, "--resume", tmp_path / "run", "--epochs", "20")
    assert outcome.code == 2
    assert "leave DIR, --epochs out" in outcome.err


def test_a_run_that_another_process_works_on(images, tmp_path, convlens):
    run = tmp_path / "run"
    running = process.start("train", images, *WORDS, "--out", run)
    while not newest(run):
        assert running.poll() is None
        time.sleep(0.005)
    outcome = convlens("train", images, *WORDS, "--out", run)
    running.kill()
    process.finish(running)
    assert outcome.code == 2
    assert f"another process is training {run} right now" in outcome.err
    assert newest(run)
