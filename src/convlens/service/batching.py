"""Dynamic batching: whatever waits when the model is free is computed together, and nothing waits for company.

Alone, an image is computed at once; under load, batches grow by themselves, because more images have come while the
ones before were computed.
"""

import asyncio
import collections
import contextlib
import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from convlens.core.errors import ConvlensError
from convlens.core.progress import Say
from convlens.service.limits import Busy, Limits, Refusal
from convlens.service.messages import Explain, HeatMap, Job, Outcome, Predict, Prediction, Refused
from convlens.service.metrics import Meters
from convlens.service.process import WorkerDied, WorkerProcess

_MOST_TRIES = 2
"""Of an image with which the model's process died."""
_RESTART_SECONDS = 5.0
"""Between two tries to start it where the first one failed."""


@dataclasses.dataclass(eq=False)
class _Waiting:
    """An image that waits for the model."""

    question: bytes | Explain
    answer: asyncio.Future[Outcome]
    since: float = dataclasses.field(default_factory=time.monotonic)
    tries: int = 0


class Batcher:
    """The images that wait for the model, and the task that hands them to it."""

    def __init__(self, worker: WorkerProcess, limits: Limits, meters: Meters, say: Say) -> None:
        self._worker, self._limits, self._meters, self._say = worker, limits, meters, say
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None
        self.healthy = True
        """Whether the model's process is there, or was when it was last needed."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End without the answers that still wait."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._thread.shutdown()

    def __len__(self) -> int:
        return len(self._waiting)

    async def predict(self, images: list[bytes]) -> list[Prediction | Refused]:
        """What the model says of each image. Raises Busy where too many wait already."""
        outcomes = await asyncio.gather(*self._put(*images))
        assert not any(isinstance(outcome, HeatMap) for outcome in outcomes)
        return outcomes  # type: ignore[return-value]

    async def explain(self, image: bytes, target: str | None) -> HeatMap | Refused:
        """Why the model says what it says. Raises as `predict`."""
        (outcome,) = await asyncio.gather(*self._put(Explain(image, target)))
        assert not isinstance(outcome, Prediction)
        return outcome

    def _put(self, *questions: bytes | Explain) -> list[asyncio.Future[Outcome]]:
        if not self.healthy:
            raise Busy("The model is being started again.")
        if len(self._waiting) + len(questions) > self._limits.waiting_images:
            raise Busy(f"{len(self._waiting)} images wait for the model already.")
        loop = asyncio.get_running_loop()
        new = [_Waiting(question, loop.create_future()) for question in questions]
        self._waiting.extend(new)
        self._arrived.set()
        return [one.answer for one in new]

    async def _run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while batch := self._next():
                    await self._compute(batch)
        except Exception as error:  # a bug: nobody may wait for answers that will never come
            self.healthy = False
            self._say(f"internal error in the batches, {type(error).__name__}: {error}; start the service again")
            self._refuse_all()

    def _next(self) -> list[_Waiting]:
        """What is computed next: images up to an explanation, or an explanation, or one that was tried before."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._limits.batch_size:
            one = self._waiting[0]
            if self._has_waited_too_long(one):
                self._waiting.popleft()
                continue
            alone = one.tries > 0 or isinstance(one.question, Explain)
            if alone and batch:
                break
            batch.append(self._waiting.popleft())
            if alone:
                break
        return batch

    def _has_waited_too_long(self, one: _Waiting) -> bool:
        if time.monotonic() - one.since <= self._limits.waiting_seconds or one.tries:
            return False
        if not one.answer.done():
            one.answer.set_exception(Busy(f"The image waited for {self._limits.waiting_seconds:g} seconds."))
        return True

    async def _compute(self, batch: list[_Waiting]) -> None:
        start = time.monotonic()
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._worker.ask, _job(batch))
        except WorkerDied as died:
            await self._try_again(batch, died)
            return
        except Exception:
            self._waiting.extendleft(reversed(batch))  # for `_run` to refuse with the others
            raise
        self._meters.computed(batch=len(batch), seconds=time.monotonic() - start)
        for one, outcome in zip(batch, outcomes, strict=True):
            self._meters.waited(start - one.since)
            _answer(one, outcome)

    async def _try_again(self, batch: list[_Waiting], died: WorkerDied) -> None:
        """Start the process again; the images of the batch come first, each alone, so that one that kills is found."""
        self._meters.restarts.inc()
        self._say(f"the model's process is started again: {died}")
        for one in reversed(batch):
            one.tries += 1
            if one.tries < _MOST_TRIES:
                self._waiting.appendleft(one)
            else:
                _answer(one, Refused("failed", "the model's process ended twice while it worked on this image"))
        await self._restart()

    async def _restart(self) -> None:
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._worker.start)
            except ConvlensError as error:
                self._say(f"the model's process cannot be started: {error}")
                self.healthy = False
                self._refuse_all()
                await asyncio.sleep(_RESTART_SECONDS)
            else:
                self.healthy = True
                return

    def _refuse_all(self) -> None:
        while self._waiting:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_exception(Refusal(503, "unavailable", "The model cannot be started."))


def _job(batch: list[_Waiting]) -> Job:
    first = batch[0].question
    if isinstance(first, Explain):
        return first
    return Predict(tuple(one.question for one in batch if isinstance(one.question, bytes)))


def _answer(one: _Waiting, outcome: Outcome) -> None:
    if not one.answer.done():  # whoever asked may be gone
        one.answer.set_result(outcome)
