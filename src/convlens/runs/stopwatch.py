"""Where the time of a task goes."""

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Adds up wall-stopwatch seconds by stage, from the moment it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside towards `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def add_earlier(self, stage: str, seconds: float) -> None:
        """Count seconds that passed before the stopwatch was made, in an earlier part of the same run."""
        self.add(stage, seconds)
        self._start -= seconds

    @property
    def total(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._start
