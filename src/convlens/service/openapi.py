"""The description of a service for programs, as OpenAPI 3.1."""

from typing import Any

from convlens.core.records import Record
from convlens.core.served import ServedAnswer, ServedBatch, ServedExplanation, ServedModel, ServedRefusal
from convlens.service.limits import Limits

_RECORDS = (ServedModel, ServedAnswer, ServedBatch, ServedExplanation, ServedRefusal)
_JSON = "application/json"
_REFERENCE = "#/components/schemas/{model}"
_REFUSALS = {
    "400": "the request has no body, or another form",
    "401": "the token is missing or wrong",
    "408": "the body came too slowly",
    "413": "too many bytes, pixels or images",
    "415": "the bytes are no image of a known format",
    "422": "the image is damaged or too small",
    "503": "too much waits; send it again after the seconds of Retry-After",
}


def description(model: ServedModel, limits: Limits, *, with_token: bool) -> dict[str, Any]:
    """The document that `GET /openapi.json` answers."""
    image = {"image/*": {"schema": {"type": "string", "format": "binary", "maxLength": limits.image_bytes}}}
    images = {
        "type": "object",
        "required": ["images"],
        "properties": {
            "images": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.images_in_request,
                "items": {"type": "string", "contentEncoding": "base64"},
            }
        },
    }
    top = _parameter("top", "How many classes, the likeliest first; all without it.", {"type": "integer", "minimum": 1})
    target = _parameter("target", "The class, label or number to explain.", {"type": "string"})
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"{model.network}, {model.task}", "version": "1"},
        "paths": {
            "/predict": {"post": _asking("Predict one image.", image, ServedAnswer, [top])},
            "/predict-batch": {
                "post": _asking("Predict several images.", {_JSON: {"schema": images}}, ServedBatch, [top])
            },
            "/explain": {
                "post": _asking("Where in the image the evidence is.", image, ServedExplanation, [target]),
            },
            "/model": {"get": {"summary": "The model.", "responses": {"200": _answer(ServedModel)}}},
            "/health": {"get": {"summary": "200 where images are answered, else 503.", "responses": _states()}},
            "/metrics": {"get": {"summary": "Counts and times, for Prometheus.", "responses": {"200": _text()}}},
        },
        "components": {"schemas": _schemas()},
    }
    if with_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _asking(summary: str, content: dict[str, Any], answer: type[Record], parameters: list[Any]) -> dict[str, Any]:
    refusals = {status: {"description": text, "content": _content(ServedRefusal)} for status, text in _REFUSALS.items()}
    return {
        "summary": summary,
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _answer(answer), **refusals},
    }


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _answer(record: type[Record]) -> dict[str, Any]:
    return {"description": "the answer", "content": _content(record)}


def _content(record: type[Record]) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": _REFERENCE.format(model=record.__name__)}}}


def _states() -> dict[str, Any]:
    return {"200": {"description": "ready"}, "503": {"description": "stopping, or the model cannot be started"}}


def _text() -> dict[str, Any]:
    return {"description": "the numbers", "content": {"text/plain": {"schema": {"type": "string"}}}}


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for record in _RECORDS:
        schema = record.model_json_schema(mode="serialization", ref_template=_REFERENCE)
        schemas |= schema.pop("$defs", {})
        schemas[record.__name__] = schema
    return schemas
