"""The study of gradients by layer: its factors are those of theory, its gradients those of autograd."""

import numpy as np
import pytest
import torch

from convlens.studies.bench import Bench
from convlens.studies.gradients import Gradients, _initialize, _stack
from convlens.studies.study import run_study

CASE = {"activation": "relu", "initialization": "He", "normalization": "none", "seed": 3}


@pytest.fixture(scope="module")
def study():
    return Gradients(seeds=3, layers=12, width=128, batch=64)


def test_gradients_are_those_of_autograd(study, tmp_path):
    found = study.measure(CASE, Bench(folder=tmp_path))
    module, _ = _stack("relu", "none", 12, 128)
    generator = torch.Generator().manual_seed(3)
    linears = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
    for layer in linears:
        _initialize(layer.weight, "He", generator)
    inputs, upstream = (torch.randn(64, 128, generator=generator, dtype=torch.float64) for _ in range(2))
    outputs = []
    handles = [layer.register_forward_hook(lambda *of: outputs.append(of[2])) for layer in linears]
    scores = module(inputs)
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(scores, outputs, upstream)
    sizes = [float(gradient.square().mean().sqrt()) for gradient in gradients]
    np.testing.assert_allclose(found["gradients"], sizes, rtol=1e-10)


def test_theory_is_met(study, tmp_path):
    record, _ = run_study(study, tmp_path)
    verdicts = [finding.verdict for finding in record.conclusion.findings]
    assert verdicts[0] == verdicts[2] == "agrees"
    factors = {tuple(row[:3]): float(row[3]) for row in record.conclusion.tables[0].rows}
    assert factors["relu", "He", "none"] == pytest.approx(1, abs=0.05)
    assert factors["relu", "Glorot", "none"] == pytest.approx(0.5**0.5, abs=0.05)
    assert factors["sigmoid", "Glorot", "none"] < 0.26
    assert [chart.name for chart in record.conclusion.charts] == ["sigmoid", "tanh", "relu"]
