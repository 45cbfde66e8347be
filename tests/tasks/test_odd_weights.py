"""Every odd file of weights is trained from, or refused with a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tools.odd_input import OddInput
from tools.odd_weights import ODD_WEIGHTS

from tests.conftest import Outcome

REFUSED = {
    "first_layer_for_four_channels",
    "first_layer_for_gray_images_refused_as_asked",
    "nan_in_statistics",
    "infinity_in_weights",
    "of_another_network",
    "a_whole_module",
    "cut_off",
    "torchscript",
    "of_keras_for_a_network_without_a_rule",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("one", ODD_WEIGHTS, ids=lambda one: one.name)
def test_it_is_met_or_refused_with_a_sentence(one: OddInput, tmp_path: Path, convlens: Callable[..., Outcome]) -> None:
    outcome = convlens(*one.build(tmp_path))
    assert "internal error" not in outcome.err
    refused = one.name in REFUSED or one.name.startswith("file_")
    assert (outcome.code != 0) == refused, outcome.err
    assert "weights_only" not in outcome.err
    if refused:
        assert outcome.err.splitlines()[-1].startswith("convlens: ")
