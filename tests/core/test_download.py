"""Downloads against a local server, a rude one included."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from convlens.core.download import PART_SUFFIX, Source, download
from convlens.core.errors import IntegrityError, NetworkError
from convlens.core.http import ATTEMPTS, retry_after

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Steps:
    """A Progress that adds up."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, stage: str, total: int) -> "Steps":
        return self

    def __enter__(self) -> Callable[[int], None]:
        return self.advance

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, steps: int) -> None:
        self.done += steps


def ranged(request: Request) -> Response:
    """A server that knows ranges."""
    asked = request.headers.get("Range")
    if asked is None:
        return Response(BODY)
    start = int(asked.removeprefix("bytes=").rstrip("-"))
    if start >= len(BODY):
        return Response(status=416, headers={"Content-Range": f"bytes */{len(BODY)}"})
    return Response(BODY[start:], 206, {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"})


def source(httpserver: HTTPServer, sha256: str = SHA256) -> Source:
    return Source(httpserver.url_for("/weights.pth"), sha256)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "weights.pth"


def test_the_file_comes_whole_and_once(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_oneshot_request("/weights.pth").respond_with_data(BODY)
    progress = Steps()
    download(source(httpserver), target, progress)
    download(source(httpserver), target, progress)
    assert target.read_bytes() == BODY
    assert progress.done == len(BODY)
    assert len(httpserver.log) == 1


def test_eight_digits_of_the_hash_do(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data(BODY)
    download(source(httpserver, SHA256[:8]), target)
    assert target.exists()


@pytest.mark.parametrize("sha256", ["0" * 64, "00000000"])
def test_another_file_is_refused_and_removed(httpserver: HTTPServer, target: Path, sha256: str) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data(BODY)
    with pytest.raises(IntegrityError, match=f"{SHA256}, and {sha256} was expected"):
        download(source(httpserver, sha256), target)
    assert not target.exists()
    assert not target.with_name("weights.pth" + PART_SUFFIX).exists()


@pytest.mark.parametrize("have", [1, 300_000, len(BODY)])
def test_a_broken_download_goes_on_where_it_broke(httpserver: HTTPServer, target: Path, have: int) -> None:
    httpserver.expect_request("/weights.pth").respond_with_handler(ranged)
    target.parent.mkdir()
    target.with_name("weights.pth" + PART_SUFFIX).write_bytes(BODY[:have])
    progress = Steps()
    download(source(httpserver), target, progress)
    assert target.read_bytes() == BODY
    assert httpserver.log[0][0].headers["Range"] == f"bytes={have}-"
    assert progress.done in (len(BODY), 0)


def test_a_server_without_ranges_sends_everything_again(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data(BODY)
    target.parent.mkdir()
    target.with_name("weights.pth" + PART_SUFFIX).write_bytes(b"something else")
    download(source(httpserver), target)
    assert target.read_bytes() == BODY


def test_a_part_that_is_too_long_is_begun_anew(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_request("/weights.pth").respond_with_handler(ranged)
    target.parent.mkdir()
    target.with_name("weights.pth" + PART_SUFFIX).write_bytes(BODY + b"more")
    download(source(httpserver), target, pause=0)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_passing_trouble_is_tried_again(httpserver: HTTPServer, target: Path, status: int) -> None:
    httpserver.expect_ordered_request("/weights.pth").respond_with_data("busy", status=status)
    httpserver.expect_ordered_request("/weights.pth").respond_with_data(BODY)
    download(source(httpserver), target, pause=0)
    assert target.read_bytes() == BODY


def test_lasting_trouble_is_tried_five_times(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data("busy", status=503)
    with pytest.raises(NetworkError, match="503"):
        download(source(httpserver), target, pause=0)
    assert len(httpserver.log) == ATTEMPTS


def test_a_name_without_address_is_looked_up_twice(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(NetworkError, match="Name or service not known"):
        download(Source("https://weights.test/w.pth", SHA256), target, pause=0)
    assert asked == ["weights.test"] * 2


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_clear_no_is_not_tried_again(httpserver: HTTPServer, target: Path, status: int) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data("no", status=status)
    with pytest.raises(NetworkError, match=str(status)):
        download(source(httpserver), target, pause=0)
    assert len(httpserver.log) == 1


def test_nobody_there(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(NetworkError, match="cannot download"):
        download(Source(f"http://127.0.0.1:{port}/x", SHA256), target, pause=0)


@pytest.fixture
def breaking_server() -> Iterator[str]:
    """Promises the whole body, sends a third of what is left, and hangs up; the fourth answer is honest."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = iter(range(1, 100))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536).decode()
                start = int(request.partition("bytes=")[2].partition("-")[0] or 0)
                rest = BODY[start:]
                span = f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}\r\n"
                connection.sendall(
                    f"HTTP/1.1 {'206 Partial Content' if start else '200 OK'}\r\nContent-Length: {len(rest)}\r\n"
                    f"{span if start else ''}Connection: close\r\n\r\n".encode()
                )
                connection.sendall(rest if next(answers) >= 4 else rest[: len(rest) // 3])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/weights.pth"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_connections_that_break_lose_nothing(breaking_server: str, target: Path) -> None:
    progress = Steps()
    download(Source(breaking_server, SHA256), target, progress, pause=0)
    assert target.read_bytes() == BODY
    assert progress.done == len(BODY)


def test_two_at_once_fetch_it_once(httpserver: HTTPServer, target: Path) -> None:
    httpserver.expect_request("/weights.pth").respond_with_data(BODY)
    threads = [threading.Thread(target=download, args=(source(httpserver), target)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == BODY
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3),
        ("100000", 100_000),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("soon", None),
        ("\N{SUPERSCRIPT TWO}", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds
