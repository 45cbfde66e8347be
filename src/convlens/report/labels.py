"""Labels beside the points of a chart, moved apart from each other."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.transforms import Bbox

_FONT_SIZE = 7.0
_DISTANCES = (5.0, 9.0, 14.0, 20.0, 28.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


Segment = tuple[tuple[float, float], tuple[float, float]]
"""A line from one x, y to another, in the data's coordinates."""


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float, str]], color: str, *, avoiding: Sequence[Segment] = ()
) -> None:
    """Write each point's text near it, at the nearest of some places where it covers no other label and no line.

    `points` are x, y and text in the data's coordinates, on axes whose limits are final; `avoiding` are lines that
    are drawn there. Where no place is free the label stands at the farthest one. A thin line leads to a label that
    stands apart.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    lines = [Path(axes.transData.transform(segment)) for segment in avoiding]
    taken: list[Bbox] = []
    for x, y, text in sorted(points, key=lambda point: -point[1]):
        at = axes.transData.transform((x, y))
        width, height = len(text) * _FONT_SIZE * 0.56, _FONT_SIZE * 1.15
        scale = axes.figure.dpi / 72
        for dx, dy in _offsets():
            left = {1: dx, 0: dx - width / 2, -1: dx - width}[_sign(dx)]
            low = {1: dy, 0: dy - height / 2, -1: dy - height}[_sign(dy)]
            box = Bbox.from_bounds(at[0] + left * scale, at[1] + low * scale, width * scale, height * scale)
            crossed = any(line.intersects_bbox(box, filled=False) for line in lines)
            is_inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
            if is_inside and not crossed and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
        axes.annotate(
            text,
            (x, y),
            (dx, dy),
            textcoords="offset points",
            parse_math=False,
            color=color,
            fontsize=_FONT_SIZE,
            ha={1: "left", 0: "center", -1: "right"}[_sign(dx)],
            va={1: "bottom", 0: "center", -1: "top"}[_sign(dy)],
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.4} if max(abs(dx), abs(dy)) > 9 else None,
        )


def _offsets() -> Iterator[tuple[float, float]]:
    return ((d * x, d * y) for d in _DISTANCES for x, y in _DIRECTIONS)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
