"""Every odd module is captured with right gradients, or refused with a sentence."""

import warnings

import pytest
from tools.odd_modules import ODD_MODULES, OddModule, tried

REFUSED = {
    "write_into_a_chunk": "modified inplace",
    "detached_copy_is_changed": "changes memory that clone shares",
    "branch_on_a_value": "a branch or a size depends on the values of a tensor",
    "batch_size_written_down": "it runs for one batch size only",
    "fake_quantization": "torch has no rule for the shape of what aten.fake_quantize",
    "scripted": "it is TorchScript",
    "not_initialized_yet": "have no shape before the first forward pass",
    "in_double_precision": "should be the same",
}
LISTED = {
    "write_into_a_view": "without a receptive field: slice_1, mul_",
    "window_mask_of_swin": "without a receptive field: roll, masked_fill",
    "backward_of_its_own": "gradients: cannot differentiate: the autograd.Function _Doubled",
    "places_of_nonzero_values": "not counted: aten.nonzero.default",
    "distinct_values": "not counted: aten.round.default; aten._unique2.default",
    "values_behind_a_mask": "not counted: aten.index.Tensor of a size that depends on values",
    "value_as_a_number": "without a receptive field: mul",
    "gru": "gradients: cannot differentiate: the operator aten.gru.input",
    "lstm": "gradients: cannot differentiate: the operator aten.lstm.input",
    "dot_product_of_vectors": "not counted: aten.vdot.default",
    "einsum_of_three": "not counted: aten.einsum has no rule for 'nchw,nchv,ncwv->nc' with 3 operands",
    "spectrum": "gradients: cannot differentiate: aten.fft_rfft2.default",
    "noise": "gradients: cannot differentiate: the operator aten.randn_like.default",
    "weights_by_parametrization": "not counted: aten._weight_norm.default",
}
"""What is said of those of which not everything can be found; of all others everything is."""


def test_every_expectation_is_of_a_module() -> None:
    assert {*REFUSED, *LISTED} <= {one.name for one in ODD_MODULES}


@pytest.mark.parametrize("one", ODD_MODULES, ids=lambda one: one.name)
def test_it_is_captured_or_refused_with_a_sentence(one: OddModule) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)  # of torch's own, for torch.compile
        warnings.filterwarnings("ignore", "The tensor attributes .* were assigned during export")  # recurrent networks
        met, said = tried(one)
    assert met == (one.name not in REFUSED), said
    assert {**REFUSED, **LISTED}.get(one.name, "gradients as autograd's") in said
    if one.name not in REFUSED and one.name not in LISTED:
        assert "not counted" not in said
        assert "without a receptive field" not in said
