"""What `convlens inspect` prints."""

import pytest

from convlens.cli.inspect import print_inspection
from convlens.core.inspection import Inspection


def test_a_reason_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    record = Inspection(
        name="net",
        input_shape=["batch", 3, 8, 8],
        freeze=None,
        modules=[],
        parameters=0,
        multiply_adds=0,
        backward_multiply_adds=0,
        activation_bytes=0,
        parameter_bytes=0,
        receptive_field=None,
        unsupported=["aten.permute.default: axes", "aten.sort.default: unknown", "aten.permute.default: axes"],
    )
    print_inspection(record)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not computed")]
    assert told == [
        "not computed: aten.permute.default: axes (2 places)",
        "not computed: aten.sort.default: unknown",
    ]
