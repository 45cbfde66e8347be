"""Ctrl-C and SIGTERM, whatever the program is doing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from convlens.cli.stopping import Stopped, stopped_by_signals
from tests.cli import process
from tests.images import TINY_OPTIONS, draw_images
from tests.runs.whole import check_cache, temporaries

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_run_that_is_stopped(cache, tmp_path, number, code, word):
    images = draw_images(tmp_path / "images", 60)
    words = ("train", images, *TINY_OPTIONS, "--out", tmp_path / "run")
    running = process.start(*words, command=process.MANY_SHARDS)
    seen = process.wait_for_shards(running, cache, 2)
    os.kill(running.pid, number)
    done = process.finish(running)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"convlens: {word}; finished work is kept")
    assert check_cache(cache) >= seen
    assert temporaries(cache, tmp_path) == []


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_the_signal_is_told(number, code, word):
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped, match=f"^{word}; finished work is kept") as caught:
        stopped(signal_to_oneself, number)
    assert caught.value.exit_code == code
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_exception_of_the_signal_that_becomes_another():
    """As the import of a C extension does it."""

    def load():
        try:
            signal_to_oneself(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    with pytest.raises(Stopped):
        stopped(load)


def signal_to_oneself(number):
    os.kill(os.getpid(), number)
    time.sleep(1)


def stopped(work, *arguments):
    with stopped_by_signals():
        work(*arguments)


def test_other_exceptions_pass():
    with pytest.raises(ValueError, match="mine"), stopped_by_signals():
        raise ValueError("mine")


@pytest.mark.parametrize("again", [True, False])
def test_exception_of_the_signal_that_is_lost(again):
    """The process ends all the same, by a second signal or after a while."""
    program = f"""
import contextlib, os, signal, time
from convlens.cli import stopping
stopping._PATIENCE_SECONDS = {60 if again else 0.2}
with stopping.stopped_by_signals():
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if {again}:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 143
    assert done.stderr == "convlens: terminated; finished work is kept, and the same command reuses it.\n"
