"""How fast each layer learns, as a part of the learning rate: pretrained ones more slowly than a new head."""

from convlens.transfer.networks import CutNetwork


def rate_factors(cut: CutNetwork, *, unfrozen: float, per_block: float = 0.0) -> dict[str, float]:
    """For every trained parameter, by its name: 1 in the head, `unfrozen` elsewhere.

    With `per_block` > 0 it is that factor once for every block on the way from the head, instead: 0.5 gives the last
    block a half, the one before it a quarter (Howard & Ruder, arXiv:1801.06146, section 3.2).
    """
    return {
        name: (per_block**depth if per_block else unfrozen if depth else 1.0) for name, depth in cut.depths().items()
    }
