"""The way out: a server may do what it likes, and no address leads into this network."""

import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from convlens.core.http import ATTEMPTS
from convlens.data.collect.network import MOST_REDIRECTS, Network, RejectedError, Rules, is_public, resolved
from tests.data.collect.internet import PUBLIC, Rerouted, rude_server, rules

BODY = bytes(range(256)) * 100


def save(port: int, target: Path, url: str = "http://images.test/a.jpg", **changes: Any) -> str:
    network = Network(rules(port, **changes))
    try:
        return network.save(url, target)
    finally:
        network.close()


def rejected(port: int, target: Path, url: str = "http://images.test/a.jpg", **changes: Any) -> str:
    with pytest.raises(RejectedError) as error:
        save(port, target, url, **changes)
    return error.value.reason


class TestAnswers:
    def test_the_body_comes_whole(self, httpserver: HTTPServer, tmp_path: Path) -> None:
        httpserver.expect_request("/a.jpg").respond_with_data(BODY)
        assert save(httpserver.port, tmp_path / "a") == "http://images.test/a.jpg"
        assert (tmp_path / "a").read_bytes() == BODY

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_tried_five_times(self, httpserver: HTTPServer, tmp_path: Path, status: int) -> None:
        httpserver.expect_request("/a.jpg").respond_with_data("later", status=status)
        assert rejected(httpserver.port, tmp_path / "a") == "busy"
        assert len(httpserver.log) == ATTEMPTS

    @pytest.mark.parametrize(
        ("status", "reason"), [(400, "refused"), (401, "refused"), (403, "refused"), (404, "gone"), (410, "gone")]
    )
    def test_what_will_not_pass_is_tried_once(
        self, httpserver: HTTPServer, tmp_path: Path, status: int, reason: str
    ) -> None:
        httpserver.expect_request("/a.jpg").respond_with_data("no", status=status)
        assert rejected(httpserver.port, tmp_path / "a") == reason
        assert len(httpserver.log) == 1

    def test_retry_after_goes_before_our_own_pause(self, httpserver: HTTPServer, tmp_path: Path) -> None:
        httpserver.expect_ordered_request("/a.jpg").respond_with_data("", status=429, headers={"Retry-After": "1"})
        httpserver.expect_ordered_request("/a.jpg").respond_with_data(BODY)
        start = time.monotonic()
        save(httpserver.port, tmp_path / "a")
        assert 1 <= time.monotonic() - start < 3

    @pytest.mark.parametrize("asked", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
    def test_who_asks_for_a_long_wait_is_not_asked_again(
        self, httpserver: HTTPServer, tmp_path: Path, asked: str
    ) -> None:
        httpserver.expect_request("/a.jpg").respond_with_data("", status=429, headers={"Retry-After": asked})
        with pytest.raises(RejectedError, match=r"429 TOO MANY REQUESTS, and asks to wait for \d+ s") as error:
            save(httpserver.port, tmp_path / "a")
        assert (error.value.reason, error.value.lasting) == ("busy", False)
        assert len(httpserver.log) == 1

    def test_trouble_that_passes(self, httpserver: HTTPServer, tmp_path: Path) -> None:
        httpserver.expect_ordered_request("/a.jpg").respond_with_data("", status=503)
        httpserver.expect_ordered_request("/a.jpg").respond_with_data(BODY)
        save(httpserver.port, tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == BODY


def sent(head: str, body: bytes = b"") -> Callable[[socket.socket, bytes], None]:
    def serve(connection: socket.socket, request: bytes) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{head}\r\n\r\n".encode() + body)

    return serve


def stall(connection: socket.socket, request: bytes) -> None:
    time.sleep(5)


def stall_in_the_body(connection: socket.socket, request: bytes) -> None:
    sent("Content-Length: 1000", b"some")(connection, request)
    time.sleep(5)


def endless(connection: socket.socket, request: bytes) -> None:
    sent("Connection: close")(connection, request)
    while True:
        connection.sendall(bytes(65536))


def endless_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n" * 1000)


def drop_by_drop(connection: socket.socket, request: bytes) -> None:
    sent("Content-Length: 100000")(connection, request)
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def drops_in_the_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


RUDE = {
    "stall": (stall, "broken"),
    "stall in the body": (stall_in_the_body, "broken"),
    "endless body": (endless, "too-large"),
    "a drop at a time": (drop_by_drop, "too-slow"),
    "a drop of the head at a time": (drops_in_the_head, "too-slow"),
    "less than was promised": (sent("Content-Length: 5000\r\nConnection: close", b"short"), "broken"),
    "a promise over the limit": (sent("Content-Length: 99999999"), "too-large"),
    "a promise that is no number": (sent("Content-Length: many", b"x"), "broken"),
    "two promises": (sent("Content-Length: 4\r\nContent-Length: 5", b"abcd"), "broken"),
    "compressed bomb": (sent("Content-Encoding: gzip\r\nConnection: close", gzip.compress(bytes(10**7))), "compressed"),
    "no HTTP at all": (lambda connection, request: connection.sendall(b"220 ftp ready\r\n"), "broken"),
    "hangs up": (lambda connection, request: None, "broken"),
    "endless head": (endless_head, "broken"),
}  # fmt: skip


@pytest.mark.parametrize("kind", RUDE)
def test_rude_servers(kind: str, tmp_path: Path) -> None:
    serve, reason = RUDE[kind]
    with rude_server(serve) as port:
        start = time.monotonic()
        assert rejected(port, tmp_path / "a", most_bytes=200_000, whole_seconds=1.0) == reason
        assert time.monotonic() - start < 6


def test_a_body_longer_than_promised_is_cut_at_the_promise(tmp_path: Path) -> None:
    with rude_server(sent("Content-Length: 4\r\nConnection: close", b"abcdefgh")) as port:
        save(port, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"abcd"


INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://localhost/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
]


class TestAddresses:
    @pytest.mark.parametrize("url", INSIDE)
    def test_none_leads_inside(self, tmp_path: Path, url: str) -> None:
        assert rejected(1, tmp_path / "a", url) == "unsafe-address"

    @pytest.mark.parametrize("url", INSIDE)
    def test_nor_does_a_redirect(self, httpserver: HTTPServer, tmp_path: Path, url: str) -> None:
        httpserver.expect_request("/a.jpg").respond_with_response(Response(status=302, headers={"Location": url}))
        assert rejected(httpserver.port, tmp_path / "a") == "unsafe-address"
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "https://images.test/",
            "ftp://images.test/",
            "file:///etc/passwd",
            "http://",
            "//x",
            "",
            "http://u:p@images.test/",
            "http://[::1",
            "data:image/png;base64,xx",
        ],
    )
    def test_other_schemes_credentials_and_nonsense(self, httpserver: HTTPServer, tmp_path: Path, url: str) -> None:
        assert rejected(httpserver.port, tmp_path / "a", url) == "unsafe-address"
        assert httpserver.log == []

    def test_only_https_where_nobody_says_otherwise(self) -> None:
        assert Rules().schemes == {"https"}

    def test_every_address_of_a_name_is_checked(self, tmp_path: Path) -> None:
        assert rejected(1, tmp_path / "a", resolve=lambda host, port: [PUBLIC, "10.0.0.1"]) == "unsafe-address"

    def test_the_address_that_was_checked_is_the_one_connected_to(self, httpserver: HTTPServer, tmp_path: Path) -> None:
        """A name whose address changes after the check gains nothing: it is not resolved again."""
        httpserver.expect_request("/a.jpg").respond_with_data(BODY)
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        connect = Rerouted(httpserver.port)
        save(httpserver.port, tmp_path / "a", resolve=lambda host, port: next(answers), connect=connect)
        assert connect.asked == [PUBLIC]
        assert next(answers) == ["127.0.0.1"]

    def test_a_changed_answer_is_refused_at_the_next_connection(self, tmp_path: Path) -> None:
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        with rude_server(sent("Content-Length: 9\r\nConnection: close", b"x")) as port:
            assert rejected(port, tmp_path / "a", resolve=lambda host, number: next(answers)) == "unsafe-address"

    def test_a_name_without_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for five attempts where there is no network."""
        asked = []

        def nowhere(host: str, *_: object, **__: object) -> None:
            asked.append(host)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)
        assert rejected(1, tmp_path / "a", resolve=resolved) == "broken"
        assert len(asked) == 2

    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]
    )
    def test_public_addresses(self, address: str) -> None:
        assert is_public(address)


class TestRedirects:
    @pytest.mark.parametrize(
        ("steps", "reason"), [(1, None), (MOST_REDIRECTS, None), (MOST_REDIRECTS + 1, "redirects")]
    )
    def test_so_many(self, httpserver: HTTPServer, tmp_path: Path, steps: int, reason: str | None) -> None:
        def step(request: Request) -> Response:
            number = int(request.args.get("n", 0))
            if number == steps:
                return Response(BODY)
            return Response(status=301, headers={"Location": f"/a.jpg?n={number + 1}"})

        httpserver.expect_request("/a.jpg").respond_with_handler(step)
        if reason:
            assert rejected(httpserver.port, tmp_path / "a") == reason
        else:
            assert save(httpserver.port, tmp_path / "a") == f"http://images.test/a.jpg?n={steps}"

    def test_nothing_is_told_to_the_next_host(self, httpserver: HTTPServer, tmp_path: Path) -> None:
        headers = {"Location": "http://other.test/b.jpg", "Set-Cookie": "secret=1; Path=/"}
        httpserver.expect_request("/a.jpg").respond_with_response(Response(status=302, headers=headers))
        httpserver.expect_request("/b.jpg").respond_with_response(
            Response(status=302, headers={"Location": "http://images.test/c.jpg"})
        )
        httpserver.expect_request("/c.jpg").respond_with_data(BODY)
        save(httpserver.port, tmp_path / "a")
        assert [request.path for request, _ in httpserver.log] == ["/a.jpg", "/b.jpg", "/c.jpg"]
        for request, _ in httpserver.log:
            assert {"Cookie", "Authorization", "Referer"}.isdisjoint(request.headers.keys())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of images.test, and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=DNS:images.test"
    done = subprocess.run(["openssl", *words.split(), "-keyout", f"{path}.key"], capture_output=True, check=True)
    path.write_bytes(done.stdout + Path(f"{path}.key").read_bytes())
    return path


class TestEncrypted:
    """The name is what the certificate must be of, though the address is what is connected to."""

    @pytest.mark.parametrize(("url", "reason"), [("https://images.test/a", None), ("https://other.test/a", "broken")])
    def test_the_certificate_is_checked(
        self, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, reason: str | None
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        def secured(raw: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
                sent("Content-Length: 4\r\nConnection: close", b"abcd")(connection, connection.recv(65536))

        with rude_server(stall, wrap=secured) as port:
            if reason:
                assert rejected(port, tmp_path / "a", url, schemes=frozenset({"https"})) == reason
            else:
                save(port, tmp_path / "a", url, schemes=frozenset({"https"}))
                assert (tmp_path / "a").read_bytes() == b"abcd"

    def test_nobody_vouches_for_it(self, certificate: Path, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def secured(raw: socket.socket) -> None:
            with contextlib.suppress(OSError):
                context.wrap_socket(raw, server_side=True).close()

        with rude_server(stall, wrap=secured) as port:
            schemes = frozenset({"https"})
            assert rejected(port, tmp_path / "a", "https://images.test/a", schemes=schemes) == "broken"


def test_the_limits_that_hold_outside_of_tests() -> None:
    found = Rules()
    assert (found.timeout.connect, found.timeout.read) == (10.0, 20.0)
    assert (found.whole_seconds, found.most_bytes, found.paced) == (60.0, 25_000_000, True)
    assert isinstance(found.timeout, httpx2.Timeout)
