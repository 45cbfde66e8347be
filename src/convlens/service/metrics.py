"""What a service counts and measures, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Meters:
    """The counts and times of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "convlens_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self._batches = Histogram(
            "convlens_batch_images", "Images computed together.", buckets=_IMAGES, registry=self._registry
        )
        self._compute = Histogram(
            "convlens_compute_seconds", "Decoding and computing one batch.", buckets=_SECONDS, registry=self._registry
        )
        self._wait = Histogram(
            "convlens_waiting_seconds", "An image's wait for the model.", buckets=_SECONDS, registry=self._registry
        )
        self.restarts = Counter(
            "convlens_worker_restarts", "Times that the model's process was started again.", registry=self._registry
        )

    def watch(self, *, waiting: Callable[[], int], held: Callable[[], int], connections: Callable[[], int]) -> None:
        """Ask these when the numbers are read: images that wait, bytes that requests hold, open connections."""
        for name, text, ask in (
            ("convlens_waiting_images", "Images that wait for the model.", waiting),
            ("convlens_held_bytes", "Bytes of requests that are read or wait.", held),
            ("convlens_connections", "Open connections.", connections),
        ):
            Gauge(name, text, registry=self._registry).set_function(ask)

    def answered(self, route: str, status: int) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()

    def computed(self, *, batch: int, seconds: float) -> None:
        """Count a batch."""
        self._batches.observe(batch)
        self._compute.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Count an image's wait."""
        self._wait.observe(seconds)

    def text(self) -> bytes:
        """The numbers in Prometheus's text format."""
        return generate_latest(self._registry)
