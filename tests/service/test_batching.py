"""Batching, with a model whose behavior tests choose."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from convlens.core.errors import MachineError
from convlens.service.batching import Batcher
from convlens.service.limits import Busy, Limits, Refusal
from convlens.service.messages import Explain, HeatMap, Job, Outcome, Predict, Prediction, Refused
from convlens.service.metrics import Meters
from convlens.service.process import WorkerDied, WorkerProcess


class ModelOfTests(WorkerProcess):
    """Says of an image what its bytes are, once it is let go; of some it dies."""

    def __init__(self, deadly: bytes = b"deadly") -> None:
        self.jobs: list[Job] = []
        self.starts = 0
        self.go = threading.Event()
        self.broken = False
        self._deadly = deadly

    def start(self) -> Any:
        self.starts += 1
        if self.broken:
            raise MachineError("there is no memory")

    def ask(self, job: Job) -> list[Outcome]:
        self.jobs.append(job)
        self.go.wait(10)
        if isinstance(job, Explain):
            return [HeatMap(job.image.decode(), "", "")]
        if self._deadly in job.images:
            raise WorkerDied("it ended")
        return [Prediction(image.decode(), {}, {}, None) for image in job.images]


def run(model: ModelOfTests, use: Callable[[Batcher], Any], **limits: Any) -> Any:
    """What `use` comes to with a batcher of that model."""

    async def within() -> Any:
        async with Batcher(model, Limits(**limits), Meters(), lambda text: None) as batcher:
            return await use(batcher)

    return asyncio.run(within())


def names(outcomes: list[Prediction | Refused]) -> list[str]:
    return [one.predicted if isinstance(one, Prediction) else one.reason for one in outcomes]


def test_what_waits_is_computed_together_and_an_explanation_alone() -> None:
    model = ModelOfTests()

    async def use(batcher: Batcher) -> list[Any]:
        first = asyncio.create_task(batcher.predict([b"0"]))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(batcher.predict([b"%d" % number])) for number in range(1, 4)]
        await asyncio.sleep(0)
        why = asyncio.create_task(batcher.explain(b"why", None))
        await asyncio.sleep(0)
        last = asyncio.create_task(batcher.predict([b"4", b"5"]))
        await asyncio.sleep(0.05)
        assert len(batcher) == 6
        model.go.set()
        return [await one for one in (first, *others, why, last)]

    outcomes = run(model, use)
    assert [names(one) for one in (*outcomes[:4], outcomes[5])] == [["0"], ["1"], ["2"], ["3"], ["4", "5"]]
    assert outcomes[4].target == "why"
    sizes = [len(job.images) if isinstance(job, Predict) else "explain" for job in model.jobs]
    assert sizes == [1, 3, "explain", 2]


def test_batches_are_no_larger_than_allowed() -> None:
    model = ModelOfTests()
    model.go.set()
    outcomes = run(model, lambda batcher: batcher.predict([b"%d" % n for n in range(10)]), batch_size=4)
    assert names(outcomes) == [str(n) for n in range(10)]
    assert max(len(job.images) for job in model.jobs if isinstance(job, Predict)) == 4


def test_an_image_that_kills_is_found_and_the_others_are_answered() -> None:
    model = ModelOfTests()
    model.go.set()
    outcomes = run(model, lambda batcher: batcher.predict([b"a", b"deadly", b"b"]))
    assert names(outcomes) == ["a", "failed", "b"]
    assert model.starts == 2


def test_a_bug_leaves_nobody_waiting() -> None:
    class Broken(ModelOfTests):
        def ask(self, job: Job) -> list[Outcome]:
            self.go.wait(10)
            raise ZeroDivisionError

    model = Broken()

    async def use(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.predict([b"0"]))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(batcher.predict([b"1"]))
        await asyncio.sleep(0)
        model.go.set()
        for one in (first, second):
            with pytest.raises(Refusal):
                await asyncio.wait_for(one, 5)
        assert not batcher.healthy

    run(model, use)


def test_more_than_may_wait_is_refused() -> None:
    model = ModelOfTests()

    async def use(batcher: Batcher) -> None:
        task = asyncio.create_task(batcher.predict([b"0"]))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(batcher.predict([b"1", b"2"]))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 images wait"):
            await batcher.predict([b"3"])
        model.go.set()
        await asyncio.gather(task, waiting)

    run(model, use, waiting_images=2)


def test_what_has_waited_too_long_is_refused_and_not_computed() -> None:
    model = ModelOfTests()

    async def use(batcher: Batcher) -> None:
        task = asyncio.create_task(batcher.predict([b"0"]))
        await asyncio.sleep(0.05)
        late = asyncio.create_task(batcher.predict([b"late"]))
        await asyncio.sleep(0.3)
        model.go.set()
        await task
        with pytest.raises(Busy, match="waited for"):
            await late

    run(model, use, waiting_seconds=0.2)
    assert model.jobs == [Predict((b"0",))]


def test_a_model_that_cannot_be_started_again_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convlens.service.batching._RESTART_SECONDS", 0.2)
    model = ModelOfTests()
    model.go.set()
    model.broken = True

    async def use(batcher: Batcher) -> None:
        with pytest.raises(Exception, match="cannot be started"):
            await batcher.predict([b"deadly"])
        assert not batcher.healthy
        with pytest.raises(Busy, match="started again"):
            await batcher.predict([b"a"])
        model.broken = False
        await asyncio.sleep(0.5)
        assert names(await batcher.predict([b"a"])) == ["a"]

    run(model, use)
