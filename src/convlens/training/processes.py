"""Several processes that train one network, each with its part of every minibatch, as `torchrun` starts them.

Every process has the whole network. The gradients are averaged in one message after the backward pass, and not while
it runs as DistributedDataParallel does (Li et al., PyTorch Distributed, VLDB 2020, arXiv:2006.15704): that one forms
its messages again after the first step, so that a training that goes on from a checkpoint would round differently.
"""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]

from convlens.core.errors import MachineError
from convlens.core.progress import Say, unsaid
from convlens.core.settings import setting
from convlens.core.torchrun import left_behind, started_by_torchrun
from convlens.training.rendezvous import Meeting, rendezvous

_LEAST_EXAMPLES = 2
"""In a part of a minibatch: batch normalization needs two values."""
_PATIENCE = datetime.timedelta(minutes=10)
"""How long an exchange may take, which begins when all processes are there or between two steps."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes of one training as one of them sees it; by default it is alone, and nothing is exchanged."""

    rank: int = 0
    count: int = 1
    meeting: Meeting | None = dataclasses.field(default=None, compare=False, repr=False)
    """Where they wait for each other when that may take long; None for one that is alone."""

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks to the person."""
        return self.rank == 0

    def part(self, indices: Tensor) -> Tensor:
        """What this process takes of a minibatch; each takes the whole of one that is too small to be divided."""
        if len(indices) < _LEAST_EXAMPLES * self.count:
            return indices
        return indices.tensor_split(self.count)[self.rank]

    def all_reduce_sum(self, *values: float) -> tuple[float, ...]:
        """Each of the values, added up over the processes."""
        if self.count == 1:
            return values
        added = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(added)
        return tuple(added.tolist())

    def any_of_all(self, *flags: bool) -> tuple[bool, ...]:
        """For each of the flags, whether a process raised it."""
        return tuple(total > 0 for total in self.all_reduce_sum(*map(float, flags)))

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Give floating-point tensors the mean that they have over the processes."""
        if self.count == 1:
            return
        floating = [tensor for tensor in tensors if tensor.is_floating_point()]
        values = torch.cat([tensor.detach().flatten() for tensor in floating])
        dist.all_reduce(values)
        parts = torch.split(values / self.count, [tensor.numel() for tensor in floating])
        with torch.no_grad():
            for tensor, part in zip(floating, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, in the order of their ranks; their shapes may differ."""
        if self.count == 1:
            return [tensor]
        self._meet()
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, tensor)
        return found

    def broadcast(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, to all; the others do not call it."""
        if self.count == 1:
            return make()
        box: list[Any] = [make() if self.first else None]
        self._meet()
        dist.broadcast_object_list(box)
        given: T = box[0]
        return given

    @contextlib.contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Inside, the first process works while the others wait, and then they do: they find what it has stored."""
        if self.count == 1:
            yield
            return
        if not self.first:
            self._meet()
        yield
        if self.first:
            self._meet()

    def _meet(self) -> None:
        if self.meeting is not None:
            self.meeting.wait()


ALONE = Processes()


@contextlib.contextmanager
def joined(device: str, say: Say = unsaid) -> Iterator[Processes]:
    """The processes that `torchrun` started this one among; alone where it did not. On "cuda" each has its own GPU.

    Says for whom it waits, and which variables of the environment it does not believe. Raises UsageError where what
    torchrun sets is there in part; MachineError where there are fewer GPUs than processes, where one of them does not
    come, and where another process is no longer there to exchange with.
    """
    started = started_by_torchrun()
    if started is None and (left := left_behind()):
        say(f"the environment has {left}, but torchrun did not start this process: it trains alone")
    if started is None or started.count == 1:
        yield ALONE
        return
    if device == "cuda":
        _take_gpu(started.local_rank, started.local_count)
    with _errors_of_others_told():
        meeting = rendezvous(started, say)
        try:
            with _exchange(meeting, device, started.rank, started.count):
                yield Processes(rank=started.rank, count=started.count, meeting=meeting)
        except BaseException:
            meeting.give_up()
            raise


@contextlib.contextmanager
def _exchange(meeting: Meeting, device: str, rank: int, count: int) -> Iterator[None]:
    """Inside, tensors can be exchanged; on a GPU by both of them: gloo for the processor's, nccl for the GPU's."""
    backend = "gloo" if device == "cpu" else None
    store = PrefixStore("group", meeting.store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _errors_of_others_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not _is_of_the_connection(error):
            raise
        raise MachineError(
            "another process of this training has ended, see its messages; this one cannot continue alone. Start all "
            f"of them again, with {setting('resume', 'RUN')} where the run has a checkpoint."
        ) from error


def _take_gpu(number: int, processes: int) -> None:
    if processes > (there := torch.cuda.device_count()):
        raise MachineError(
            f"{processes} processes were started on this machine, and each needs a GPU of its own; torch finds "
            f"{there}. Start {there}, or {setting('device', 'cpu')}."
        )
    torch.cuda.set_device(number)


def _is_of_the_connection(error: RuntimeError) -> bool:
    """Whether an exchange failed; gloo has no class of errors of its own."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
