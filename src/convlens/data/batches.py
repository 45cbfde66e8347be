"""Decoded batches: images read, checked and decoded by several threads, ahead of whoever uses them."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from convlens.core.preprocessing import Preprocessing
from convlens.core.run import Problem
from convlens.data.decode import BadImage, Decoded, decode
from convlens.data.image_metadata import ImageMetadata
from convlens.data.manifest import ImageFile

_AHEAD = 4
"""Batches that are decoded or being decoded at one time; bounds the memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelBatch:
    """Some images that could be decoded, as 8-bit `pixels` of shape (N, size, size, 3), and what was found out.

    `facts` are by the hash of the bytes; `failures` are files that could not be read at this moment, `problems` all
    files of the batch that gave no image.
    """

    images: tuple[ImageFile, ...]
    pixels: Tensor
    facts: dict[str, ImageMetadata]
    failures: tuple[Problem, ...]
    problems: tuple[Problem, ...]


def decoded_batches(
    images: Sequence[ImageFile], preprocessing: Preprocessing, batch_size: int
) -> Generator[PixelBatch]:
    """Batches of 8-bit RGB pixels in the order of `images`; undecodable ones are left out, with the fact why.

    Close it to stop early: its threads end then.
    """
    groups = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    try:
        waiting = collections.deque(_submit(pool, group, preprocessing) for group in islice(groups, _AHEAD))
        while waiting:
            yield _batch(waiting.popleft(), preprocessing.size)
            waiting.extend(_submit(pool, group, preprocessing) for group in islice(groups, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def normalized(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Network input of shape (N, 3, H, W), float32, channels last in memory, from 8-bit pixels (N, H, W, 3)."""
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(preprocessing.std, device=pixels.device).view(3, 1, 1)
    return pixels.permute(0, 3, 1, 2).float().mul_(1 / (255 * std)).sub_(mean / std)


def centered(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Network input of shape (N, 3, size, size): what `decode` crops, from 8-bit pixels (N, H, W, 3) with margins.

    Raises ValueError where they were decoded by something else than `preprocessing.with_margin()`.
    """
    size, margin = preprocessing.size, preprocessing.margin
    if any(side != size + 2 * margin for side in pixels.shape[1:3]):
        raise ValueError(f"pixels of {tuple(pixels.shape[1:3])} have no margin of {margin} around {size}")
    return normalized(pixels[:, margin : margin + size, margin : margin + size], preprocessing)


_Submitted = list[tuple[ImageFile, "Future[Decoded | BadImage]"]]


def _submit(pool: ThreadPoolExecutor, group: Sequence[ImageFile], preprocessing: Preprocessing) -> _Submitted:
    return [(image, pool.submit(read_and_decode, image.path, preprocessing, image.sha256)) for image in group]


def read_and_decode(path: Path, preprocessing: Preprocessing, sha256: str | None = None) -> Decoded | BadImage:
    """The decoded image, or why there is none; "changed" when the bytes are not those that were scanned."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return BadImage(reason="unreadable", detail=error.strerror or str(error), lasting=False)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        return BadImage(reason="changed", detail="the file changed after it was found", lasting=False)
    try:
        return decode(
            data,
            resize=preprocessing.resize,
            size=preprocessing.size,
            interpolation=preprocessing.interpolation,
            squash=preprocessing.squash,
            bars=preprocessing.bars,
        )
    except BadImage as bad:
        return bad


def _batch(submitted: _Submitted, size: int) -> PixelBatch:
    done = [(image, future.result()) for image, future in submitted]
    good = [(image, outcome) for image, outcome in done if isinstance(outcome, Decoded)]
    pixels = torch.empty((len(good), size, size, 3), dtype=torch.uint8)
    for row, (_, decoded) in enumerate(good):
        pixels[row] = torch.from_numpy(decoded.pixels)
    bad = [(image, outcome) for image, outcome in done if isinstance(outcome, BadImage)]
    facts = {
        image.sha256: _facts(outcome) for image, outcome in done if isinstance(outcome, Decoded) or outcome.lasting
    }
    return PixelBatch(
        images=tuple(image for image, _ in good),
        pixels=pixels,
        facts=facts,
        failures=tuple(_problem(image, outcome) for image, outcome in bad if not outcome.lasting),
        problems=tuple(_problem(image, outcome) for image, outcome in bad),
    )


def _problem(image: ImageFile, outcome: BadImage) -> Problem:
    return Problem(file=image.file, reason=outcome.reason, detail=outcome.detail, used=False)


def _facts(outcome: Decoded | BadImage) -> ImageMetadata:
    if isinstance(outcome, BadImage):
        return ImageMetadata(usable=False, reason=outcome.reason, detail=outcome.detail)
    reason, detail = outcome.remark or ("", "")
    return ImageMetadata(
        usable=True, reason=reason, detail=detail, thumbnail=outcome.thumbnail, signature=outcome.signature
    )
