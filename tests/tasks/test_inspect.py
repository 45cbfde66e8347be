import pytest

from convlens.core.errors import UsageError
from convlens.tasks.inspect import inspect


def test_totals_and_modules_of_a_network() -> None:
    record = inspect("resnet18", depth=1)
    assert record.parameters == 11_689_512
    assert record.multiply_adds == 1_814_073_344
    assert record.receptive_field == 435
    assert record.unsupported == []
    lines = {line.module: line for line in record.modules}
    assert list(lines)[:4] == ["conv1", "bn1", "relu", "maxpool"]
    assert lines["layer1"].receptive_field == 43
    assert lines["layer4"].output_shape == ["batch", 512, 7, 7]
    assert lines["fc"].receptive_field == "whole input"
    assert sum(line.parameters for line in record.modules) == record.parameters
    assert sum(line.multiply_adds for line in record.modules) == record.multiply_adds
    assert {line.state for line in record.modules} == {"trained", ""}


def test_a_freeze_plan_shows_its_cut() -> None:
    record = inspect("resnet18", freeze="layer3", depth=1)
    states = {line.module: line.state for line in record.modules}
    assert (states["layer3"], states["layer4"], states["fc"]) == ("frozen", "trained", "trained")
    assert [line.module for line in record.modules if line.crosses] == ["layer3"]


def test_depth_folds_and_unfolds() -> None:
    assert [line.module for line in inspect("house", depth=2).modules if line.module.startswith("layer4")] == [
        "layer4.0",
        "layer4.1",
    ]
    assert "layer4.0.se.fc1" in {line.module for line in inspect("house", depth=9).modules}


def test_the_size_changes_costs_but_not_parameters() -> None:
    small, large = inspect("house", size=32), inspect("house", size=128)
    assert small.parameters == large.parameters
    assert 15 < large.multiply_adds / small.multiply_adds < 17


def test_a_network_over_time_has_one_axis() -> None:
    record = inspect("causal_stack", size=50)
    assert record.input_shape == ["batch", 256, 50]
    assert record.modules[-1].output_shape == ["batch", 256, 50]
    assert record.receptive_field == 1024


def test_a_size_below_the_least_is_refused() -> None:
    assert inspect("densenet121", size=29).input_shape == ["batch", 3, 29, 29]
    with pytest.raises(UsageError, match="size=28: the input of densenet121 needs a side of at least 29"):
        inspect("densenet121", size=28)
    with pytest.raises(UsageError, match="size=0: the input of resnet18 needs a side of at least 1"):
        inspect("resnet18", size=0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown network 'resnet19': did you mean resnet18"):
        inspect("resnet19")
    with pytest.raises(UsageError, match="unknown freeze plan or module 'layer9'"):
        inspect("resnet18", freeze="layer9")
