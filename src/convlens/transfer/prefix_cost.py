"""What a frozen prefix costs: counted from its graph, and measured on a few images."""

import dataclasses
import itertools
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.data.batches import decoded_batches
from convlens.data.manifest import ImageFile
from convlens.graph.cost import Cost, cost
from convlens.graph.graph import Graph
from convlens.transfer.precision import missing_kernels_named, number_format
from convlens.transfer.prefix import BATCH_SIZE, FastPrefix

_LEAST_SECONDS = 0.25
"""A small network goes over the sample again until then, so that the clock and the system's noise matter little."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """How long a prefix takes for images that are decoded, and how long decoding them takes, by the same sample."""

    images: int
    seconds_per_image: float
    """Of the prefix alone, in batches as they are when features are extracted."""
    decode_seconds_per_image: float

    @property
    def images_per_second(self) -> float:
        """Of the prefix alone."""
        return 1 / self.seconds_per_image

    def extract_seconds(self, images: int) -> float:
        """For so many images, decoding included: both take all cores, so that neither hides behind the other."""
        return images * (self.seconds_per_image + self.decode_seconds_per_image)


def prefix_cost(prefix: Graph) -> Cost:
    """Parameters and multiply-adds of the prefix for one image."""
    return cost(prefix)


def prefix_pace(
    prefix: Graph, images: Sequence[ImageFile], preprocessing: Preprocessing, precision: str
) -> Pace | None:
    """The pace on those of the images that can be decoded; None without any, or for a prefix that computes nothing.

    The store is neither read nor written to. The first batch goes through the prefix once before the clock runs:
    kernels are chosen and memory is taken then.
    """
    if not prefix.operators:
        return None
    start = time.perf_counter()
    batches = [batch.pixels for batch in decoded_batches(images, preprocessing, BATCH_SIZE) if batch.images]
    decoding = time.perf_counter() - start
    if not (count := sum(map(len, batches))):
        return None
    fast = FastPrefix(prefix, number_format(precision))
    with torch.inference_mode(), missing_kernels_named(precision):
        fast.features_of(batches[0], preprocessing)
        passes, seconds = _timed(fast, batches, preprocessing)
    return Pace(images=count, seconds_per_image=seconds / (passes * count), decode_seconds_per_image=decoding / count)


def _timed(fast: FastPrefix, batches: Sequence[Tensor], preprocessing: Preprocessing) -> tuple[int, float]:
    """Passes over the sample, and the seconds of all of them."""
    start = time.perf_counter()
    for passes in itertools.count(1):
        for pixels in batches:
            fast.features_of(pixels, preprocessing)
        if (seconds := time.perf_counter() - start) >= _LEAST_SECONDS:
            return passes, seconds
    raise AssertionError("count() has no end")
