"""How processes find each other, and how long they wait for one that does not come."""

import socket
import threading
import time
from datetime import timedelta

import pytest
from torch.distributed import HashStore, TCPStore  # type: ignore[attr-defined]

from convlens.core.errors import MachineError
from convlens.core.torchrun import Torchrun
from convlens.training import rendezvous as module
from convlens.training.rendezvous import Meeting, rendezvous


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def started(rank: int, count: int, port: int, *, hosted: bool = False) -> Torchrun:
    return Torchrun(
        rank=rank, count=count, local_rank=rank, local_count=count, host="127.0.0.1", port=port, hosted=hosted
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENDEZVOUS_SECONDS", 0.3)
    monkeypatch.setattr(module, "SECONDS_UNTIL_SAID", 0.05)


def test_all_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads in place of processes; the one that holds the store comes last."""
    port, met = free_port(), []

    def come(rank: int) -> None:
        met.append(rendezvous(started(rank, 3, port), lambda text: None))

    monkeypatch.setattr(module, "_trainings", iter([0] * 3))
    threads = [threading.Thread(target=come, args=(rank,)) for rank in (2, 1, 0)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join(10)
    assert len(met) == 3


def test_one_that_does_not_come_is_named(impatient: None) -> None:
    said: list[str] = []
    port = free_port()
    with pytest.raises(MachineError, match=rf"0\.005 minutes at 127\.0\.0\.1:{port} for processes 1, 2 of 0 to 2"):
        rendezvous(started(0, 3, port), said.append)
    assert said == [f"waiting at 127.0.0.1:{port} for processes 1, 2 of 0 to 2, at most 0.005 minutes"]


def test_a_first_process_that_does_not_come_is_named(impatient: None) -> None:
    said: list[str] = []
    port = free_port()
    with pytest.raises(MachineError, match=rf"at 127\.0\.0\.1:{port} for an answer of the first process, in vain"):
        rendezvous(started(1, 2, port), said.append)
    assert len(said) == 1


def test_a_store_of_torchruns_own_is_used(impatient: None) -> None:
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=10), wait_for_workers=False)
    assert rendezvous(started(0, 1, store.port, hosted=True), lambda text: None).store.check([]) is not None


def test_a_port_that_is_taken(impatient: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(MachineError, match=r"cannot meet at 127\.0\.0\.1"):
            rendezvous(started(0, 2, taken.getsockname()[1]), lambda text: None)


def test_who_waits_hears_that_another_gave_up() -> None:
    store = HashStore()
    one, other = (Meeting(store, rank, 2) for rank in (0, 1))
    threading.Timer(0.05, other.give_up).start()
    with pytest.raises(MachineError, match="another process of this training has ended"):
        one.wait()


def test_a_meeting_is_of_all_each_time() -> None:
    """The second wait of one does not end by the first one of the other."""
    store = HashStore()
    one, other = (Meeting(store, rank, 2) for rank in (0, 1))
    order: list[str] = []

    def late() -> None:
        other.wait()
        time.sleep(0.1)
        order.append("late")
        other.wait()

    thread = threading.Thread(target=late)
    thread.start()
    one.wait()
    one.wait()
    order.append("one")
    thread.join(10)
    assert order == ["late", "one"]
