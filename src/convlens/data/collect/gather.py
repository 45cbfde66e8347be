"""Gather: candidates become images of one class, by a pool of downloads, until there are enough."""

import contextlib
import dataclasses
import hashlib
import io
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from PIL import Image

from convlens.core.collection import Attribution, ClassCollected
from convlens.core.files import TEMPORARY_PREFIX, disk_errors_named
from convlens.core.progress import Advance, Progress
from convlens.core.records import now
from convlens.data.collect.ledger import Ledger, file_name
from convlens.data.collect.network import Network, RejectedError
from convlens.data.collect.provider import Candidate, Pace
from convlens.data.container import format_of
from convlens.data.decode import BadImage, Opened, opened
from convlens.data.perceptual_hash import signature

_AT_ONCE = 8
_MOST_PENDING = 4 * _AT_ONCE
_LEAST_SIDE_DECODED = 128
_BLANK_DEVIATION = 2.0
_PLACEHOLDERS = ("photo_unavailable", "image_not_found", "imagenotfound", "image-not-found", "no_image", "placeholder")
"""Words in the address of an image that says that there is none, as redirects end at it."""
_EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
_JPEG_QUALITY = 92


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A class: its name, what to ask the providers for, how many images there should be."""

    name: str
    query: str
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gathering:
    """What gathering needs besides the candidates."""

    folder: Path
    ledger: Ledger
    network: Network
    paces: dict[str, Pace]
    """Of downloads, by provider."""
    licences: frozenset[str]
    max_side: int | None
    progress: Progress


def gather(wanted: Wanted, candidates: Iterator[Candidate], to: Gathering) -> ClassCollected:
    """What became of the candidates that were looked at, until the class had `wanted.count` images.

    No more are asked for than may still be needed. When it is stopped, connections are broken and what is half there
    is removed.
    """
    (to.folder / wanted.name).mkdir(parents=True, exist_ok=True)
    present = to.ledger.counts[wanted.name]
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="collect")
    try:
        with to.progress("collect", max(0, wanted.count - present)) as advance:
            outcomes = _outcomes(wanted, candidates, to, pool, advance)
    except BaseException:
        to.network.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return ClassCollected(
        name=wanted.name,
        query=wanted.query,
        wanted=wanted.count,
        present=to.ledger.counts[wanted.name],
        addresses=outcomes.total(),
        outcomes=dict(outcomes.most_common()),
    )


def _outcomes(
    wanted: Wanted, candidates: Iterator[Candidate], to: Gathering, pool: ThreadPoolExecutor, advance: Advance
) -> Counter[str]:
    """How many candidates ended how. As many are under way as may still be needed."""
    outcomes: Counter[str] = Counter()
    missing = wanted.count - to.ledger.counts[wanted.name]
    pending: set[Future[str]] = set()
    asked: set[tuple[str, str]] = set()
    while True:
        while len(pending) < min(missing, _MOST_PENDING) and (candidate := next(candidates, None)) is not None:
            # Pages shift while they are read, so that one id may come twice before the ledger has it.
            if to.ledger.knows(candidate) or (candidate.provider, candidate.id) in asked:
                outcomes["seen-before"] += 1
            elif candidate.licence not in to.licences:
                outcomes["licence"] += 1
            else:
                asked.add((candidate.provider, candidate.id))
                pending.add(pool.submit(_outcome, wanted.name, candidate, to))
        if not pending:
            return outcomes
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            reason = future.result()
            outcomes[reason] += 1
            missing -= reason == "kept"
            advance(int(reason == "kept"))


def _outcome(label: str, candidate: Candidate, to: Gathering) -> str:
    """What became of one candidate, in one word; it is remembered where it would be the same another day."""
    temporary = to.folder / label / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        with disk_errors_named(temporary):
            reason = _kept(label, candidate, temporary, to)
    except RejectedError as rejected:
        if not rejected.lasting:
            return rejected.reason
        reason = rejected.reason
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    if reason != "kept":
        to.ledger.drop(candidate, reason)
    return reason


def _kept(label: str, candidate: Candidate, temporary: Path, to: Gathering) -> str:
    to.paces[candidate.provider].wait()
    address = to.network.save(candidate.url, temporary)
    if any(word in address.lower() for word in _PLACEHOLDERS):
        raise RejectedError("placeholder", f"came from {address}")
    data = temporary.read_bytes()
    image = _decoded(data, max(to.max_side or 0, _LEAST_SIDE_DECODED))
    resized = to.max_side is not None and max(image.size) > to.max_side
    if resized:
        image, data = _resized(image, to.max_side or 0)
        temporary.write_bytes(data)
    found = format_of(data) or "JPEG"
    attribution = Attribution(
        file=f"{label}/{file_name(candidate, _EXTENSIONS.get(found, f'.{found.lower()}'))}",
        label=label,
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.size[0],
        height=image.size[1],
        bytes=len(data),
        resized=resized,
        fetched=now(),
        **candidate.model_dump(),
    )
    return to.ledger.keep(attribution, temporary, signature(image.rgb))


def _decoded(data: bytes, at_least: int) -> Opened:
    """The whole image. Raises RejectedError for what is none, or shows nothing."""
    try:
        image = opened(data, at_least)
    except BadImage as bad:
        raise RejectedError(bad.reason, bad.detail) from bad
    low, high = image.rgb.convert("L").getextrema()
    if float(high) - float(low) < _BLANK_DEVIATION:  # type: ignore[arg-type]
        raise RejectedError("placeholder", "an image of one color")
    return image


def _resized(image: Opened, max_side: int) -> tuple[Opened, bytes]:
    """The image, upright, with a longer side of `max_side`, and its bytes as JPEG."""
    scale = max_side / max(image.rgb.size)
    size = max(1, round(image.rgb.width * scale)), max(1, round(image.rgb.height * scale))
    small = image.rgb.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image.rgb
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    return Opened(small, small, small.size), file.getvalue()
