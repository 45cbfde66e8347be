"""Run the frozen prefix once per image: decoding overlaps with the forward pass, results go to the store."""

import dataclasses
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from convlens.core.cache import FeatureNote
from convlens.core.errors import MachineError
from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import Progress
from convlens.core.run import Problem
from convlens.data.batches import PixelBatch, decoded_batches, normalized
from convlens.data.image_metadata import ImageMetadata, ImageMetadataStore, is_outdated
from convlens.data.manifest import ImageFile, Manifest
from convlens.graph.fold import fold_batch_norm
from convlens.graph.fuse import fuse_relu
from convlens.graph.graph import Graph
from convlens.graph.identity import prefix_digest
from convlens.graph.run import run
from convlens.transfer.device import device_of
from convlens.transfer.features import FeatureTable, feature_key
from convlens.transfer.precision import missing_kernels_named, number_format, state_in

BATCH_SIZE = 32
_FLUSH_BYTES = 64 * 2**20
_FLUSH_SECONDS = 5.0
_PIXELS_KEY = "pixels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractedFeatures:
    """What the pass gave: the table with every usable image's features, what was done for it, and what is wrong."""

    table: FeatureTable
    facts: ImageMetadataStore
    problems: tuple[Problem, ...]
    computed: int
    decoded: int
    decode_seconds: float
    """Time for which the forward pass had to wait for decoded images."""
    augmented_copies: tuple[FeatureTable, ...] = ()
    """Features of augmented views of the training images."""


def extract_features(
    prefix: Graph,
    manifest: Manifest,
    preprocessing: Preprocessing,
    precision: str,
    root: Path,
    progress: Progress,
    *,
    note: FeatureNote | None = None,
) -> ExtractedFeatures:
    """Features of every image of the manifest, computed for those that the store at `root` does not have yet.

    A prefix that computes nothing (all layers are trained) stores the pixels themselves, 8 bits each, with the margin
    of `preprocessing`, so that augmentation has something to crop from. What a killed run has finished is kept. The
    store keeps the `note` beside features, not beside pixels, which serve all networks.
    """
    identity = not prefix.operators
    decoding = preprocessing.with_margin() if identity else preprocessing
    dtype = torch.uint8 if identity else number_format(precision)
    key = feature_key(decoding, _PIXELS_KEY if identity else prefix_digest(prefix), dtype)
    table = FeatureTable(root, key, None if identity else note)
    facts = ImageMetadataStore(root)
    missing = [image for image in manifest.images if _is_missing(image, table, facts)]
    _refuse_full_disk(_stored_values(prefix, decoding), missing, dtype, root)
    batches = _Timed(decoded_batches(missing, decoding, BATCH_SIZE))
    writer = _Writer(table, facts)
    fast = FastPrefix(prefix, dtype) if missing and not identity else None
    failures: list[Problem] = []
    computed = 0
    stage = "decode" if identity else "prefix"
    with torch.inference_mode(), missing_kernels_named(precision), progress(stage, len(missing)) as advance:
        for batch in batches:
            if batch.images:
                writer.add(batch, fast.features_of(batch.pixels, preprocessing) if fast else (batch.pixels,))
            else:
                writer.add(batch, ())
            computed += len(batch.images)
            failures += batch.failures
            advance(len(batch.facts) + len(batch.failures))
        writer.flush()
    return ExtractedFeatures(
        table=table,
        facts=facts,
        problems=(*failures, *_problems(manifest.images, facts)),
        computed=computed,
        decoded=len(missing),
        decode_seconds=batches.seconds,
    )


class FastPrefix:
    """The prefix as it runs fastest in a number format, to the same values but for rounding, where its tensors are."""

    def __init__(self, prefix: Graph, dtype: torch.dtype) -> None:
        self._device, self._dtype = device_of(prefix), dtype
        folded = fold_batch_norm(prefix)
        self._graph = fuse_relu(folded) if dtype is torch.float32 and self._device.type == "cpu" else folded
        self._state = state_in(self._graph, dtype)

    def features_of(self, pixels: Tensor, preprocessing: Preprocessing) -> tuple[Tensor, ...]:
        """The crossing tensors of 8-bit pixels of shape (N, size, size, 3), on the processor."""
        return self(normalized(pixels.to(self._device), preprocessing))

    def __call__(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The crossing tensors of network input (N, 3, size, size), on the processor."""
        return tuple(one.cpu() for one in run(self._graph, inputs.to(self._device, self._dtype), state=self._state))


def _is_missing(image: ImageFile, table: FeatureTable, facts: ImageMetadataStore) -> bool:
    if image.sha256 not in facts or is_outdated(facts[image.sha256]):
        return True
    return facts[image.sha256].usable and image.sha256 not in table


def _problems(images: Sequence[ImageFile], facts: ImageMetadataStore) -> Iterator[Problem]:
    for image in images:
        if image.sha256 in facts and (fact := facts[image.sha256]).reason:
            yield Problem(file=image.file, reason=fact.reason, detail=fact.detail, used=fact.usable)


def _stored_values(prefix: Graph, decoding: Preprocessing) -> int:
    """How many numbers are kept of each image: its pixels where the prefix is empty, else what crosses the cut."""
    if not prefix.operators:
        return 3 * decoding.size**2
    shapes = [prefix.by_name[name].shape or () for name in prefix.outputs]
    return sum(torch.Size([n for n in shape[1:] if isinstance(n, int)]).numel() for shape in shapes)


def _refuse_full_disk(values: int, missing: list[ImageFile], dtype: torch.dtype, root: Path) -> None:
    """Refuse before the work begins what would not fit on the disk after it."""
    root.mkdir(parents=True, exist_ok=True)
    needed = len(missing) * values * dtype.itemsize
    free = shutil.disk_usage(root).free
    if needed > 0.95 * free:
        raise MachineError(
            f"no space left: the features of {len(missing)} images need {needed / 2**30:.1f} GiB, the disk that holds "
            f"{root} has {free / 2**30:.1f} GiB free. Free some space, set CONVLENS_CACHE to another disk, or freeze "
            "more of the network (features after more layers are smaller)."
        )


class _Writer:
    """Collects rows and writes a shard when there are many, or when the last one was a while ago."""

    def __init__(self, table: FeatureTable, facts: ImageMetadataStore) -> None:
        self._table = table
        self._store = facts
        self._clear()

    def _clear(self) -> None:
        self._images: list[str] = []
        self._columns: list[tuple[Tensor, ...]] = []
        self._facts: dict[str, ImageMetadata] = {}
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, batch: PixelBatch, columns: tuple[Tensor, ...]) -> None:
        """Take a batch; its rows may reach the disk now or with a later one."""
        self._images += [image.sha256 for image in batch.images]
        if columns:
            self._columns.append(columns)
        self._facts |= batch.facts
        self._bytes += sum(column.nbytes for column in columns)
        if self._bytes >= _FLUSH_BYTES or time.monotonic() - self._since >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected: features first, so that known facts never lack them."""
        if self._images:
            self._table.add(self._images, [torch.cat(parts) for parts in zip(*self._columns, strict=True)])
        self._store.add(self._facts)
        self._clear()


class _Timed:
    """An iterator that adds up the time spent waiting for its items."""

    def __init__(self, items: Iterator[PixelBatch]) -> None:
        self._items = items
        self.seconds = 0.0

    def __iter__(self) -> Iterator[PixelBatch]:
        while True:
            start = time.perf_counter()
            item = next(self._items, None)
            self.seconds += time.perf_counter() - start
            if item is None:
                return
            yield item
