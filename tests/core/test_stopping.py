"""Signals that are held back: remembered, then obeyed by whoever would have obeyed them."""

import os
import signal
import threading
import time

import pytest

from convlens.core import stopping
from convlens.core.stopping import how_to_go_on, resumable, stop_deferred


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], autouse=True)
def number(request):
    """A signal, which raises KeyboardInterrupt where it is not held back."""

    def obey(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(request.param, obey)
    yield request.param
    signal.signal(request.param, before)


def held_back(work, **options):
    with stop_deferred(**options) as asked:
        work(asked)


def test_it_is_obeyed_at_the_end(number):
    done = []

    def work(asked):
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        done.append("work")

    with pytest.raises(KeyboardInterrupt):
        held_back(work)
    assert done == ["work"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_without_a_signal_nothing_happens(number):
    handler = signal.getsignal(number)
    with stop_deferred() as asked:
        assert signal.getsignal(number) is not handler
    assert not asked()
    assert signal.getsignal(number) is handler


def test_a_second_one_is_obeyed_at_once(number, monkeypatch):
    monkeypatch.setattr(stopping, "_SAME_SECONDS", 0.0)

    def work(asked):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        held_back(work)


def test_two_at_once_are_one(number):
    done = []

    def work(asked):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        done.append(asked())

    with pytest.raises(KeyboardInterrupt):
        held_back(work)
    assert done == [True]


def test_patience_ends(number):
    def work(asked):
        os.kill(os.getpid(), number)
        time.sleep(5)
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        held_back(work, patience=0.05)


def test_a_signal_that_is_ignored_stays_so(number):
    signal.signal(number, signal.SIG_IGN)
    with stop_deferred() as asked:
        os.kill(os.getpid(), number)
        assert not asked()


def test_other_threads_are_left_alone(number):
    handler = signal.getsignal(number)
    found = []

    def work():
        with stop_deferred() as asked:
            found.append((asked(), signal.getsignal(number) is handler))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, True)]


def test_how_to_go_on_stays_known_where_the_work_was_stopped() -> None:
    def interrupted() -> None:
        with resumable(lambda: "this command"):
            assert how_to_go_on() == "this command"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        interrupted()
    assert how_to_go_on() == "this command"
    assert stopped.value.__notes__ == ["To continue: this command"]
    with resumable(lambda: None):
        pass
    assert how_to_go_on() == "this command"


@pytest.fixture(autouse=True)
def nothing_to_go_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_how_to_go_on", None)


def test_work_within_work_goes_on_by_the_command_of_the_whole():
    with pytest.raises(KeyboardInterrupt) as stopped, resumable(lambda: "the whole"), resumable(lambda: "a part"):
        raise KeyboardInterrupt
    assert stopped.value.__notes__ == ["To continue: the whole"]
    with pytest.raises(KeyboardInterrupt) as later, resumable(lambda: "other work"):
        raise KeyboardInterrupt
    assert later.value.__notes__ == ["To continue: other work"]
