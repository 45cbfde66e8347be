"""Where the processes of one training find each other, and wait for each other when that may take long.

torch's own waits block in C++, where Python cannot obey a signal: a missing peer held a process for a day, and neither
Ctrl-C nor SIGTERM ended it. Here every long wait asks the store again and again, and sleeps in between.
"""

import contextlib
import datetime
import itertools
import os
import socket
import time
from collections.abc import Callable

import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from convlens.core.errors import MachineError
from convlens.core.progress import Say
from convlens.core.settings import setting
from convlens.core.torchrun import Torchrun

RENDEZVOUS_SECONDS = 300.0
"""How long a process waits at the start for the others."""
SECONDS_UNTIL_SAID = 5.0
_ANSWER = datetime.timedelta(seconds=60)
"""How long the store may take for an answer; it has each at once."""
_CONNECT_SECONDS = 1.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.05
_GONE = "gone"
_trainings = itertools.count()
"""Numbers the trainings of this process: torchrun's store outlives each of them."""


class Meeting:
    """The processes of one training, and the store that all of them reach."""

    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.store = store
        self._rank = rank
        self._count = count
        self._times = 0

    def wait(self, meanwhile: Callable[[float], None] = lambda seconds: None) -> None:
        """Return when every process has called this as often as this one has; `meanwhile` gets the seconds of waiting.

        Raises MachineError when another process gave up.
        """
        self._times += 1
        self.store.set(self._key(self._rank), "")
        everyone = [self._key(rank) for rank in range(self._count)]
        start = time.monotonic()
        while not self.store.check(everyone):
            if self.store.check([_GONE]):
                raise MachineError(
                    "another process of this training has ended, see its messages; this one cannot continue alone. "
                    f"Start all of them again, with {setting('resume', 'RUN')} where the run has a checkpoint."
                )
            meanwhile(seconds := time.monotonic() - start)
            _pause(seconds)

    def give_up(self) -> None:
        """Tell those that wait for this process not to wait any more."""
        with contextlib.suppress(dist.DistError):  # the store went with the process that held it
            self.store.set(_GONE, "")

    def missing(self) -> str:
        """Those that have not come yet, as words."""
        ranks = [rank for rank in range(self._count) if not self.store.check([self._key(rank)])]
        return f"process{'es' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))} of 0 to {self._count - 1}"

    def _key(self, rank: int) -> str:
        return f"{self._times}/{rank}"


def rendezvous(started: Torchrun, say: Say) -> Meeting:
    """The meeting of all processes, once all of them are there.

    Says after some seconds for whom it waits; raises MachineError where somebody is still missing after
    `RENDEZVOUS_SECONDS`.
    """
    place = f"{started.host}:{started.port}"
    hosts = not started.hosted and started.rank == 0
    if not hosts:
        _wait_for_store(started, _Patience(say, place, lambda: "an answer of the first process"))
    try:
        store = TCPStore(
            started.host, started.port, is_master=hosts, timeout=_ANSWER, wait_for_workers=False, multi_tenant=True
        )
    except dist.DistError as error:
        raise MachineError(
            f"the processes of this training cannot meet at {place} (MASTER_ADDR and MASTER_PORT): {error}. Start them "
            "with torchrun, which finds a free port."
        ) from error
    name = f"convlens/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{next(_trainings)}"
    meeting = Meeting(PrefixStore(name, store), started.rank, started.count)
    meeting.wait(_Patience(say, place, meeting.missing))
    return meeting


class _Patience:
    """Says once for whom is waited, and is at an end after `RENDEZVOUS_SECONDS`."""

    def __init__(self, say: Say, place: str, whom: Callable[[], str]) -> None:
        self._say = say
        self._place = place
        self._whom = whom
        self._said = False

    def __call__(self, seconds: float) -> None:
        if seconds >= RENDEZVOUS_SECONDS:
            raise MachineError(
                f"waited {RENDEZVOUS_SECONDS / 60:.3g} minutes at {self._place} for {self._whom()}, in vain. Look at "
                "the messages of the others, and start all of them again with torchrun."
            )
        if seconds >= SECONDS_UNTIL_SAID and not self._said:
            self._said = True
            self._say(f"waiting at {self._place} for {self._whom()}, at most {RENDEZVOUS_SECONDS / 60:.3g} minutes")


def _wait_for_store(started: Torchrun, patience: _Patience) -> None:
    """Return when the store can be reached: by a connection of Python's own, which signals interrupt."""
    start = time.monotonic()
    while True:
        try:
            socket.create_connection((started.host, started.port), timeout=_CONNECT_SECONDS).close()
        except OSError:
            patience(seconds := time.monotonic() - start)
            _pause(seconds)
        else:
            return


def _pause(waited: float) -> None:
    """Sleep a twentieth of what was waited already, within bounds."""
    time.sleep(min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, waited / 20)))
