"""Ends, of the service and of the process that holds the model: no request that was taken is lost."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.service.running import Answer, Running, image_file, serving


def test_sigterm_under_load_loses_nothing_that_was_taken(module_cache: Path) -> None:
    with serving("house") as service:
        begun, refused = itertools.count(), Counter[str]()
        answers: list[Answer] = []

        def ask() -> None:
            while True:
                try:
                    with service.connected() as connection:
                        next(begun)
                        connection.close()
                        answers.append(service.predict(image_file(1)))
                except ConnectionError as error:
                    refused[type(error).__name__] += 1
                    return

        with ThreadPoolExecutor(16) as pool:
            asking = [pool.submit(ask) for _ in range(16)]
            time.sleep(1.5)
            before = len(answers)
            code = service.stop()
            for one in asking:
                one.result()
    assert before > 20
    assert {answer.status for answer in answers} == {200}
    assert refused.keys() <= {"ConnectionRefusedError"}, refused
    assert code == 0
    assert service.lines[-1] == "stopped; every request that was taken is answered"
    assert not _alive(service)


def test_a_body_that_is_on_its_way_is_waited_for(module_cache: Path) -> None:
    image = image_file(2)
    with serving("house") as service, service.connected() as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(image)}\r\n\r\n"
        connection.sendall(head.encode() + image[:50])
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        connection.sendall(image[50:])
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        assert service.process.wait(20) == 0


def test_ctrl_c_reaches_both_processes_and_is_no_fault(module_cache: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "convlens", "serve", "house", "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        serving = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert serving["kind"] == "convlens.serving"
        assert serving["model"]["network"] == "house"
        with urllib.request.urlopen(f"{serving['address']}/health") as answer:
            assert answer.status == 200
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err == "stopped; every request that was taken is answered\n"


def test_a_killed_worker_loses_nothing(module_cache: Path) -> None:
    with serving("house") as service:
        expected = service.predict(image_file(3)).json["probabilities"]
        done = threading.Event()
        (first,) = service.workers

        def ask(_: int) -> list[Answer]:
            answers = []
            while not done.is_set():
                answers.append(service.predict(image_file(3)))
            return answers

        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(ask, number) for number in range(16)]
            time.sleep(1.0)
            os.kill(first, signal.SIGKILL)
            time.sleep(1.0)
            assert service.ask("GET", "/health").status == 200
            while service.metric("convlens_worker_restarts_total") < 1 or not _answers(service):
                time.sleep(0.05)
            done.set()
            answers = [answer for one in asked for answer in one.result()]
        assert service.workers != [first]
        assert {answer.status for answer in answers} == {200}
        worst = max(abs(answer.json["probabilities"]["bee"] - expected["bee"]) for answer in answers)
        assert worst < 1e-4
        assert any("started again" in line for line in service.lines)


def test_a_frozen_worker_is_replaced(module_cache: Path) -> None:
    with serving("house", job_seconds=3.0) as service:
        (first,) = service.workers
        os.kill(first, signal.SIGSTOP)
        assert service.predict(image_file(0)).status == 200
        assert service.workers != [first]


def test_a_dead_service_takes_its_worker_along(module_cache: Path) -> None:
    with serving("house") as service:
        (worker,) = service.workers
        service.process.kill()
        service.process.wait()
        end = time.monotonic() + 10
        while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not Path(f"/proc/{worker}").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no_such"], "unknown run folder or network 'no_such'"),
        (["house", "--port", "99999"], "ports from 1 to 65535"),
        (["house", "--host", "256.1.1.1"], "--host 256.1.1.1 is not an address"),
        (["house", "--batch-size", "0"], "--batch-size 0: give a whole number from 1"),
        (["house", "--queue", "0"], "--queue 0: give a whole number from 1"),
        (["vgg16"], "vgg16"),
    ],
)
def test_wrong_use(words: list[str], told: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVLENS_OFFLINE", "1")
    command = [sys.executable, "-m", "convlens", "serve", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (2, 5)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use(module_cache: Path) -> None:
    with serving("house") as service:
        command = [sys.executable, "-m", "convlens", "serve", "house", "--port", str(service.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"--port {service.port} is in use on 127.0.0.1" in done.stderr


def _alive(service: Running) -> bool:
    return bool(service.workers)


def _answers(service: Running) -> bool:
    return service.predict(image_file(0)).status == 200


def test_a_second_signal_ends_at_once(module_cache: Path) -> None:
    with serving("house") as service:
        (worker,) = service.workers
        os.kill(worker, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(service.predict, image_file(0))
            time.sleep(0.5)
            service.process.send_signal(signal.SIGINT)
            time.sleep(1.0)
            service.process.send_signal(signal.SIGINT)
            start = time.monotonic()
            service.process.wait(20)
            assert time.monotonic() - start < 10
            with contextlib.suppress(OSError):
                assert asked.result().status >= 500
