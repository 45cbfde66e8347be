"""The memory that a network takes, in a process of its own: `python -m convlens.studies.memory NETWORK BATCH THREADS`.

That process takes ordinary weights and a batch of random images, runs one forward pass, and prints in bytes by how much
its peak resident memory has grown since the moment before it had weights: weights, images, and the most that stands at
one time of the values in between and of the scratch of the operators. What torch and Python take themselves has been
loaded by then, and the paths that the measurement goes have been gone once with a network of one layer.

The peak is VmHWM, which begins at zero with each program. `ru_maxrss` would not do: on Linux a process inherits it from
the one that started it, so that behind a large parent every network would take nothing.
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from convlens.core.errors import MachineError
from convlens.zoo import blueprint, card

_STATUS = Path("/proc/self/status")
_PEAK = "VmHWM:"


def peak_bytes(name: str, batch: int) -> int | None:
    """By how much one forward pass of so many images raises the peak resident memory of a new process, float32.

    The weights are in it. None where the system does not tell a process its own peak, as outside Linux. Raises
    MachineError where the process ends without an answer.
    """
    if _peak_now() is None:
        return None
    words = [sys.executable, "-m", "convlens.studies.memory", name, str(batch), str(torch.get_num_threads())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MachineError(
            f"the memory of {name} could not be measured: the process for it ended with {done.returncode}, "
            f"{(done.stderr.strip().splitlines() or ['without a word'])[-1]}; a smaller batch takes less memory."
        )
    return int(json.loads(done.stdout)["peak_bytes"])


def materialized(blueprint: nn.Module) -> nn.Module:
    """The network on the processor, channels last; the values of its weights do not matter, as long as they are
    ordinary."""
    module = blueprint.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in itertools.chain(module.parameters(), module.buffers()):
            tensor.fill_(0.01 if tensor.is_floating_point() else 0)
    laid_out: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out


def random_images(shape: tuple[int, ...]) -> Tensor:
    """Images (batch, channels, height, width), channels last."""
    return torch.randn(shape).to(memory_format=torch.channels_last)


def _peak_now() -> int | None:
    """The largest resident memory that this program has had, in bytes; None where the system does not say."""
    if not _STATUS.is_file():
        return None
    lines = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK)]
    return int(lines[0][1]) * 1024 if lines else None


def _measured(name: str, batch: int) -> int:
    network = blueprint(name).eval()
    with torch.device("meta"):
        first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 14 * 14, 8)).eval()
    with torch.inference_mode():
        materialized(first)(random_images((batch, 3, 16, 16)))
        before = _peak_now()
        materialized(network)(random_images((batch, *card(name).input_shape)))
    after = _peak_now()
    assert before is not None, "the process that started this one has looked"
    assert after is not None, "as above"
    return after - before


def _main(name: str, batch: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    sys.stdout.write(json.dumps({"peak_bytes": _measured(name, int(batch))}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
