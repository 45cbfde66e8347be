"""Decoded batches: pictures read, checked and decoded by several threads, ahead of whoever uses them."""

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
from convlens.data.decode import BadPicture, Decoded, decode
from convlens.data.image_metadata import ImageMetadata
from convlens.data.manifest import Picture

_AHEAD = 4
"""Batches that are decoded or being decoded at one time; bounds the memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelBatch:
    """Some pictures that could be decoded, as 8-bit `pixels` of shape (N, size, size, 3), and what was found out.

    `facts` are by the hash of the bytes; `failures` are files that could not be read at this moment, `problems` all
    files of the batch that gave no picture.
    """

    pictures: tuple[Picture, ...]
    pixels: Tensor
    facts: dict[str, ImageMetadata]
    failures: tuple[Problem, ...]
    problems: tuple[Problem, ...]


def decoded_batches(
    pictures: Sequence[Picture], preprocessing: Preprocessing, batch_size: int
) -> Generator[PixelBatch]:
    """Batches of 8-bit RGB pixels in the order of `pictures`; undecodable ones are left out, with the fact why.

    Close it to stop early: its threads end then.
    """
    groups = (pictures[start : start + batch_size] for start in range(0, len(pictures), batch_size))
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    try:
        waiting = collections.deque(_submit(pool, group, preprocessing) for group in islice(groups, _AHEAD))
        while waiting:
            yield _batch(waiting.popleft(), preprocessing.size)
            waiting.extend(_submit(pool, group, preprocessing) for group in islice(groups, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def normalised(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Network input of shape (N, 3, H, W), float32, channels last in memory, from 8-bit pixels (N, H, W, 3)."""
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(preprocessing.std, device=pixels.device).view(3, 1, 1)
    return pixels.permute(0, 3, 1, 2).float().mul_(1 / (255 * std)).sub_(mean / std)


def centred(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Network input of shape (N, 3, size, size): what `decode` crops, from 8-bit pixels (N, H, W, 3) with margins.

    Raises ValueError where they were decoded by something else than `preprocessing.with_margin()`.
    """
    size, margin = preprocessing.size, preprocessing.margin
    if any(side != size + 2 * margin for side in pixels.shape[1:3]):
        raise ValueError(f"pixels of {tuple(pixels.shape[1:3])} have no margin of {margin} around {size}")
    return normalised(pixels[:, margin : margin + size, margin : margin + size], preprocessing)


_Submitted = list[tuple[Picture, "Future[Decoded | BadPicture]"]]


def _submit(pool: ThreadPoolExecutor, group: Sequence[Picture], preprocessing: Preprocessing) -> _Submitted:
    return [(picture, pool.submit(read_and_decode, picture.path, preprocessing, picture.sha256)) for picture in group]


def read_and_decode(path: Path, preprocessing: Preprocessing, sha256: str | None = None) -> Decoded | BadPicture:
    """The decoded picture, or why there is none; "changed" when the bytes are not those that were scanned."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return BadPicture(reason="unreadable", detail=error.strerror or str(error), lasting=False)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        return BadPicture(reason="changed", detail="the file changed after it was found", lasting=False)
    try:
        return decode(
            data,
            resize=preprocessing.resize,
            size=preprocessing.size,
            interpolation=preprocessing.interpolation,
        )
    except BadPicture as bad:
        return bad


def _batch(submitted: _Submitted, size: int) -> PixelBatch:
    done = [(picture, future.result()) for picture, future in submitted]
    good = [(picture, outcome) for picture, outcome in done if isinstance(outcome, Decoded)]
    pixels = torch.empty((len(good), size, size, 3), dtype=torch.uint8)
    for row, (_, decoded) in enumerate(good):
        pixels[row] = torch.from_numpy(decoded.pixels)
    bad = [(picture, outcome) for picture, outcome in done if isinstance(outcome, BadPicture)]
    facts = {
        picture.sha256: _facts(outcome) for picture, outcome in done if isinstance(outcome, Decoded) or outcome.lasting
    }
    return PixelBatch(
        pictures=tuple(picture for picture, _ in good),
        pixels=pixels,
        facts=facts,
        failures=tuple(_problem(picture, outcome) for picture, outcome in bad if not outcome.lasting),
        problems=tuple(_problem(picture, outcome) for picture, outcome in bad),
    )


def _problem(picture: Picture, outcome: BadPicture) -> Problem:
    return Problem(file=picture.file, reason=outcome.reason, detail=outcome.detail, used=False)


def _facts(outcome: Decoded | BadPicture) -> ImageMetadata:
    if isinstance(outcome, BadPicture):
        return ImageMetadata(usable=False, reason=outcome.reason, detail=outcome.detail)
    reason, detail = outcome.remark or ("", "")
    return ImageMetadata(
        usable=True, reason=reason, detail=detail, thumbnail=outcome.thumbnail, signature=outcome.signature
    )
