"""Sights: which pixels of the input the elements of a value see, whatever the order and the shape of its axes.

Each axis of a value is written in digits. An element sees, along each spatial axis of the input, `size` pixels from
`offset` plus the strides times its digits on. Another shape regroups digits, another order of the axes reorders them,
and what sees an axis whole widens the span by all that its digits pass over.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

from convlens.graph.digits import (
    IRREGULAR,
    Digit,
    Digits,
    common_digits,
    length_of,
    merged_digits,
    repeated,
    stride_of,
    taken_off,
)
from convlens.graph.field import WHOLE_INPUT, Field, Unsupported
from convlens.ops import (
    POINTWISE,
    Inserted,
    Joined,
    NoRule,
    Parted,
    Reshaped,
    Scattered,
    Seen,
    Subscripts,
    Taken,
    WholeInput,
    Window,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sight:
    """What the elements of one value see: the digits of its axes, and along each spatial axis of the input a span."""

    axes: tuple[Digits, ...]
    spans: tuple[tuple[int, int], ...]
    """Size and offset, in pixels, of what the first element sees."""
    reason: str = ""
    """Why digits are irregular."""

    @property
    def moves(self) -> bool:
        """Whether there are elements that see different places."""
        return any(digit.moves for digits in self.axes for digit in digits)

    def over(self, digits: Digits) -> "Sight":
        """The same for all values of these digits at once, which are still there."""
        spans = [*self.spans]
        for digit in digits:
            if digit.axis is not None and digit.axis != IRREGULAR:
                size, offset = spans[digit.axis]
                spans[digit.axis] = (size + (digit.length - 1) * digit.stride, offset)
        return dataclasses.replace(self, spans=tuple(spans))

    def beyond(self, own: Digits, common: Digits) -> "Sight":
        """The same for all values of those of its own digits at once that are not common ones."""
        if len(own) != len(common):
            return self.over(own)
        return self.over(tuple(digit for digit, kept in zip(own, common, strict=True) if digit != kept))

    def irregular(self, axis: int, length: int, reason: str) -> "Sight":
        """The same with `length` places along an axis that see what its digits pass over, by no fixed stride."""
        moving = any(digit.moves for digit in self.axes[axis])
        digit = Digit(length=length, axis=IRREGULAR) if moving else Digit(length=length)
        return self.over(self.axes[axis]).with_axis(axis, (digit,), reason if moving else self.reason)

    def with_axis(self, axis: int, digits: Digits, reason: str | None = None) -> "Sight":
        """The same with other digits for one axis."""
        axes = (*self.axes[:axis], digits, *self.axes[axis + 1 :])
        return dataclasses.replace(self, axes=axes, reason=self.reason if reason is None else reason)

    def field(self) -> tuple[Field, ...] | Unsupported:
        """One Field for each spatial axis of the input."""
        digits = [digit for digits in self.axes for digit in digits]
        if any(digit.axis == IRREGULAR and digit.moves for digit in digits):
            return Unsupported(self.reason)
        fields = []
        for axis, (size, offset) in enumerate(self.spans):
            stride = stride_of([digit for digit in digits if digit.axis == axis])
            if stride is None:
                return Unsupported("neighboring places see the same, such as those of one window of attention")
            fields.append(Field(size=size, stride=stride, offset=offset))
        return tuple(fields)


Outcome = Sight | Literal["whole input"] | Unsupported


def sight_of_input(shape: Sequence[int]) -> Sight:
    """That of the input of shape (N, C, ...): each place sees itself."""
    places = [(Digit(length=length, axis=axis, stride=1),) for axis, length in enumerate(shape[2:])]
    return Sight(
        axes=(*((Digit(length=length),) for length in shape[:2]), *places)[: len(shape)], spans=((1, 0),) * len(places)
    )


def seen(sources: Sequence[Sight | None], window: Seen, shape: Sequence[int] | None) -> Outcome:
    """What an operator's output of that shape sees, None for a list of outputs.

    `sources` are those of its tensor inputs, None for one that does not depend on the input.
    """
    known = [source for source in sources if source is not None]
    match window:
        case WholeInput():
            return WHOLE_INPUT
        case NoRule():
            return Unsupported(window.reason)
        case Subscripts():
            return _subscripted(sources, window, shape)
        case Joined():
            return _joined(known, window, shape or ())
        case Inserted():
            return _inserted(sources, window, shape or ())
        case Window() if window == POINTWISE:
            return _merged(known, shape)
    if sources[0] is None or len(known) > 1:
        return Unsupported("its weights depend on the input")
    return _moved(sources[0], window, shape or ())


def _moved(source: Sight, window: Seen, shape: Sequence[int]) -> Outcome:
    match window:
        case Window():
            return _through(source, window, shape)
        case Reshaped():
            return _reshaped(source, shape)
        case Taken():
            return _taken(source, window)
        case Parted():
            return _parted(source, window)
        case Scattered():
            for axis in window.axes:
                source = source.irregular(axis, shape[axis], window.reason)
            return source
    raise TypeError(f"no such window: {window}")


# Windows


def _through(source: Sight, window: Window, shape: Sequence[int]) -> Sight:
    for axis in window.whole:
        place = axis % len(shape)
        source = source.over(source.axes[place]).with_axis(place, (Digit(length=shape[place]),))
    steps = [*zip(window.kernel, window.stride, window.padding, window.dilation, strict=True)]
    for axis, step in enumerate(steps, start=len(shape) - len(steps)):
        source = _through_axis(source, axis, step, shape[axis])
    return source


def _through_axis(source: Sight, axis: int, step: tuple[int, int, int, int], length: int) -> Sight:
    kernel, stride, padding, dilation = step
    digits = source.axes[axis]
    if (kernel, stride, padding) == (1, 1, 0) and length_of(digits) == length:
        return source
    places = [digit for digit in digits if digit.axis is not None]
    if not places:
        return source.with_axis(axis, (Digit(length=length),))
    (first, *others) = merged_digits(digits) or (places[0],)
    if others or first.axis in (None, IRREGULAR):
        return source.irregular(axis, length, "a window runs over positions that are not a regular grid")
    assert first.axis is not None
    size, offset = source.spans[first.axis]
    field = Field(size=size, stride=first.stride, offset=offset).through(kernel, stride, padding, dilation)
    spans = [*source.spans]
    spans[first.axis] = (field.size, field.offset)
    digit = Digit(length=length, axis=first.axis, stride=field.stride)
    return dataclasses.replace(source, spans=tuple(spans)).with_axis(axis, (digit,))


# Axes in another shape or order


def _subscripted(sources: Sequence[Sight | None], how: Subscripts, shape: Sequence[int] | None) -> Outcome:
    aligned = []
    for number, source in enumerate(sources):
        if source is None:
            continue
        if number >= len(how.inputs):
            return Unsupported("its weights depend on the input")
        axes = dict(zip(how.inputs[number], source.axes, strict=True))
        widened = source
        for label in set(axes) - set(how.output):
            widened = widened.over(axes[label])
        one = dataclasses.replace(widened, axes=tuple(axes.get(label, ()) for label in how.output))
        if source.moves and not one.moves:
            return WHOLE_INPUT
        aligned.append(one)
    return _merged(aligned, shape)


def _reshaped(source: Sight, shape: Sequence[int]) -> Outcome:
    """The same digits in other groups; the whole input where all places become features."""
    if len(shape) == 2 < len(source.axes) and not any(digit.moves for digit in source.axes[0]):
        return WHOLE_INPUT
    if tuple(map(length_of, source.axes)) == tuple(shape):
        return source
    left = [*reversed(merged_digits(itertools.chain(*source.axes)))]
    axes = []
    for length in shape:
        group = taken_off(left, length)
        if group is None:
            return Unsupported("it cuts an axis of places, and not into whole parts")
        axes.append(group)
    return dataclasses.replace(source, axes=tuple(axes))


def _taken(source: Sight, how: Taken) -> Outcome:
    index, spans = how.index, [*source.spans]
    for digit in reversed(source.axes[how.axis]):
        index, step = divmod(index, digit.length)
        if digit.axis == IRREGULAR:
            return Unsupported(source.reason)
        if digit.axis is not None:
            size, offset = spans[digit.axis]
            spans[digit.axis] = (size, offset + step * digit.stride)
    return dataclasses.replace(source, axes=_without(source.axes, how.axis), spans=tuple(spans))


def _parted(source: Sight, how: Parted) -> Outcome:
    if any(digit.moves for digit in source.axes[how.axis]):
        return Unsupported("it cuts an axis of places")
    if how.removed:
        return dataclasses.replace(source, axes=_without(source.axes, how.axis))
    return source.with_axis(how.axis, ())


def _without(axes: tuple[Digits, ...], axis: int) -> tuple[Digits, ...]:
    return (*axes[:axis], *axes[axis + 1 :])


# Several values that meet


def _joined(sources: Sequence[Sight], how: Joined, shape: Sequence[int]) -> Sight:
    if how.new:
        sources = [dataclasses.replace(s, axes=(*s.axes[: how.axis], (), *s.axes[how.axis :])) for s in sources]
    reason = "it joins tensors along an axis of places"
    return _merged([source.irregular(how.axis, shape[how.axis], reason) for source in sources], shape)


def _inserted(sources: Sequence[Sight | None], how: Inserted, shape: Sequence[int]) -> Sight:
    whole, part = sources
    if part is None:
        return _merged([source for source in sources if source is not None], shape)
    if how.removed:
        part = dataclasses.replace(part, axes=(*part.axes[: how.axis], (), *part.axes[how.axis :]))
    if how.step == 1:
        part = _through_axis(part, how.axis, (1, 1, how.start, 1), shape[how.axis])
    else:
        part = part.irregular(how.axis, shape[how.axis], "it writes into every other place of an axis")
    return _merged([part] if whole is None else [whole, part], shape)


def _merged(sources: Sequence[Sight], shape: Sequence[int] | None) -> Sight:
    """The hull of what elements at the same places of several values see, with axes of one place repeated."""
    rank = len(shape) if shape is not None else max(len(source.axes) for source in sources)
    padded = [dataclasses.replace(s, axes=((),) * (rank - len(s.axes)) + s.axes) for s in sources]
    axes: list[Digits] = []
    for axis in range(rank):
        length = shape[axis] if shape is not None else max(length_of(source.axes[axis]) for source in padded)
        rows = [repeated(source.axes[axis], length) for source in padded]
        digits, cut_alike = common_digits(rows, length)
        padded = [source.beyond(row, digits) for source, row in zip(padded, cut_alike, strict=True)]
        axes.append(digits)
    reason = next((source.reason for source in padded if source.reason), "")
    if not reason and any(digit.axis == IRREGULAR for digit in itertools.chain(*axes)):
        reason = "branches of different strides meet"
    return Sight(axes=tuple(axes), spans=_hull([source.spans for source in padded]), reason=reason)


def _hull(spans: Sequence[tuple[tuple[int, int], ...]]) -> tuple[tuple[int, int], ...]:
    """The smallest span that holds all of them, axis by axis."""
    hull = []
    for of_axis in zip(*spans, strict=True):
        start = min(offset for _, offset in of_axis)
        hull.append((max(offset + size for size, offset in of_axis) - start, start))
    return tuple(hull)
