"""The way to servers that are not trusted: encrypted, to public addresses only, with limits on time and size.

An address that comes from an API may point into the network of whoever runs this. So every address that a name resolves
to is checked, and one that was checked is connected to: a name that resolves otherwise a moment later gains nothing.
"""

import contextlib
import dataclasses
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpcore2
import httpx2

from convlens.core.http import TIMEOUT, PassingError, patiently, refuse_passing

MOST_REDIRECTS = 5
_USER_AGENT = f"convlens/{version('convlens')} (collects images for one person's image classifier)"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class RejectedError(Exception):
    """Why an address gives no image: one word, and a detail for a person."""

    def __init__(self, reason: str, detail: str, *, lasting: bool = True) -> None:
        super().__init__(detail)
        self.reason = reason
        self.lasting = lasting
        """Whether another attempt, on another day, would end the same way."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses that a name has, as the system says. A number in any form is an address itself."""
    try:
        return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise httpcore2.ConnectError(f"{host} has no address ({why})") from error


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when an IPv4 address is wrapped in it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64 or found in _COMPATIBLE:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return found.is_global and not found.is_multicast


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """What is allowed. Tests give other ones, so that they can be their own internet."""

    schemes: frozenset[str] = frozenset({"https"})
    resolve: Callable[[str, int], list[str]] = resolved
    connect: httpcore2.NetworkBackend = dataclasses.field(default_factory=httpcore2.SyncBackend)
    timeout: httpx2.Timeout = dataclasses.field(default_factory=lambda: TIMEOUT)
    whole_seconds: float = 60.0
    most_bytes: int = 25_000_000
    pause: float = 1.0
    """Seconds before the second attempt; see core.http.patiently."""
    paced: bool = True
    """Whether a provider's limits on requests per second are kept."""


class Network:
    """One way out for all requests of a collection. To be closed."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        transport = httpx2.HTTPTransport(trust_env=False)
        # httpx2 has no parameter for the network backend, which is where an address can be checked and then used.
        transport._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(), network_backend=_Guarded(self.rules), max_connections=32
        )
        self._client = httpx2.Client(
            transport=transport, timeout=self.rules.timeout, trust_env=False, headers={"User-Agent": _USER_AGENT}
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Break all connections; requests under way fail."""
        self._client.close()

    def text(self, url: str, parameters: dict[str, str]) -> bytes:
        """The body of an answer from an API, in patience.

        Raises PassingError or httpx2.TransportError when all attempts have failed, RejectedError for other failures.
        """
        return patiently(lambda: self._whole_body(str(httpx2.URL(url, params=parameters))), self.rules.pause)

    def save(self, url: str, path: Path) -> str:
        """The address from which the body came that is at `path` now, after redirects. Raises RejectedError."""
        try:
            return patiently(lambda: self._saved(url, path), self.rules.pause)
        except PassingError as trouble:
            raise RejectedError("busy", str(trouble), lasting=False) from trouble
        except httpx2.TransportError as trouble:
            raise RejectedError("broken", str(trouble) or type(trouble).__name__, lasting=False) from trouble

    def _whole_body(self, url: str) -> bytes:
        with self._answer(url) as answer:
            return b"".join(self._blocks(answer))

    def _saved(self, url: str, path: Path) -> str:
        with self._answer(url) as answer, path.open("wb") as file:
            for block in self._blocks(answer):
                file.write(block)
            return str(answer.url)

    @contextlib.contextmanager
    def _answer(self, url: str) -> Iterator[httpx2.Response]:
        """A successful answer, after redirects; within the time that there is."""
        with _until(time.monotonic() + self.rules.whole_seconds):
            for _ in range(MOST_REDIRECTS + 1):
                self._refuse_unsafe(url)
                with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                    if not answer.has_redirect_location:
                        _refuse_failure(answer)
                        yield answer
                        return
                    url = _target(answer)
            raise RejectedError("redirects", f"over {MOST_REDIRECTS} redirects")

    def _blocks(self, answer: httpx2.Response) -> Iterator[bytes]:
        """The body, as it comes, no more of it than is allowed."""
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RejectedError("compressed", "sent compressed, which was not asked for")
        announced = answer.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > self.rules.most_bytes:
            raise RejectedError("too-large", f"{announced} bytes, over {self.rules.most_bytes}")
        have = 0
        for block in answer.iter_raw():
            have += len(block)
            if have > self.rules.most_bytes:
                raise RejectedError("too-large", f"over {self.rules.most_bytes} bytes")
            yield block

    def _refuse_unsafe(self, url: str) -> None:
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError) as error:
            raise RejectedError("unsafe-address", f"not a valid address: {error}") from error
        if parsed.scheme not in self.rules.schemes or not parsed.host:
            raise RejectedError("unsafe-address", f"{parsed.scheme or 'no scheme'} is not https")
        if parsed.userinfo:
            raise RejectedError("unsafe-address", "the address brings credentials")


class _Guarded(httpcore2.NetworkBackend):
    """Connects to an address that was checked, and to no other."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._rules.resolve(host, port)
        for address in addresses:
            if not is_public(address):
                raise RejectedError("unsafe-address", f"{host} is at {address}, which is not public")
        trouble: httpcore2.ConnectError | httpcore2.ConnectTimeout = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                connect = self._rules.connect.connect_tcp
                return _Timed(connect(address, port, _left(timeout), local_address, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                trouble = error
        raise trouble


class _Timed(httpcore2.NetworkStream):
    """A connection on which nothing takes longer than the whole request may: a drop now and then is no progress."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@contextlib.contextmanager
def _until(deadline: float) -> Iterator[None]:
    token = _deadline.set(deadline)
    try:
        yield
    except httpx2.TimeoutException as trouble:
        if time.monotonic() >= deadline:
            raise RejectedError("too-slow", "not done in the time that a download may take", lasting=False) from trouble
        raise
    finally:
        _deadline.reset(token)


def _left(timeout: float | None) -> float | None:
    """The timeout, or what is left of the whole request's time where that is less."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time for the whole request is over")
    return left if timeout is None and left != float("inf") else timeout if timeout is None else min(timeout, left)


def _refuse_failure(answer: httpx2.Response) -> None:
    refuse_passing(answer)
    if not answer.is_success:
        reason = "gone" if answer.status_code in (404, 410) else "refused"
        raise RejectedError(reason, f"the server answered {answer.status_code}")


def _target(answer: httpx2.Response) -> str:
    try:
        return str(answer.url.join(answer.headers["Location"]))
    except (httpx2.InvalidURL, ValueError) as error:
        raise RejectedError("unsafe-address", f"redirected to an invalid address: {error}") from error
