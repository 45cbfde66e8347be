"""Several processes, as torchrun starts them, train one network."""

import csv
import json
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.cli import process
from tests.cli.test_resume import metrics, newest
from tests.images import draw_images
from tests.runs.whole import check_runs

TORCHRUN = [
    *(str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2"),
    *("-m", "convlens"),
]
FROM_SCRATCH = ("--backbone", "house", "--weights", "random", "--freeze", "none", "--size", "32", "--batch-size", "8")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("processes") / "images", 17)


def run(*words):
    done = process.run(*words, command=TORCHRUN)
    assert done.returncode == 0, done.stderr
    return done


def probabilities(run):
    with (run / "predictions.csv").open() as file:
        return [[float(value) for name, value in row.items() if name.startswith("p(")] for row in csv.DictReader(file)]


def test_a_head_is_what_one_process_makes_of_it(module_cache, images, tmp_path):
    """27 training images in minibatches of 8, 8, 8 and 3: parts of 4 and 4, and one that both take whole."""
    words = (
        "train",
        images,
        "--backbone",
        "house",
        "--epochs",
        "3",
        "--batch-size",
        "8",
        "--class-weights",
        "--ema",
        "0.9",
        "--json",
    )
    alone = process.run(*words, "--out", tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    both = run(*words, "--out", tmp_path / "two")
    one, two = (json.loads(done.stdout) for done in (alone, both))
    assert one["accuracy"] == two["accuracy"]
    assert probabilities(tmp_path / "two") == [pytest.approx(row, abs=2e-6) for row in probabilities(tmp_path / "one")]
    assert sorted(check_runs(tmp_path)) == [tmp_path / "one", tmp_path / "two"]


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_weights(module_cache, images, tmp_path):
    words = ("train", images, *FROM_SCRATCH, "--epochs", "6", "--mixup", "0.2", "--ema", "0.9", "--json")
    run(*words, "--out", tmp_path / "whole")
    broken = tmp_path / "run"
    running = process.start(*words, "--out", broken, command=TORCHRUN)
    while not newest(broken):
        assert running.poll() is None, process.finish(running).stderr
        time.sleep(0.005)
    running.terminate()
    assert "convlens train --resume" in process.finish(running).stderr
    assert not broken.exists()
    run("train", "--resume", broken, "--json")
    assert (broken / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert metrics(broken) == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_another_number_of_processes_is_another_training(module_cache, images, tmp_path):
    words = ("train", images, *FROM_SCRATCH, "--epochs", "30", "--json")
    running = process.start(*words, "--out", tmp_path / "run", command=TORCHRUN)
    while not newest(tmp_path / "run"):
        assert running.poll() is None, process.finish(running).stderr
        time.sleep(0.005)
    running.terminate()
    process.finish(running)
    done = process.run("train", "--resume", tmp_path / "run")
    assert done.returncode == 3
    assert "number of processes" in done.stderr


def test_what_is_wrong_is_said_and_ends_all(module_cache, tmp_path):
    done = process.run("train", tmp_path / "none", command=TORCHRUN)
    assert done.returncode != 0
    assert "internal error" not in done.stderr
    assert f"{tmp_path / 'none'}" in done.stderr


WAITING = [
    sys.executable,
    "-c",
    "from convlens.training import rendezvous; from convlens.cli.main import main; "
    "rendezvous.SECONDS_UNTIL_SAID = 0.1; main()",
]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_waiting_for_a_missing_process_obeys_signals(module_cache, images, tmp_path, monkeypatch, number, code, rank):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": "none",
    }.items():
        monkeypatch.setenv(name, str(value))
    running = process.start("train", images, *FROM_SCRATCH, "--out", tmp_path / "run", command=WAITING)
    assert running.stderr is not None
    said = next(line for line in running.stderr if "waiting at" in line)
    start = time.monotonic()
    running.send_signal(number)
    done = process.finish(running)
    assert time.monotonic() - start < 3
    assert done.returncode == code, done.stderr
    assert ("process 1 of 0 to 1" if rank == 0 else "an answer of the first process") in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [{"RANK": "1"}, {"WORLD_SIZE": "4"}, {"RANK": "1", "WORLD_SIZE": "4"}])
def test_what_a_cluster_left_in_the_environment_silences_nothing(
    module_cache, images, tmp_path, monkeypatch, convlens, left
):
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    trained = convlens("train", images, *FROM_SCRATCH, "--epochs", "1", "--out", tmp_path / "run")
    assert (trained.code, "Accuracy" in trained.out) == (0, True)
    assert "but torchrun did not start this process: it trains alone" in trained.err
    for words in (("predict", tmp_path / "run", images / "blue"), ("check", images), ("zoo",)):
        outcome = convlens(*words)
        assert outcome.code == 0, outcome.err
        assert outcome.out
