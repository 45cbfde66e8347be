"""A served model against the bare forward pass and against a service that people write, at 1, 8 and 64 clients.

    pip install --target .venv/fastapi --no-deps fastapi python-multipart opentelemetry-api
    PYTHONPATH=.venv/fastapi python benchmarks/serve.py ../shared/data/hymenoptera/val --rounds 3

The network is efficientnet_lite0 with its ImageNet weights, in float32 on both sides. Each client keeps its connection
and sends one image after the other; every answer is compared with what `convlens predict` says of its image. The bare
forward pass is the module itself, called with one decoded image after the other. Rounds go in turn; medians are
printed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from convlens.data.batches import normalized, read_and_decode
from convlens.data.decode import Decoded
from convlens.pipeline.trained import load_trained
from convlens.tasks.predict import predict

NAME = "efficientnet_lite0"
CLIENTS = (1, 8, 64)
LARGEST_DIFFERENCE = 1e-3
"""Of our own answers; the other service resizes otherwise, so of its answers only the class is compared."""
HERE = Path(__file__).parent


class Image(NamedTuple):
    """An image file and what is expected of it."""

    content: bytes
    predicted: str
    probability: float


class Load(NamedTuple):
    """What some clients met."""

    throughput: float
    """Images per second."""
    p50: float
    """Milliseconds."""
    p99: float
    lost: int
    wrong: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    given = parser.parse_args(arguments)
    images = expected(given.images)
    forward = statistics.median(bare_forward(given.images) for _ in range(given.rounds))
    loads: dict[tuple[str, int], list[Load]] = {}
    for number in range(given.rounds):
        for service, start in (("convlens serve", serving_ours), ("FastAPI", serving_fastapi)):
            with start() as port:
                asyncio.run(load(service, port, images, clients=2, seconds=3.0))  # warm
                for clients in CLIENTS:
                    one = asyncio.run(load(service, port, images, clients=clients, seconds=given.seconds))
                    loads.setdefault((service, clients), []).append(one)
                    print(f"round {number + 1}, {service}, {clients} clients: {one}", file=sys.stderr)
    print_loads(loads, forward)
    print_command_line(given.images, given.rounds)


def expected(folder: Path) -> list[Image]:
    """The images below a folder with what `convlens predict` says of them."""
    found = predict(NAME, folder).predictions
    return [Image(Path(one.file).read_bytes(), one.predicted, one.probabilities[one.predicted]) for one in found]


def bare_forward(folder: Path) -> float:
    """Seconds of the module alone for one image, median over all."""
    bundle, module = load_trained(NAME)
    module.eval()
    seconds = []
    with torch.inference_mode():
        for file in sorted(folder.rglob("*.jpg"))[:60]:
            decoded = read_and_decode(file, bundle.preprocessing)
            assert isinstance(decoded, Decoded)
            x = normalized(torch.from_numpy(decoded.pixels).unsqueeze(0), bundle.preprocessing).contiguous()
            start = time.perf_counter()
            module(x)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[5:])


@contextlib.contextmanager
def serving_ours() -> Iterator[int]:
    """`convlens serve`, by its port."""
    with _process(sys.executable, "-m", "convlens", "serve", NAME, "--port", "0") as port:
        yield port


@contextlib.contextmanager
def serving_fastapi() -> Iterator[int]:
    """benchmarks/fastapi_service.py, by its port."""
    words = ("--app-dir", str(HERE), "fastapi_service:app", "--port", "0", "--no-access-log")
    with _process(sys.executable, "-m", "uvicorn", *words) as port:
        yield port


@contextlib.contextmanager
def _process(*command: str) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(int(found[1]) for line in process.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        finally:
            process.terminate()
            process.wait(30)


async def load(service: str, port: int, images: Sequence[Image], *, clients: int, seconds: float) -> Load:
    """That many clients for that long, each with every so many-th image."""
    end = time.perf_counter() + seconds
    met: list[tuple[float, bool, bool]] = []
    start = time.perf_counter()
    own = service == "convlens serve"
    await asyncio.gather(*(_client(number, clients, port, images, end, met, own=own) for number in range(clients)))
    passed = time.perf_counter() - start
    times = sorted(one for one, _, _ in met)
    return Load(
        throughput=len(met) / passed,
        p50=statistics.median(times) * 1e3,
        p99=times[min(len(times) - 1, int(0.99 * len(times)))] * 1e3,
        lost=sum(lost for _, lost, _ in met),
        wrong=sum(wrong for _, _, wrong in met),
    )


async def _client(
    number: int,
    clients: int,
    port: int,
    images: Sequence[Image],
    end: float,
    met: list[tuple[float, bool, bool]],
    *,
    own: bool,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    place = number
    while time.perf_counter() < end:
        image = images[place % len(images)]
        place += clients
        start = time.perf_counter()
        writer.write(_request(image.content, own=own))
        status, body = await _response(reader)
        met.append((time.perf_counter() - start, status != 200, status == 200 and not _is_right(body, image, own=own)))
    writer.close()
    await writer.wait_closed()


def _request(content: bytes, *, own: bool) -> bytes:
    path, kind = "/predict?top=5", "image/jpeg"
    if not own:
        path, kind = "/predict", "multipart/form-data; boundary=frontier"
        head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="image.jpg"\r\n\r\n'
        content = head + content + b"\r\n--frontier--\r\n"
    head_lines = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}"
    return head_lines.encode() + b"\r\n\r\n" + content


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(length[1]))


def _is_right(body: bytes, image: Image, *, own: bool) -> bool:
    answer = json.loads(body)
    if not own:
        return image.predicted in set(answer["probabilities"])
    return bool(abs(answer["probabilities"].get(image.predicted, 0.0) - image.probability) < LARGEST_DIFFERENCE)


def print_loads(loads: dict[tuple[str, int], list[Load]], forward: float) -> None:
    """The table of loads, and the ratios."""
    print(f"bare forward pass, one image: {forward * 1e3:.1f} ms, {1 / forward:.1f} images per second\n")
    print("| service | clients | images per second | p50, ms | p99, ms | lost | wrong |")
    print("|---|---|---|---|---|---|---|")
    for (service, clients), rounds in loads.items():
        rate, p50, p99 = (statistics.median(one[place] for one in rounds) for place in range(3))
        lost, wrong = sum(one.lost for one in rounds), sum(one.wrong for one in rounds)
        print(f"| {service} | {clients} | {rate:.1f} | {p50:.1f} | {p99:.1f} | {lost} | {wrong} |")
    print()
    for clients in CLIENTS:
        pairs = zip(loads["convlens serve", clients], loads["FastAPI", clients], strict=True)
        ratio = statistics.median(one.throughput / other.throughput for one, other in pairs)
        print(f"{clients} clients: {ratio:.2f} times FastAPI's throughput")
    alone = statistics.median(one.p50 for one in loads["convlens serve", 1])
    print(f"one client's answer: {alone / forward / 1e3:.2f} times the bare forward pass, decoding and HTTP included")


def print_command_line(folder: Path, rounds: int) -> None:
    """Seconds of one prediction by a command of its own, and of importing torch alone."""
    image = str(next(folder.rglob("*.jpg")))
    with tempfile.TemporaryDirectory() as place:
        commands = {
            "convlens predict": [sys.executable, "-m", "convlens", "predict", NAME, image],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        for name, command in commands.items():
            seconds = []
            for _ in range(rounds + 1):
                start = time.perf_counter()
                environment = {**os.environ, "CONVLENS_CACHE": place}
                subprocess.run(command, check=True, capture_output=True, env=environment)
                seconds.append(time.perf_counter() - start)
            print(f"{name}: {statistics.median(seconds[1:]):.2f} s")


if __name__ == "__main__":
    main()
