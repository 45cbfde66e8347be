"""Clients that mean harm, or are broken: refused within limits, while others are answered all the while."""

import contextlib
import io
import resource
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.service.running import Answer, Running, image_file, serving

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def service(module_cache: Path) -> Iterator[Running]:
    """With small limits, so that they are reached within seconds."""
    with serving(
        "house",
        image_bytes=2 * MEGABYTE,
        held_bytes=8 * MEGABYTE,
        waiting_images=32,
        connections=300,
        head_seconds=1.5,
        body_seconds=2.0,
    ) as running:
        yield running


@contextlib.contextmanager
def others_are_answered(service: Running) -> Iterator[list[Answer]]:
    """Asks all the while from one connection after the other; every answer has to be right."""
    answers: list[Answer] = []
    done = threading.Event()
    image = image_file(1)

    def ask() -> None:
        while not done.is_set():
            answers.append(service.predict(image))
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield answers
            assert _comes_true(lambda: len(answers) > 3 or asked.done())
        finally:
            done.set()
            asked.result()
    assert {answer.status for answer in answers} == {200}


def head(length: str, path: str = "/predict") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n".encode()


def said(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_heads_that_come_byte_by_byte(service: Running) -> None:
    with others_are_answered(service), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(service.connected()) for _ in range(50)]
        start = time.monotonic()
        for byte in b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ":
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(bytes([byte]))
            time.sleep(0.05)
        for connection in slow:
            assert said(connection) == b""
        assert time.monotonic() - start < 8


def test_bodies_that_come_byte_by_byte(service: Running) -> None:
    with others_are_answered(service), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(service.connected()) for _ in range(30)]
        for connection in slow:
            connection.sendall(head("Content-Length: 1000"))
        for _ in range(40):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            time.sleep(0.06)
        for connection in slow:
            assert status_of(said(connection)) == 408


def test_an_endless_body(service: Running) -> None:
    with others_are_answered(service), service.connected() as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 400 * MEGABYTE:
                connection.sendall(chunk)
                sent += len(chunk)
        assert sent < 40 * MEGABYTE  # what the buffers of both sides hold, not what a client likes to send


def test_a_declared_length_over_the_limit_is_refused_before_the_body(service: Running) -> None:
    for length in (200 * MEGABYTE, 10**18, 10**30):
        with service.connected() as connection:
            connection.sendall(head(f"Content-Length: {length}"))
            assert status_of(said(connection)) in (400, 413)


def test_200_megabytes_without_a_declared_length(service: Running) -> None:
    with others_are_answered(service), service.connected() as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            for _ in range(200):
                connection.sendall(b"%x\r\n" % MEGABYTE + b"\xff" * MEGABYTE + b"\r\n")
        answer = said(connection)
        assert not answer or status_of(answer) == 413  # the answer may be lost where the client goes on sending


@pytest.mark.parametrize(
    "length", ["Content-Length: 5\r\nContent-Length: 7", "Content-Length: -1", "Content-Length: x"]
)
def test_a_length_that_is_none(service: Running, length: str) -> None:
    with service.connected() as connection:
        connection.sendall(head(length) + b"hello")
        assert status_of(said(connection)) == 400


def test_a_body_shorter_than_declared(service: Running) -> None:
    with others_are_answered(service):
        for _ in range(20):
            with service.connected() as connection:
                connection.sendall(head("Content-Length: 100000") + image_file(0))
    assert _comes_true(lambda: service.metric("convlens_held_bytes") == 0)


def test_a_body_longer_than_declared(service: Running) -> None:
    image = image_file(0)
    with service.connected() as connection:
        connection.sendall(head(f"Content-Length: {len(image)}") + image + b"\x00" * 1000)
        answer = said(connection)
    assert status_of(answer) == 200
    assert answer.count(b"HTTP/1.1 ") <= 2
    assert b"HTTP/1.1 400" in answer or answer.count(b"HTTP/1.1 ") == 1


def test_a_bomb_is_refused_by_its_header(service: Running) -> None:
    for width, height in ((60000, 60000), (2**31 - 1, 1), (100_000, 100_000)):
        answer = service.predict(_png_header(width, height))
        assert answer.status in (413, 422), answer
    assert service.most_memory() < 2_500 * MEGABYTE


def test_images_of_the_most_pixels_do_not_pile_up(service: Running) -> None:
    """64 megapixels of one color are 200 kB as a file and 192 MB as pixels."""
    content = io.BytesIO()
    Image.new("L", (8000, 8000)).save(content, "PNG", optimize=True)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.predict(content.getvalue()).status, range(8)))
    assert set(answers) == {200}
    assert service.most_memory() < 2_500 * MEGABYTE


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"hello, world", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"%PDF-1.7", 415),
        (b"\x00" * 1000, 415),
        (image_file(0, "JPEG")[:400], 422),
        (image_file(0)[:400], 422),
        (b"", 400),
    ],
    ids=["text", "svg", "pdf", "zeros", "half-jpeg", "half-png", "nothing"],
)
def test_what_is_no_image(service: Running, content: bytes, status: int) -> None:
    answer = service.predict(content)
    assert answer.status == status
    assert answer.json["error"]
    for leak in (b"Traceback", b"/src/", b"site-packages", b".py", b"convlens 0", b"uvicorn"):
        assert leak not in answer.body


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\x7fb", "x" * 5000])
def test_names_of_files_are_never_used(service: Running, name: str) -> None:
    answer = service.predict(image_file(0), **{"Content-Disposition": f'attachment; filename="{name}"'})
    assert answer.status == 200
    assert b"passwd" not in answer.body


def test_a_form_is_told_what_is_wrong(service: Running) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + image_file(0) + b"\r\n--x--"
    )
    answer = service.predict(body, **{"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 415
    assert "no form around them" in answer.json["error"]


def test_uploads_that_end_in_the_middle(service: Running) -> None:
    with others_are_answered(service):
        for number in range(60):
            with service.connected() as connection:
                connection.sendall(head("Content-Length: 1000000") + b"x" * (1000 * number))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    assert _comes_true(lambda: service.metric("convlens_held_bytes") == 0)


def test_requests_hold_no_more_bytes_than_they_may(service: Running) -> None:
    """Ten requests of almost 2 MB, where 8 MB may be held."""
    with contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(service.connected()) for _ in range(10)]
        for connection in greedy:
            connection.sendall(head(f"Content-Length: {2 * MEGABYTE}"))
        with contextlib.suppress(OSError):
            for connection in greedy:
                connection.sendall(b"x" * (2 * MEGABYTE - 1))
        statuses = sorted(status_of(said(connection)) for connection in greedy)
    assert statuses.count(503) >= 6
    assert set(statuses) <= {503, 408}
    assert _comes_true(lambda: service.metric("convlens_held_bytes") == 0)


def test_what_comes_when_too_many_wait_is_told_to_come_again(service: Running) -> None:
    with ThreadPoolExecutor(90) as pool:
        answers = list(pool.map(lambda number: service.predict(image_file(number % 5, side=300)), range(180)))
    statuses = {answer.status for answer in answers}
    assert statuses == {200, 503}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status == 503)
    assert service.predict(image_file(0)).status == 200


def test_more_connections_than_the_service_takes(service: Running) -> None:
    """Thousands that say nothing make room for whoever says something."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, number + 400), hard))
    try:
        with others_are_answered(service), contextlib.ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(service.connected())
            assert service.metric("convlens_connections") <= 301
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert service.most_memory() < 2_500 * MEGABYTE


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_a_page_that_points_its_name_at_this_machine_is_not_answered(service: Running, host: str) -> None:
    assert service.predict(image_file(0), Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:9"])
def test_loopback_by_its_names(service: Running, host: str) -> None:
    assert service.predict(image_file(0), Host=host).status == 200


def test_no_other_site_may_read_the_answers(service: Running) -> None:
    answer = service.predict(image_file(0), Origin="https://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["version", "tls", "long-line", "two-hosts", "many-headers", "bad-chunk"],
)
def test_what_is_no_http(service: Running, line: bytes) -> None:
    with service.connected() as connection:
        with contextlib.suppress(OSError):
            connection.sendall(line)
        answer = said(connection)
    assert not answer or status_of(answer) in (400, 421, 431)
    assert b"Traceback" not in answer


def test_the_log_has_no_traceback(service: Running) -> None:
    """Comes last: all of the above has happened."""
    assert not [line for line in service.lines if "Traceback" in line or "internal error" in line]
    assert service.metric("convlens_worker_restarts_total") == 0


@pytest.fixture(scope="module")
def guarded(module_cache: Path) -> Iterator[Running]:
    with serving("house", token="s3cret-ü") as running:
        yield running


class TestToken:
    """With CONVLENS_TOKEN, nothing is told to whoever does not bring it."""

    @pytest.mark.parametrize(
        "given",
        ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret-", "Basic s3cret-ü", "s3cret-ü", "Bearer \x80"],
    )
    def test_a_wrong_one(self, guarded: Running, given: str) -> None:
        for method, path in (("POST", "/predict"), ("GET", "/model"), ("GET", "/metrics"), ("GET", "/openapi.json")):
            answer = guarded.ask(method, path, image_file(0), Authorization=given)
            assert (answer.status, answer.json["reason"]) == (401, "token")
            assert answer.headers["www-authenticate"] == "Bearer"

    def test_the_right_one(self, guarded: Running) -> None:
        for kind in ("Bearer", "bearer"):
            header = f"{kind} s3cret-ü".encode().decode("latin-1")
            assert guarded.predict(image_file(0), Authorization=header).status == 200

    def test_health_needs_none(self, guarded: Running) -> None:
        assert guarded.ask("GET", "/health").status == 200


def _png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    pixels = zlib.compress(b"\x00" * 100_000)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _comes_true(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_clients_that_do_not_read_are_given_up(service: Running) -> None:
    """Their answers fill the buffers of both sides, and the connection then ends."""
    with others_are_answered(service), contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        assert _comes_true(lambda: service.metric("convlens_connections") < 3, seconds=60)


def test_a_request_that_holds_much_else_is_read_quickly(service: Running) -> None:
    body = b'{"images": ["AA=="], "x": [' + b"[]," * 600_000 + b"[]]}"
    start = time.monotonic()
    assert service.ask("POST", "/predict-batch", body).status in (200, 413)
    assert time.monotonic() - start < 3
