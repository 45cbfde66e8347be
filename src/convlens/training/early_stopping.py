"""Early stopping: when training ends because the validation loss falls no more (Prechelt, 1998)."""

from collections.abc import Sequence

from convlens.core.run import EpochMetrics


def best_epoch(history: Sequence[EpochMetrics]) -> int:
    """The first epoch with the lowest validation loss; 0 where there is none."""
    return min(history, key=lambda metrics: metrics.val_loss).epoch if history else 0


def stalled(history: Sequence[EpochMetrics], patience: int) -> bool:
    """Whether the validation loss has not fallen for `patience` epochs; never with a patience of 0."""
    return bool(patience) and len(history) - best_epoch(history) >= patience
