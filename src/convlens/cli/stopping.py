"""Ctrl-C and SIGTERM: work is given up, tidied up, and the program ends, whatever it was doing."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from convlens.cli.streams import encoded_for_standard_error
from convlens.core.stopping import how_to_go_on

_PATIENCE_SECONDS = 3.0
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(Exception):  # noqa: N818  (nothing is wrong)
    """A signal asked the program to end. The text is meant for a person."""

    def __init__(self, number: int) -> None:
        command = how_to_go_on()
        next_step = f". To continue: {command}" if command else ", and the same command reuses it."
        super().__init__(f"{_WORDS[signal.Signals(number)]}; finished work is kept{next_step}")
        self.exit_code = 128 + number


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise Stopped when a signal asks for it while the work inside goes on.

    The exception that a signal raises may be lost: the import of a C extension turns it into another one, and what is
    being destroyed drops it. So the signal is remembered; and when the work has not ended within seconds, or a second
    signal comes, the process ends at once. No file is torn by that (core.files).
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            _end_at_once(Stopped(received[0]))
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _WORDS}
    try:
        yield
    except BaseException:
        if not received:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Stopped(received[0])


def _end_at_once(stopped: Stopped) -> None:
    show_cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""  # a progress bar hides it
    os.write(2, encoded_for_standard_error(f"{show_cursor}convlens: {stopped}\n"))
    os._exit(stopped.exit_code)
