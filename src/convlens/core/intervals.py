"""Intervals of what was counted."""

import math
from statistics import NormalDist


def wilson_interval(correct: float, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927): it stays within 0..1 and is right for few images."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = correct / total
    center = p + z * z / (2 * total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def newcombe_interval(one: tuple[int, int], other: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the difference of two proportions, each given by how many of how many.

    Newcombe's hybrid score interval (Interval estimation for the difference between independent proportions, 1998,
    method 10).
    """
    (p, low, high), (q, least, most) = ((k / n, *wilson_interval(k, n, confidence)) for k, n in (one, other))
    return p - q - math.hypot(p - low, most - q), p - q + math.hypot(high - p, q - least)
