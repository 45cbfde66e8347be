"""Only what torchrun sets is believed; what a cluster or an old export leaves in the environment is not."""

import pytest

from convlens.core.errors import UsageError
from convlens.core.torchrun import Torchrun, left_behind, started_by_torchrun

WHOLE = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node-0",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


def test_the_whole_set() -> None:
    assert started_by_torchrun(WHOLE) == Torchrun(
        rank=3, count=4, local_rank=1, local_count=2, host="node-0", port=29500, hosted=True
    )


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ({}, ""),
        ({"RANK": "0"}, ""),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}, ""),
        ({"RANK": "1"}, "RANK=1"),
        ({"RANK": ""}, ""),
        ({"WORLD_SIZE": "8"}, "WORLD_SIZE=8"),
        ({"RANK": "2", "WORLD_SIZE": "8", "LOCAL_RANK": "2"}, "RANK=2, WORLD_SIZE=8"),
        ({"RANK": "many", "MASTER_PORT": "1"}, "RANK=many"),
    ],
)
def test_what_is_left_behind_is_not_believed(left: dict[str, str], told: str) -> None:
    assert started_by_torchrun(left) is None
    assert left_behind(left) == told


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_a_part_of_torchruns_set_is_refused(name: str) -> None:
    part = {one: value for one, value in WHOLE.items() if one != name}
    with pytest.raises(UsageError, match=rf"but not {name}\. Start several processes by torchrun .* unset "):
        started_by_torchrun(part)


def test_a_place_to_meet_that_is_not_torchruns_is_refused() -> None:
    """Ignored, each of the four processes would train the same run by itself."""
    by_hand = {name: WHOLE[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
    with pytest.raises(UsageError, match="RANK=3, WORLD_SIZE=4, MASTER_ADDR=node-0, MASTER_PORT=29500, but not LOCAL_"):
        started_by_torchrun(by_hand)


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("RANK", "4", "from 0 to 3"),
        ("RANK", "-1", "from 0 to 3"),
        ("WORLD_SIZE", "x", "of at least 1"),
        ("LOCAL_RANK", "2", "from 0 to 1"),
        ("MASTER_PORT", "70000", "from 1 to 65535"),
    ],
)
def test_values_that_cannot_be(name: str, value: str, accepted: str) -> None:
    with pytest.raises(UsageError, match=f"{name}={value}, which is not a number {accepted}"):
        started_by_torchrun({**WHOLE, name: value})
