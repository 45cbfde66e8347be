"""The base of every record that reaches a disk or comes from outside."""

import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from convlens.core.errors import DataError
from convlens.core.validation import fault_of


class Record(BaseModel):
    """A frozen record; unknown fields are refused when one is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def to_json(self) -> str:
        """The record as indented JSON, ASCII only, so that any file name survives."""
        return self.model_dump_json(indent=2, ensure_ascii=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> Self:
        """The record that `text` holds; `source` is the file's name for the DataError raised when it does not."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise DataError(
                f"{source} is not a {cls.__name__} that this version of convlens can read: {place} "
                f"{fault_of(first)}. It may come from another version, or be damaged; create it again."
            ) from error


def former_names(**renamed: str) -> Any:
    """For the body of a record: its fields may also have the names that they had in files of before, old=new."""

    def with_present_names(cls: type[Record], value: Any) -> Any:
        if not (isinstance(value, dict) and renamed.keys() & value.keys()):
            return value
        return {renamed.get(name, name): content for name, content in value.items()}

    return model_validator(mode="before")(classmethod(with_present_names))  # type: ignore[arg-type]


def now() -> str:
    """The present moment, UTC, ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
