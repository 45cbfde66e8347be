"""What a service takes of its clients: bytes, images, seconds, connections."""

import contextlib
import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a service."""

    batch_size: int = 16
    """Images that are computed together, at most."""
    waiting_images: int = 256
    """Images that wait for the model, at most; those that come then are told to come again."""
    image_bytes: int = 20_000_000
    """Of one file."""
    images_in_request: int = 64
    """Of a request for several."""
    request_bytes: int = 64_000_000
    """Of a request for several, whose images are a third longer there than their files."""
    held_bytes: int = 512_000_000
    """Of all requests that are being read or wait for their answers."""
    connections: int = 2000
    head_seconds: float = 10.0
    """For the head of a request, from the first moment of a connection or the end of the answer before it."""
    body_seconds: float = 60.0
    """For the rest of a request."""
    waiting_seconds: float = 30.0
    """For which an image may wait for the model."""
    job_seconds: float = 120.0
    """After which the model's process is ended and started again."""


class Refusal(Exception):  # noqa: N818  (an answer of the service, not an error of the program)
    """A request that is not answered; the text is meant for whoever sent it."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status, self.reason = status, reason


class Busy(Refusal):
    """There is too much to do; the same request may be answered later."""

    def __init__(self, text: str) -> None:
        super().__init__(503, "busy", f"{text} Send the request again in a moment.")


class ByteBudget:
    """The bytes that all requests together may hold."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    @contextlib.contextmanager
    def account(self) -> Iterator["Account"]:
        """An account for one request, which gives back at the end what it has taken."""
        account = Account(self)
        try:
            yield account
        finally:
            self.held -= account.taken

    def take(self, count: int) -> None:
        """Raises Busy where that would be too many."""
        if self.held + count > self._most:
            raise Busy("The service holds as many bytes of other requests as it may.")
        self.held += count


class Account:
    """What one request holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.taken = 0

    def take(self, count: int) -> None:
        """Raises Busy where the budget has no more."""
        self._budget.take(count)
        self.taken += count
