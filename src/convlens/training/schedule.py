"""The learning rate over time."""

import math

from convlens.training.recipe import Recipe

_STEPS = (0.5, 0.75)


def learning_rate(recipe: Recipe, done: float) -> float:
    """The learning rate when the part `done` (0 to 1) of all steps has been made.

    It rises in a line from 0 during `recipe.warm_up` epochs (Goyal et al., arXiv:1706.02677), then follows the
    schedule: constant; a tenth of it at half of what is left, and a tenth of that at three quarters (He et al.,
    arXiv:1512.03385, section 4.2); or half a cosine down to 0 (Loshchilov & Hutter, arXiv:1608.03983, no restarts).
    """
    warm_up = min(1.0, recipe.warm_up / recipe.epochs)
    if done < warm_up:
        return recipe.learning_rate * done / warm_up
    if recipe.schedule == "constant":
        return recipe.learning_rate
    passed = (done - warm_up) / (1 - warm_up) if warm_up < 1 else 1.0
    if recipe.schedule == "step":
        return recipe.learning_rate * 0.1 ** sum(passed >= border for border in _STEPS)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * passed))
