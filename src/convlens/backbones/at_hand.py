"""The networks whose trained weights are on this machine, so that they cost no download."""

from convlens.zoo import card, names, weight_cards
from convlens.zoo.counts import counts
from convlens.zoo.fetch import is_here


def at_hand() -> list[str]:
    """Names of those that classify color images, by their multiply-adds, the cheapest first."""
    return sorted(filter(_is_at_hand, names()), key=lambda name: counts(name).multiply_adds)


def _is_at_hand(name: str) -> bool:
    known = card(name)
    if known.output != "scores" or known.input_shape[0] != 3:
        return False
    first = next(iter(weight_cards(name).values()), None)
    return known.package_weights or (first is not None and is_here(first))
