"""Growing images: small ones in the first epochs, which cost less; whole ones in the last.

Tan & Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021, arXiv:2104.00298, section 4; here the strength
of regularization stays as it is.
"""

import dataclasses
from collections.abc import Callable

from convlens.training.examples import Examples
from convlens.training.recipe import Recipe

_STAGES = 5
_MULTIPLE = 8


def growing_sides(recipe: Recipe, least: int) -> tuple[int, ...]:
    """The side of the training images in each epoch, in pixels, for a network that needs at least `least`.

    The epochs fall into five equal stages. The side grows in equal steps from `recipe.progressive_resizing` of the
    whole in the first stage to the whole in the fifth; below the whole it is rounded down to a multiple of 8. The last
    epoch has whole images, however few epochs there are.
    """
    return tuple(_side(recipe, epoch, least) for epoch in range(recipe.epochs))


def _side(recipe: Recipe, epoch: int, least: int) -> int:
    stage = epoch * _STAGES // recipe.epochs
    if recipe.progressive_resizing == 1 or stage == _STAGES - 1 or epoch == recipe.epochs - 1:
        return recipe.size
    part = recipe.progressive_resizing + (1 - recipe.progressive_resizing) * stage / (_STAGES - 1)
    return max(int(part * recipe.size) // _MULTIPLE * _MULTIPLE, _MULTIPLE, least)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgressiveResizing:
    """How the training images of one run grow."""

    sides: tuple[int, ...]
    """In pixels, one for each epoch; the last is the whole."""
    examples: Callable[[int], Examples]
    """The training examples, with images of a given side."""

    def worth(self, epoch: int, images: int) -> int:
        """How many whole images cost what so many cost in that epoch (counted from 0): the ratio of areas decides."""
        return round(images * (self.sides[epoch] / self.sides[-1]) ** 2)
