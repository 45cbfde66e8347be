"""Standard output and error of any kind: every command prints what it can, and none fails on how it is shown."""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from convlens.cli import streams
from tests.cli import process
from tests.images import TINY_OPTIONS, draw_images

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = {"the C locale": ASCII, "ascii": {"PYTHONIOENCODING": "ascii"}, "cp1252": {"PYTHONIOENCODING": "cp1252"}}
TEXT = "日本 é×"
FOREIGN = f"{TEXT}\udcff"


@pytest.fixture(scope="module")
def made(tmp_path_factory, module_cache):
    """A folder with images of which one class and one file have names in no code page, and a run on them."""
    folder = tmp_path_factory.mktemp("streams")
    draw_images(folder / "images", 8)
    (folder / "images" / "green").rename(folder / "images" / FOREIGN)
    (folder / "images" / FOREIGN / f"{FOREIGN}.png").write_bytes(b"no image")
    done = process.run("train", folder / "images", *TINY_OPTIONS, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


def commands(folder, out):
    photo = folder / "images" / "blue" / "000.png"
    return {
        "inspect": ("inspect", "house"),
        "zoo": ("zoo",),
        "show": ("zoo", "show", "house"),
        "help": ("train", "--help"),
        "train": ("train", folder / "images", *TINY_OPTIONS, "--out", out / "run"),
        "check": ("check", folder / "images", "--html", out / f"{FOREIGN}.html", "--max-bad", "1"),
        "predict": ("predict", folder / "run", folder / "images"),
        "evaluate": ("evaluate", folder / "run", folder / "images"),
        "explain": ("explain", folder / "run", photo, "--out", out / f"{FOREIGN}.html"),
        "study": ("study", "complexity", "squeezenet1_1", "--no-measure", "--out", out / TEXT),
    }


NAMES = sorted(commands(Path(), Path()))
QUICK = {("show", "the C locale"), ("train", "ascii"), ("check", "cp1252"), ("predict", "ascii")}


def printed(words, **environment):
    """What a command writes as bytes, in an environment with these variables."""
    command = [*process.CONVLENS, *map(str, words)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        pytest.param(name, encoding, marks=() if (name, encoding) in QUICK else pytest.mark.slow)
        for name in NAMES
        for encoding in ENCODINGS
    ],
)
def test_every_command_prints_in_any_encoding(made, tmp_path, name, encoding):
    done = printed(commands(made, tmp_path)[name], **ENCODINGS[encoding])
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode("cp1252" if encoding == "cp1252" else "ascii")
    assert len(shown) > 20
    assert b"internal error" not in done.stderr


def test_what_cannot_be_written_is_replaced_or_escaped(made, tmp_path):
    words = commands(made, tmp_path)
    assert b"32x32x32" in printed(words["inspect"], PYTHONIOENCODING="ascii").stdout
    assert "32×32×32".encode("cp1252") in printed(words["inspect"], PYTHONIOENCODING="cp1252").stdout
    assert rb"\u65e5\u672c \xe9x\xff" in printed(words["check"], PYTHONIOENCODING="ascii").stdout


@pytest.mark.parametrize("name", ["check", "predict"])
def test_json_is_ascii_and_whole_in_any_encoding(made, tmp_path, name):
    done = printed((*commands(made, tmp_path)[name], "--json"), **ASCII)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("ascii"))["kind"].startswith("convlens.")


@pytest.mark.parametrize("words", [(FOREIGN,), ("check", FOREIGN)])
def test_errors_are_told_in_any_encoding(words):
    done = printed(words, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert b"internal error" not in done.stderr
    assert done.stderr.startswith(b"convlens: ")


@pytest.mark.parametrize("words", [("zoo",), ("zoo", "--json"), ("train", "--help")])
def test_a_reader_that_goes_away_ends_the_command_in_silence(words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [*process.CONVLENS, *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_messages_that_nobody_reads_stop_no_work(made, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [*process.CONVLENS, *map(str, commands(made, tmp_path)["train"])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, timeout=120)
    os.close(writing)
    assert done.returncode == 0
    assert b"Accuracy" in done.stdout


@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-"])
def test_closed_descriptors(closed):
    """Neither an error of its own, nor what belongs on one of them on the other."""
    script = f'"$0" zoo {closed}; echo $? >&3; "$0" inspect nothing {closed}; echo $? >&3'
    command = ["bash", "-c", f"exec 3>&1 >/dev/null; {script} | cat >&3", *process.CONVLENS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "2"]
    assert ("unknown network" in done.stderr) == ("2>&-" not in closed)


def on_a_terminal(words, columns, **environment):
    """The exit code of a command on a terminal of so many columns, and what it shows there."""
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # With an environment of its own: readline may have put COLUMNS into this process's, where Python sees none.
        inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        os.execve(process.CONVLENS[0], [*process.CONVLENS, *map(str, words)], {**inherited, **environment})
    shown = b""
    with contextlib.suppress(OSError):  # so a terminal ends on Linux
        while data := os.read(master, 65536):
            shown += data
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_of_five_columns(made, tmp_path, environment):
    code, shown = on_a_terminal(commands(made, tmp_path)["predict"], 5, **environment)
    assert code == 0, shown
    assert "000.png" in shown
    assert "Predicting: 17 images in" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_command_on_a_terminal_of_five_columns(made, tmp_path, name):
    code, shown = on_a_terminal(commands(made, tmp_path)[name], 5)
    assert code == 0, shown
    assert len(shown.split()) > 5
    assert "\x1b[?25l" not in shown


def test_a_character_without_a_place_in_the_table_of_replacements():
    streams.make_streams_ready()
    assert "5 × 5 ☃ \udcff".encode("ascii", "convlens") == rb"5 x 5 \u2603 \udcff"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "convlens")


def test_standard_error_of_another_kind(monkeypatch, tmp_path):
    with (tmp_path / "error").open("w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        streams.make_streams_ready()
        assert streams.encoded_for_standard_error("é 日") == b"\xe9 \\u65e5"
