"""The routes of a service, as an ASGI application."""

import asyncio
import base64
import binascii
import contextlib
import dataclasses
import hmac
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from convlens.core.progress import Say
from convlens.core.records import Record
from convlens.core.served import ServedAnswer, ServedBatch, ServedExplanation, ServedModel, ServedRefusal, ServedSimilar
from convlens.report.serve_page import serve_page, serve_page_policy
from convlens.service.batching import Batcher
from convlens.service.body import Reader
from convlens.service.limits import ByteBudget, Limits, Refusal
from convlens.service.messages import Prediction, Refused
from convlens.service.metrics import Meters
from convlens.service.openapi import description
from convlens.service.process import WorkerProcess

Handler = Callable[[Request], Awaitable[Response]]

_STATUS_OF_REASON = {"too-large": 413, "not-an-image": 415, "unsupported": 415, "unknown-target": 404, "failed": 500}
"""Of an image without an answer; all others are 422."""
_CLOSING = (408, 413, 503)
"""Statuses after which the rest of a request would only be thrown away."""
_RETRY_SECONDS = "1"
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The policy of answers that are no page."""
_POLICY = "content-security-policy"
_PORT = re.compile(r":\d*$")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class _ImagesAsTexts(BaseModel):
    images: list[str]


class Service:
    """One model as a service: its routes and what they share."""

    def __init__(
        self,
        model: ServedModel,
        worker: WorkerProcess,
        limits: Limits,
        *,
        token: str | None,
        any_host: bool,
        names: Collection[str],
        say: Say,
    ) -> None:
        """`token` is what requests must bring; `any_host` lets them name any host, as on addresses beyond loopback.

        Otherwise they name this machine, or one of `names`.
        """
        self.model, self.limits, self.meters = model, limits, Meters()
        self._hosts = {*_LOOPBACK_HOSTS, *(name.lower() for name in names)}
        self._worker, self._token, self._any_host, self._say = worker, token, any_host, say
        self.budget = ByteBudget(limits.held_bytes)
        self._reader = Reader(limits)
        self._batcher: Batcher | None = None
        self.active = 0
        """Requests that are being answered."""
        self.ended_at_once = False
        """Whether requests that were taken may have no answer."""
        self.stopping = False
        """Whether no more requests are wanted: connections then end with their answers."""

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            self._route("/", self._page, open_to_all=True),
            self._route("/health", self._health, open_to_all=True),
            self._route("/model", self._model),
            self._route("/metrics", self._metrics),
            self._route("/openapi.json", self._openapi),
            self._route("/predict", self._predict, method="POST"),
            self._route("/predict-batch", self._predict_batch, method="POST"),
            self._route("/explain", self._explain, method="POST"),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: _no_such_route})

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with Batcher(self._worker, self.limits, self.meters, self._say) as self._batcher:
            yield

    def _route(self, path: str, handler: Handler, *, method: str = "GET", open_to_all: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            self.active += 1
            try:
                response = await self._answered(request, handler, open_to_all)
            finally:
                self.active -= 1
            self.meters.answered(path, response.status_code)
            response.headers.update(_HEADERS)
            response.headers.setdefault(_POLICY, _NOTHING)
            if self.stopping:
                response.headers["connection"] = "close"
            return response

        return Route(path, endpoint, methods=[method])

    async def _answered(self, request: Request, handler: Handler, open_to_all: bool) -> Response:
        try:
            self._refuse_foreign_host(request)
            if not open_to_all:
                self._refuse_without_token(request)
            return await handler(request)
        except Refusal as refusal:
            return _refused(refusal.status, str(refusal), refusal.reason)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as error:
            self._say(f"internal error in {request.url.path}: {type(error).__name__}: {error}")
            return _refused(500, "The service failed; its log says why.", "failed")

    def _refuse_foreign_host(self, request: Request) -> None:
        """Refuse what a web page sends here under a name that it had pointed at this machine."""
        host = _PORT.sub("", request.headers.get("host", ""))
        if not self._any_host and host.lower() not in self._hosts:
            raise Refusal(421, "host", f"This service answers as {' or '.join(_LOOPBACK_HOSTS)} only.")

    def _refuse_without_token(self, request: Request) -> None:
        if self._token is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token.encode()):
            raise Refusal(401, "token", "Send the service's token: Authorization: Bearer TOKEN.")

    def end_at_once(self) -> None:
        """End the model's process, so that nothing is waited for; what it works on is lost."""
        self.ended_at_once = True
        self._worker.kill()

    def waiting(self) -> int:
        """How many images wait for the model."""
        return len(self._asked)

    @property
    def _asked(self) -> Batcher:
        assert self._batcher is not None, "the server begins with the lifespan"
        return self._batcher

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(serve_page(), headers={_POLICY: serve_page_policy()})

    async def _health(self, _: Request) -> Response:
        state = "stopping" if self.stopping else "ready" if self._asked.healthy else "unavailable"
        return JSONResponse({"status": state}, 200 if state == "ready" else 503)

    async def _model(self, _: Request) -> Response:
        return _record(self.model)

    async def _metrics(self, _: Request) -> Response:
        return Response(self.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(description(self.model, self.limits, with_token=self._token is not None))

    async def _predict(self, request: Request) -> Response:
        _refuse_form(request)
        most = _most_answers(request)
        with self.budget.account() as account:
            image = await self._reader.read(request, account, self.limits.image_bytes)
            start = time.perf_counter()
            (outcome,) = await self._asked.predict([image])
        if isinstance(outcome, Refused):
            return _refused_image(outcome)
        return _record(_answer(outcome, start, most))

    async def _predict_batch(self, request: Request) -> Response:
        most = _most_answers(request)
        with self.budget.account() as account:
            body = await self._reader.read(request, account, self.limits.request_bytes)
            images = await asyncio.to_thread(_images_of, body, self.limits)  # which takes long for 64 MB
            start = time.perf_counter()
            outcomes = await self._asked.predict(images)
        return _record(
            ServedBatch(
                answers=[
                    ServedRefusal(error=one.detail, reason=one.reason)
                    if isinstance(one, Refused)
                    else _answer(one, start, most)
                    for one in outcomes
                ]
            )
        )

    async def _explain(self, request: Request) -> Response:
        _refuse_form(request)
        with self.budget.account() as account:
            image = await self._reader.read(request, account, self.limits.image_bytes)
            start = time.perf_counter()
            outcome = await self._asked.explain(image, request.query_params.get("target"))
        if isinstance(outcome, Refused):
            return _refused_image(outcome)
        return _record(
            ServedExplanation(
                target=outcome.target,
                image=outcome.image,
                heat_map=outcome.heat_map,
                milliseconds=_milliseconds_since(start),
            )
        )


def _refuse_form(request: Request) -> None:
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        advice = "Send the bytes of the image file alone, with no form around them."
        raise Refusal(415, "form", f"The body is a form ({kind.partition(';')[0]}). {advice}")


def _most_answers(request: Request) -> int | None:
    """How many classes are wanted; None for all."""
    text = request.query_params.get("top")
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= len(text) <= 6 or int(text) < 1:
        raise Refusal(400, "top", "top: give a whole number from 1, or leave it out for all classes.")
    return int(text)


def _images_of(body: bytes, limits: Limits) -> list[bytes]:
    """The files in a request for several."""
    form = 'Send {"images": ["...", ...]}, each the bytes of a file as base64.'
    try:
        texts = _ImagesAsTexts.model_validate_json(body).images  # skips whatever else is there
        images = [base64.b64decode(text, validate=True) for text in texts]
    except (ValueError, binascii.Error) as error:
        raise Refusal(400, "form", form) from error
    if not 1 <= len(images) <= limits.images_in_request:
        raise Refusal(413, "too-many", f"{len(images)} images; send from 1 to {limits.images_in_request} at a time.")
    if any(len(image) > limits.image_bytes for image in images):
        raise Refusal(413, "too-large", f"An image has over {limits.image_bytes / 1e6:g} MB.")
    return images


def _answer(outcome: Prediction, start: float, most: int | None) -> ServedAnswer:
    judged = outcome.judged
    return ServedAnswer(
        predicted=outcome.predicted,
        probabilities=dict(list(outcome.probabilities.items())[:most]),
        numbers=outcome.numbers,
        p_value=judged.p_value if judged else None,
        rejected=judged.rejected if judged else None,
        possible=list(judged.possible) if judged else [],
        nearest=[ServedSimilar(**dataclasses.asdict(one)) for one in judged.nearest] if judged else [],
        remark=outcome.remark,
        milliseconds=_milliseconds_since(start),
    )


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1e3, 2)


def _record(record: Record) -> Response:
    return Response(record.model_dump_json(), media_type="application/json")


def _refused_image(outcome: Refused) -> Response:
    return _refused(_STATUS_OF_REASON.get(outcome.reason, 422), outcome.detail, outcome.reason)


def _refused(status: int, text: str, reason: str) -> Response:
    headers = {"connection": "close"} if status in _CLOSING else {}
    if status == 503:
        headers["retry-after"] = _RETRY_SECONDS
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = ServedRefusal(error=text, reason=reason).model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = "GET /, /health, /model, /metrics, /openapi.json; POST /predict, /predict-batch, /explain"
    return _refused(status, f"There is no such route for {request.method}. There are: {known}.", "route")
