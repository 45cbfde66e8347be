"""Ctrl-C and SIGTERM held back while work is in a state that nobody could go on from."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

PATIENCE_SECONDS = 8.0
_SAME_SECONDS = 1.0
"""`timeout` and process managers signal a process and its group: what comes so soon again is the same wish."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


_how_to_go_on: Callable[[], str | None] | None = None
_is_within = False


@contextlib.contextmanager
def resumable(command: Callable[[], str | None]) -> Iterator[None]:
    """Work that a command can go on with after it was stopped: `command` gives it, or None as long as there is none.

    Work within such work goes on by the command of the whole. It stays known when an exception ends the work, because
    it is asked for after that; and where no exception gets through, too, because the process is to end at once.
    """
    global _how_to_go_on, _is_within
    if _is_within:
        yield
        return
    before, _how_to_go_on, _is_within = _how_to_go_on, command, True
    try:
        yield
    except KeyboardInterrupt as stopped:
        if told := command():
            stopped.add_note(f"To continue: {told}")
        raise
    finally:
        _is_within = False
    _how_to_go_on = before


def how_to_go_on() -> str | None:
    """The command that goes on with the work that is stopped, if there is one."""
    return _how_to_go_on() if _how_to_go_on else None


@contextlib.contextmanager
def stop_deferred(patience: float = PATIENCE_SECONDS) -> Iterator[Callable[[], bool]]:
    """Inside, a signal to stop is remembered instead of obeyed; the function that is given says whether one came.

    It is obeyed when the work inside ends, after `patience` seconds, or when a second one comes a while later: then
    whatever would have handled it does. A signal that is ignored stays so, and outside the main thread, which alone
    receives signals, nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[tuple[int, float]] = []
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN}
    alarm = signal.getsignal(signal.SIGALRM)

    def obey() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in {**before, signal.SIGALRM: alarm}.items():
            signal.signal(number, handler)
        if received:
            first, _ = received[0]
            received.clear()
            signal.raise_signal(first)

    def remember(number: int, frame: FrameType | None) -> None:
        moment = time.monotonic()
        if received:
            if number == signal.SIGALRM or moment - received[0][1] >= _SAME_SECONDS:
                obey()
            return
        received.append((number, moment))
        signal.signal(signal.SIGALRM, remember)
        signal.setitimer(signal.ITIMER_REAL, patience)

    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(received)
    finally:
        obey()
