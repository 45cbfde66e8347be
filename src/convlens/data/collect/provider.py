"""What a provider of images is: one small class that turns a query into candidates."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from convlens.core.errors import NetworkError
from convlens.core.http import PassingError
from convlens.core.records import Record
from convlens.core.settings import setting
from convlens.core.validation import fault_of
from convlens.data.collect.network import Network, RejectedError


class Candidate(Record):
    """An image that a provider offers. Nothing in it is trusted."""

    provider: str
    id: str
    title: str
    author: str
    licence: str
    """A short name of data.collect.licences, or "unknown"."""
    licence_url: str
    page: str
    url: str
    """Of the image itself."""


class Provider(Protocol):
    """Asks one service for images."""

    @property
    def name(self) -> str:
        """As `provider` and attribution.jsonl say it."""
        ...

    @property
    def requests_per_second(self) -> float:
        """How often the API may be asked."""
        ...

    @property
    def downloads_per_second(self) -> float:
        """How many images may be fetched."""
        ...

    def unusable(self) -> str | None:
        """Why this provider cannot be used here and now, such as a key that is missing; None where it can."""
        ...

    def search(self, api: "Api", query: str, licences: frozenset[str]) -> Iterator[Candidate]:
        """Candidates, best first, page by page as they are asked for. Raises NetworkError."""
        ...


class Answer(BaseModel):
    """The part of a JSON answer that is read; all else in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


_Form = TypeVar("_Form", bound=Answer)


class Api:
    """Questions to one provider's API, at its pace."""

    def __init__(self, provider: Provider, network: Network) -> None:
        self._name = provider.name
        self._network = network
        self._pace = Pace(provider.requests_per_second if network.rules.paced else float("inf"))

    def ask(self, url: str, parameters: Mapping[str, str | int], form: type[_Form]) -> _Form:
        """The answer as a record of that form.

        Raises NetworkError when there is none, or one of another form. Messages never hold the parameters: one of
        them may be a key.
        """
        self._pace.wait()
        try:
            body = self._network.text(url, {key: str(value) for key, value in parameters.items()})
        except (PassingError, httpx2.TransportError, RejectedError) as trouble:
            raise NetworkError(f"{self._name} cannot be asked: {str(trouble) or type(trouble).__name__}.") from None
        try:
            return form.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the answer"
            raise NetworkError(
                f"{self._name} answered in a form that this version of convlens does not know: {place} "
                f"{fault_of(first)}. Use another {setting('provider')}, or a newer convlens."
            ) from None


class Pace:
    """Lets callers go on one after another, no more of them in a second than is allowed."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._interval
        time.sleep(max(0.0, turn - time.monotonic()))
