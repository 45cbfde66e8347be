"""Fields: what the places of a value see of the input, once that can be determined."""

import dataclasses
from typing import Literal

WHOLE_INPUT: Literal["whole input"] = "whole input"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """What one place sees along one axis, in pixels of the input; with stride 0 every place the same."""

    size: int
    stride: int
    offset: int

    def through(self, kernel: int, stride: int, padding: int, dilation: int) -> "Field":
        """The field of a window over places that have this field."""
        return Field(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            offset=self.offset - padding * self.stride,
        )


@dataclasses.dataclass(frozen=True)
class Unsupported:
    """No receptive field can be determined here, and why."""

    reason: str
