"""Patience over HTTP: what may pass is tried again, after pauses that grow, and no longer than is polite."""

import random
import socket
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

ATTEMPTS = 5
PASSING_TROUBLE = frozenset({408, 425, 429, *range(500, 600)})
"""Answers after which the same request may yet succeed."""
TIMEOUT = httpx2.Timeout(20.0, connect=10.0)

LONGEST_WAIT_SECONDS = 60.0
"""Where a server asks for a longer wait, nothing is tried again: coming back earlier is not what it asked for."""
_Result = TypeVar("_Result")


class PassingError(Exception):
    """Something that may pass: worth another attempt after `wait` seconds (None: as long as usual)."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def patiently(attempt: Callable[[], _Result], pause: float) -> _Result:
    """What `attempt` gives, tried up to five times while it raises PassingError or its connection breaks.

    Pauses start at about `pause` seconds and double; those that a server asks for go before. The trouble of the last
    attempt is raised as it is, and so is that after which a server asks for more than a minute. A name without an
    address is looked up twice only: mostly there is no network, and a person waits.
    """
    for number in range(ATTEMPTS - 1):
        try:
            return attempt()
        except (PassingError, httpx2.TransportError) as trouble:
            wait = getattr(trouble, "wait", None)
            if (wait is not None and wait > LONGEST_WAIT_SECONDS) or (number and _has_no_address(trouble)):
                raise
            time.sleep(pause * 2**number * random.uniform(0.75, 1.25) if wait is None else wait)
    return attempt()


def _has_no_address(trouble: BaseException | None) -> bool:
    """Whether an error, or what it came from, is that a host's name could not be resolved."""
    while trouble is not None and not isinstance(trouble, socket.gaierror):
        trouble = trouble.__cause__ or trouble.__context__
    return trouble is not None


def refuse_passing(answer: httpx2.Response) -> None:
    """Raise PassingError for an answer after which the same request may yet succeed."""
    if answer.status_code in PASSING_TROUBLE:
        wait = retry_after(answer.headers.get("Retry-After"))
        long = f", and asks to wait for {wait:.0f} s" if wait is not None and wait > LONGEST_WAIT_SECONDS else ""
        raise PassingError(said(answer) + long, wait)


def said(answer: httpx2.Response) -> str:
    """An answer's status in words."""
    return f"the server answered {answer.status_code} {answer.reason_phrase}"


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks to wait; None without one that can be read.

    RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0)
