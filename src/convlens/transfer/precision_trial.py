"""PrecisionTrial: which number format is faster on this machine, tried on the network itself and remembered."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from convlens.core.cache_layout import TRIALS
from convlens.core.errors import DataError
from convlens.core.files import write_atomically
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record
from convlens.graph.graph import Graph
from convlens.graph.identity import structure_of
from convlens.graph.run import run
from convlens.transfer.device import device_of
from convlens.transfer.precision import Precision, number_format
from convlens.transfer.prefix import FastPrefix

PAIRS = 3
_IMAGES = 16
Work = Callable[[], object]


class PrecisionTrial(Record):
    """What a trial found: seconds in either format, of runs that took turns."""

    kind: Literal["convlens.precision"] = "convlens.precision"
    version: Literal[1] = 1
    chosen: Precision
    fp32_seconds: list[float]
    bf16_seconds: list[float]
    unsupported: str = ""
    """What bfloat16 lacks, where it could not be tried."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """The same work in both formats, and the name under which its outcome is remembered."""

    key: str
    work: Mapping[Precision, Work]


def frozen_contest(prefix: Graph, preprocessing: Preprocessing) -> Contest:
    """A few images through the frozen part."""
    shape = (_IMAGES, preprocessing.size, preprocessing.size, 3)

    def features_in(precision: Precision) -> Work:
        pixels = torch.zeros(shape, dtype=torch.uint8)
        fast = FastPrefix(prefix, number_format(precision))

        def features() -> None:
            with torch.inference_mode():
                fast.features_of(pixels, preprocessing)

        return features

    return _contest(("frozen", structure_of(prefix), shape), features_in)


def trained_contest(suffix: Graph, batch_size: int) -> Contest:
    """A step of the trained part, forward and backward; the network, its buffers and its gradients stay untouched."""
    shapes = [(batch_size, *(n for n in (node.shape or ())[1:] if isinstance(n, int))) for node in suffix.inputs]

    def step_in(precision: Precision) -> Work:
        device = device_of(suffix)
        generator = torch.Generator().manual_seed(0)
        inputs = [_laid_out(torch.randn(shape, generator=generator)).to(device) for shape in shapes]
        state = {name: _copied(tensor) for name, tensor in suffix.state.items()}

        def step() -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                outputs = run(suffix, *inputs, state=state)
            torch.stack([output.float().square().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]

        return step

    trained = sorted(name for name, tensor in suffix.state.items() if tensor.requires_grad)
    return _contest(("trained", structure_of(suffix), shapes, trained), step_in)


def remembered(contest: Contest, root: Path) -> Precision | None:
    """What was found before in the cache at `root`, by this kind of machine and this version of torch."""
    try:
        text = _file(contest, root).read_text()
        return PrecisionTrial.from_json(text, str(_file(contest, root))).chosen
    except (FileNotFoundError, UnicodeDecodeError, DataError):  # a damaged entry is as good as none
        return None


def tried(contest: Contest, root: Path) -> Precision:
    """The faster format, found out now and remembered in the cache at `root`, unless another process was faster."""
    found = compared(contest.work)
    if (known := remembered(contest, root)) is not None:
        return known
    write_atomically(_file(contest, root), found.to_json())
    return found.chosen


def compared(work: Mapping[Precision, Work], clock: Callable[[], float] = time.perf_counter) -> PrecisionTrial:
    """Both kinds of work in turns; bfloat16 has to win every time, and the first time that it does not ends the trial.

    The risk is uneven: it halves the time at best, and where a kernel's threads wait for each other on a busy machine
    it was seen to take ten times as long.
    """

    def seconds(precision: Precision) -> float:
        start = clock()
        work[precision]()
        return clock() - start

    with torch.random.fork_rng():
        work["fp32"]()  # the first time, kernels are made and memory is laid out
        try:
            work["bf16"]()
        except RuntimeError as error:  # NotImplementedError among them
            return PrecisionTrial(chosen="fp32", fp32_seconds=[], bf16_seconds=[], unsupported=str(error))
        plain: list[float] = []
        short: list[float] = []
        while len(plain) < PAIRS and all(b < a for a, b in zip(plain, short, strict=True)):
            plain.append(seconds("fp32"))
            short.append(seconds("bf16"))
    won = all(b < a for a, b in zip(plain, short, strict=True))
    return PrecisionTrial(chosen="bf16" if won else "fp32", fp32_seconds=plain, bf16_seconds=short)


def _contest(parts: tuple[object, ...], work_in: Callable[[Precision], Work]) -> Contest:
    """A contest whose work is only made when it is begun."""
    key = hashlib.sha256(json.dumps([_machine(), *parts], default=str).encode()).hexdigest()
    return Contest(key=key, work={precision: _when_called(work_in, precision) for precision in ("fp32", "bf16")})


def _when_called(work_in: Callable[[Precision], Work], precision: Precision) -> Work:
    made: list[Work] = []

    def work() -> object:
        if not made:
            made.append(work_in(precision))
        return made[0]()

    return work


def _machine() -> list[object]:
    """What decides how fast a kernel is. No host's name: containers have a new one at each start."""
    return [torch.__version__, sorted(torch.cpu.get_capabilities().items()), torch.get_num_threads()]


def _file(contest: Contest, root: Path) -> Path:
    return root / TRIALS / f"{contest.key}.json"


def _laid_out(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)
