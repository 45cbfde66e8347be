"""The command line as a process of its own, where that matters: signals, limits, mounts, two at once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

CONVLENS = [str(Path(sys.executable).with_name("convlens"))]

MANY_SHARDS = [
    sys.executable,
    "-c",
    "from convlens.transfer import prefix; from convlens.cli.main import main; "
    "prefix.BATCH_SIZE, prefix._FLUSH_BYTES = 4, 1; main()",
]
"""The same, but a shard is written for every four images."""


def start(*words: object, command: list[str] = CONVLENS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, *map(str, words)],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(*words: object, command: list[str] = CONVLENS) -> subprocess.CompletedProcess[str]:
    return finish(start(*words, command=command))


def run_after(setup: str, *words: object) -> subprocess.CompletedProcess[str]:
    """The command in a mount namespace of its own, after a line of shell; what that mounts is gone afterwards."""
    unshared = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    try:
        subprocess.run([*unshared, setup], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine does not let a test mount something: {error}")
    return run(*words, command=[*unshared, f'{setup} && exec "$0" "$@"', *CONVLENS])


def wait_for_shards(running: subprocess.Popen[str], cache: Path, number: int) -> int:
    """The number of shards that are in the store, once there are at least `number` of them."""
    while (found := len(list((cache / "store").rglob("*.safetensors")))) < number:
        assert running.poll() is None, finish(running).stderr
        time.sleep(0.002)
    return found
