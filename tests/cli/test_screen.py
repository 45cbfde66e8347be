"""Progress: a bar on a terminal, plain lines elsewhere, nothing when it is to be quiet."""

import contextlib
import os
import re
import sys

from convlens.cli.screen import Screen, printable


def work(screen, stage="prefix"):
    with screen.progress(stage, 40) as advance:
        for _ in range(4):
            advance(10)


def test_a_line_per_finished_stage(capsys):
    work(Screen(json=False, quiet=False))
    captured = capsys.readouterr()
    assert re.fullmatch(r"Running the frozen layers: 40 images in \d+\.\d s\n", captured.err)
    assert captured.out == ""


def test_no_line_for_a_stage_that_failed(capsys):
    stage = Screen(json=False, quiet=False).progress("fit", 2)
    with contextlib.suppress(ValueError), stage as advance:
        advance(1)
        raise ValueError
    assert capsys.readouterr().err == ""


def test_quiet(capsys):
    screen = Screen(json=False, quiet=True)
    work(screen)
    screen.say("something")
    assert capsys.readouterr().err == ""


def shown_on_a_terminal(monkeypatch, kind):
    """What a stage of work writes to a terminal of 100 columns."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", kind)
    with os.fdopen(slave, "w") as stream, monkeypatch.context() as patch, os.fdopen(master, "rb") as screen:
        patch.setattr(sys, "stderr", stream)
        work(Screen(json=False, quiet=False))
        return screen.read().decode()


def test_a_bar_on_a_terminal(monkeypatch):
    shown = shown_on_a_terminal(monkeypatch, "xterm")
    assert "\x1b[" in shown
    assert "Running the frozen layers" in shown
    assert "40/40" in shown
    assert "images" in shown
    assert re.search(r"\d:\d\d:\d\d", shown)


def test_no_bar_on_a_terminal_that_cannot_move_its_cursor(monkeypatch):
    shown = shown_on_a_terminal(monkeypatch, "dumb")
    assert re.fullmatch(r"Running the frozen layers: 40 images in \d+\.\d s\r\n", shown)


def test_printable():
    assert printable("grün \x1b[31m\n\x00.png") == r"grün \x1b[31m\n\x00.png"
    assert printable("\udcff") == r"\udcff"


def test_nothing_is_said_of_no_work(capsys):
    with Screen(json=False, quiet=False).progress("prefix", 0) as advance:
        advance(0)
    assert capsys.readouterr().err == ""


def test_a_download_of_unknown_length_is_shown(capsys):
    with Screen(json=False, quiet=False).progress("download", 0) as advance:
        advance(1000)
    assert capsys.readouterr().err.startswith("Downloading: 1000 bytes in ")


def test_training_tells_epochs_and_the_score(capsys):
    with Screen(json=False, quiet=False).progress("fit", 20) as advance:
        advance(10, "epoch 1 of 2, loss 0.500")
        advance(10, "epoch 2 of 2, val accuracy 91.8%")
    assert re.fullmatch(r"Training: 20 images in 0\.\d s, epoch 2 of 2, val accuracy 91\.8%\n", capsys.readouterr().err)


def test_a_word_while_libraries_load(monkeypatch):
    master, slave = os.openpty()
    os.set_blocking(master, False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(slave, "w") as stream, monkeypatch.context() as patch, os.fdopen(master, "rb") as screen:
        patch.setattr(sys, "stderr", stream)
        for quiet in (True, False):
            with Screen(json=False, quiet=quiet).starting():
                pass
        assert screen.read().decode() == "Starting ...\r\x1b[K"
