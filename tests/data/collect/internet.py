"""A small internet on this machine: names with public addresses, behind which local servers stand."""

import contextlib
import dataclasses
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpcore2
import httpx2
from werkzeug import Request, Response

from convlens.data.collect.network import Rules, resolved
from tests.data.drawn import encoded
from tests.data.test_perceptual_hash import photograph

PUBLIC = "93.184.216.34"
"""Stands for every server of the tests."""


class Rerouted(httpcore2.SyncBackend):
    """Connects to a local port in place of PUBLIC, and notes what was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []

    def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> httpcore2.NetworkStream:
        self.asked.append(host)
        assert host == PUBLIC, f"a connection to {host}"
        return super().connect_tcp("127.0.0.1", self.port, *rest, **more)


def rules(port: int, **changes: Any) -> Rules:
    """Rules under which every name that ends in .test is PUBLIC, which is `port` here; no waiting."""

    def resolve(host: str, number: int) -> list[str]:
        return [PUBLIC] if host.endswith(".test") else resolved(host, number)

    settings: dict[str, Any] = {
        "schemes": frozenset({"http"}),
        "resolve": resolve,
        "connect": Rerouted(port),
        "timeout": httpx2.Timeout(0.5, connect=0.5),
        "whole_seconds": 3.0,
        "pause": 0.0,
        "paced": False,
    }
    return Rules(**settings | changes)


@contextlib.contextmanager
def rude_server(
    serve: Callable[[socket.socket, bytes], None], wrap: Callable[[socket.socket], None] | None = None
) -> Iterator[int]:
    """The port of a server that does with each connection, and the request on it, what it likes.

    `wrap` takes a bare connection in place of `serve`.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        if wrap is not None:
            wrap(connection)
            return
        with connection, contextlib.suppress(OSError):
            serve(connection, connection.recv(65536))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def image(number: int) -> bytes:
    """A JPEG of its own for every number."""
    return encoded(photograph(number, (96, 72)), "JPEG", quality=90)


@dataclasses.dataclass
class Openverse:
    """The documented JSON of Openverse for `count` images, and the images."""

    count: int
    per_page: int = 20
    asked: list[str] = dataclasses.field(default_factory=list)
    """ImageFile numbers, as they were asked for."""
    pages: list[Mapping[str, str]] = dataclasses.field(default_factory=list)
    content: Callable[[int], Response] = lambda number: Response(image(number), mimetype="image/jpeg")

    def __call__(self, request: Request) -> Response:
        if request.path.startswith("/p/"):
            number = request.path.removeprefix("/p/").removesuffix(".jpg")
            self.asked.append(number)
            return self.content(int(number))
        self.pages.append(request.args.to_dict())
        page, size = int(request.args["page"]), self.per_page
        numbers = range((page - 1) * size, min(page * size, self.count))
        body = {
            "result_count": self.count,
            "page_count": -(-self.count // size),
            "page_size": size,
            "page": page,
            "results": [self.result(number) for number in numbers],
        }
        return Response(json.dumps(body), mimetype="application/json")

    def result(self, number: int) -> dict[str, Any]:
        return {
            "id": f"id-{number}",
            "title": f"Title {number}",
            "foreign_landing_url": f"https://pages.test/{number}",
            "url": f"http://images.test/p/{number}.jpg",
            "creator": f"Author {number}",
            "license": "by",
            "license_version": "4.0",
            "license_url": "https://creativecommons.org/licenses/by/4.0/",
            "provider": "flickr",
            "width": 96,
            "height": 72,
        }
