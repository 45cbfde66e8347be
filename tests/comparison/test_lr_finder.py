import pytest

from convlens.comparison.lr_finder import range_test
from convlens.training.recipe import Recipe
from tests.training.points import Points, model


def test_the_rate_grows_until_the_loss_does_and_the_proposed_one_trains() -> None:
    found = range_test(model(), Points(64, 0), Recipe(batch_size=16))
    assert found.rates == sorted(found.rates)
    assert found.rates[0] == pytest.approx(1e-5)
    assert len(found.rates) == len(found.losses)
    assert min(found.losses) < 0.7 * found.losses[0]
    assert 1e-3 < found.proposed <= 1
    again = range_test(model(), Points(64, 0), Recipe(batch_size=16))
    assert again == found
