"""A service in a process of its own, and clients for it."""

import contextlib
import http.client
import io
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
_START_SECONDS = 90.0


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.body)


class Running:
    """A service that runs, by its process and its address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it has said on standard error."""
        self.port = 0
        heard: queue.Queue[int] = queue.Queue()
        self._ears = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self._ears.start()
        self.port = heard.get(timeout=_START_SECONDS)
        assert self.port, self.lines

    def _listen(self, heard: queue.Queue[int]) -> None:
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, ""):
            self.lines.append(line.rstrip())
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                heard.put(int(found[1]))
        heard.put(0)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def predict(self, image: bytes, **headers: str) -> Answer:
        """`POST /predict`."""
        return self.ask("POST", "/predict", image, **headers)

    def connected(self) -> socket.socket:
        """A connection that has said nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def metric(self, name: str) -> float:
        """The sum of a metric's values."""
        text = self.ask("GET", "/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    @property
    def workers(self) -> list[int]:
        """The processes that hold the model."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return [int(pid) for pid in found]

    def most_memory(self) -> int:
        """The most bytes that its processes have had at one time, each."""
        peaks = []
        for pid in (self.process.pid, *self.workers):
            status = Path(f"/proc/{pid}/status").read_text()
            peaks += [int(kilobytes) * 1024 for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", status)]
        return sum(peaks)

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._ears.join(10)
        return code


@contextlib.contextmanager
def serving(named: str, *, token: str | None = None, **limits: object) -> Iterator[Running]:
    """A service of that model with these limits, ended afterwards."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    if token is not None:
        environment["CONVLENS_TOKEN"] = token
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.service.launch", named, json.dumps(limits)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    with process:
        try:
            running = Running(process)
            yield running
        finally:
            process.kill()


def image_file(seed: int, kind: str = "PNG", side: int = 72) -> bytes:
    """An image unlike those of other seeds, as a file."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    content = io.BytesIO()
    coarse.resize((side + seed % 7, side), Image.Resampling.BICUBIC).save(content, kind)
    return content.getvalue()
