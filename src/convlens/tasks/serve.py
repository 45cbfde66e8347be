"""Serve: a model as an HTTP service."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from convlens.core.errors import UsageError, unknown_name
from convlens.core.progress import Say, unsaid
from convlens.core.served import Serving
from convlens.core.settings import setting
from convlens.service.limits import Limits
from convlens.service.messages import Runtime, Setup
from convlens.service.server import serve_model

_TOKEN = "CONVLENS_TOKEN"


def serve(
    model: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    batch_size: int = 16,
    queue: int = 256,
    weights: str | Path | None = None,
    trust: bool = False,
    runtime: str = "auto",
    reject: float | None = None,
    training_images: bool | None = None,
    started: Callable[[Serving], None] = lambda serving: None,
    say: Say = unsaid,
) -> None:
    """Serve a run folder, a network by name or an exported file over HTTP, until a signal asks to stop.

    `POST /predict` takes the bytes of an image file and answers JSON; `GET /openapi.json` describes all routes. Images
    that wait when the model is free are computed together, at most `batch_size` of them; of more than `queue` waiting
    ones, requests are answered with 503. Where the environment variable CONVLENS_TOKEN is set, requests must bring it.
    `weights` are others than a network's usual ones, `trust` opens a file that can run code. `runtime` is what computes
    a run or a network by name: "onnxruntime", several times as fast on a processor, "torch", or "auto": the first one
    where it is installed. Images are rejected, as none of the classes, at the rate `reject` of false alarms (see
    `predict`). Answers name the most similar training images, with thumbnails, where `training_images` is true: by
    default on addresses of this machine alone. `started` is called with the address when the first request may come.

    Raises UsageError for an address that cannot be used and numbers below 1, and what `predict` and `verify` raise.
    """
    for name, number in (("batch_size", batch_size), ("queue", queue)):
        if number < 1:
            raise UsageError(f"{setting(name, number)}: give a whole number from 1.")
    token = os.environ.get(_TOKEN)
    if token is not None and not token.strip():
        raise UsageError(f"the environment variable {_TOKEN} is set and empty. Give it a value, or unset it.")
    serve_model(
        Setup(
            named=str(model),
            weights=None if weights is None else str(weights),
            trust=trust,
            runtime=_known_runtime(runtime),
            reject=reject,
            shows_training_images=training_images,
        ),
        Limits(batch_size=batch_size, waiting_images=queue, images_in_request=min(64, queue)),
        host=host,
        port=port,
        token=token and token.strip(),
        started=started,
        say=say,
    )


def _known_runtime(name: str) -> Runtime:
    for known in get_args(Runtime):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise unknown_name("runtime", name, get_args(Runtime))
