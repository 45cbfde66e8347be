"""What is wrong with a value, in words of ours: what pydantic found, as a person should read it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def fault_of(error: "ErrorDetails", form: str = "") -> str:
    """What a value must be, such as "must be at least 1"; `form` is what stands for it in a help, such as K/N."""
    said = _FAULTS.get(error["type"])
    if said is not None:
        return said(error.get("ctx", {}))
    if error["type"] == "string_pattern_mismatch" and form:
        return f"must have the form {form}"
    return _plain(error)


def _plain(error: "ErrorDetails") -> str:
    """Of a check of ours what it says; else that the value is none of those that are accepted."""
    cause = error.get("ctx", {}).get("error")
    return f"is refused: {cause}" if isinstance(cause, ValueError) else "has a value that is not accepted"


def _always(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _: text


def _bound(words: str, name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda context: f"{words} {context[name]}"


_WHOLE = _always("must be a whole number")
_NUMBER = _always("must be a number")
_SWITCH = _always("must be true or false")
_TEXT = _always("must be text")
_FAULTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": _bound("must be at least", "ge"),
    "greater_than": _bound("must be greater than", "gt"),
    "less_than_equal": _bound("must be at most", "le"),
    "less_than": _bound("must be less than", "lt"),
    "finite_number": _always("must be finite"),
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _always("is too large a number"),
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "string_type": _TEXT,
    "path_type": _always("must be a path"),
    "literal_error": lambda context: f"must be one of {context['expected']}".replace("'", "").replace(" or ", ", "),
    "extra_forbidden": _always("is not known here"),
    "missing": _always("is missing"),
    "json_invalid": lambda context: f"is not JSON ({context['error']})",
    "model_type": _always("must be a table of fields"),
    "dict_type": _always("must be a table of fields"),
    "list_type": _always("must be a list"),
}
"""Kinds of pydantic's errors -> what the value must be, from what the error says of it."""
