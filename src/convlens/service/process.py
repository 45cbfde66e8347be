"""The process that holds the model, as seen from the one that speaks HTTP."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
from multiprocessing.connection import Connection

from convlens.core.errors import MachineError
from convlens.service.messages import Failed, Job, Outcome, Ready, Setup

_END_SECONDS = 5.0


class WorkerDied(Exception):  # noqa: N818  (a fact about another process, which is started again)
    """The process ended, or did not answer in time and was ended."""


class WorkerProcess:
    """The process, started and started again. Its methods block."""

    def __init__(self, setup: Setup, *, seconds: float) -> None:
        """`seconds` is the longest that a job may take."""
        self._setup, self._seconds = setup, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        """Its number; None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> Ready:
        """What the process says once the model is loaded.

        Raises what kept it from loading, and MachineError where the process ended.
        """
        self.stop()
        if self._ended:
            raise MachineError("the service ends")
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "convlens.service.worker", str(descriptor)],
                    pass_fds=[descriptor],
                    stdin=subprocess.DEVNULL,
                )
            except OSError as error:
                ours.close()
                raise MachineError(f"the process that holds the model cannot be started: {error}.") from error
        self._connection = Connection(ours.detach())
        self._connection.send(self._setup)
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            code = self._process.returncode
            self.stop()
            raise MachineError(
                f"the process that loads {self._setup.named} ended with code {code}. Is there enough memory?"
            ) from None
        if isinstance(answer, Failed):
            raise answer.error
        _limit_waiting(self._connection, self._seconds)
        ready: Ready = answer
        return ready

    def ask(self, job: Job) -> list[Outcome]:
        """The outcomes of a job, in the order of its images. Raises WorkerDied."""
        connection = self._connection
        if connection is None:
            raise WorkerDied("it has not been started")
        try:
            connection.send(job)
            if not connection.poll(self._seconds):
                self.stop()
                raise WorkerDied(f"no answer for {self._seconds:g} seconds")
            outcomes: list[Outcome] = connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerDied("it ended") from error
        return outcomes

    def kill(self) -> None:
        """End the process for good, whoever waits for it; may be called from another thread."""
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the process at once; jobs that it works on are lost."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait(_END_SECONDS)
            self._process = None


def _limit_waiting(connection: Connection, seconds: float) -> None:
    """Let reads and writes fail that wait so long: the other side may be frozen in the middle of a message."""
    limit = struct.pack("ll", int(seconds), 0)
    with socket.socket(fileno=os.dup(connection.fileno())) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
