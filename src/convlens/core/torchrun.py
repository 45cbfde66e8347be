"""What `torchrun` tells a process that it starts, read from the environment; and what others left there.

Schedulers (Slurm, MPI) and old exports leave RANK or WORLD_SIZE behind. Only torchrun's whole set is believed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from convlens.core.errors import UsageError

_RUN_ID = "TORCHELASTIC_RUN_ID"
_BY_HAND = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_ALL = (*_BY_HAND, "LOCAL_RANK", "LOCAL_WORLD_SIZE", _RUN_ID)
_ALONE = {"RANK": "0", "WORLD_SIZE": "1"}


@dataclass(frozen=True, kw_only=True)
class Torchrun:
    """Which of how many processes this one is, on its machine and of all, and where they meet."""

    rank: int
    count: int
    local_rank: int
    local_count: int
    host: str
    port: int
    hosted: bool
    """Whether torchrun's own process hosts the store at `host` and `port`; else the first process does."""


def started_by_torchrun(environment: Mapping[str, str] = os.environ) -> Torchrun | None:
    """What torchrun said; None where it did not start this process.

    Raises UsageError where the variables are torchrun's but not whole, or name a place to meet without being
    torchrun's: training alone there would train the same thing many times over.
    """
    given = {name: environment[name] for name in _ALL if environment.get(name)}
    if len(given) == len(_ALL):
        return _read(given, hosted=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True")
    meant = _RUN_ID in given or (all(name in given for name in _BY_HAND) and given["WORLD_SIZE"] != "1")
    if meant:
        missing = ", ".join(name for name in _ALL if name not in given)
        raise UsageError(
            f"the environment has {_told(given)}, but not {missing}. Start several processes by torchrun (torchrun "
            f"--nproc-per-node 2 -m convlens train DIR), or for one: unset {' '.join(given)}."
        )
    return None


def is_first_process() -> bool:
    """Whether this process is the one that shows what a training gave. Raises what `started_by_torchrun` raises."""
    started = started_by_torchrun()
    return started is None or started.rank == 0


def left_behind(environment: Mapping[str, str] = os.environ) -> str:
    """The variables of several processes that are there without being torchrun's, such as "RANK=3"; "" for none."""
    given = {name: environment[name] for name in _ALONE if environment.get(name)}
    return _told({name: value for name, value in given.items() if value != _ALONE[name]})


def _told(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items())


def _read(given: Mapping[str, str], *, hosted: bool) -> Torchrun:
    count, local_count = _number(given, "WORLD_SIZE", 1), _number(given, "LOCAL_WORLD_SIZE", 1)
    return Torchrun(
        rank=_number(given, "RANK", 0, count - 1),
        count=count,
        local_rank=_number(given, "LOCAL_RANK", 0, local_count - 1),
        local_count=local_count,
        host=given["MASTER_ADDR"],
        port=_number(given, "MASTER_PORT", 1, 2**16 - 1),
        hosted=hosted,
    )


def _number(given: Mapping[str, str], name: str, least: int, most: int | None = None) -> int:
    text = given[name]
    if text.isascii() and text.isdecimal() and least <= (number := int(text)) and (most is None or number <= most):
        return number
    accepted = f"from {least} to {most}" if most is not None else f"of at least {least}"
    raise UsageError(
        f"the environment has {name}={text}, which is not a number {accepted}. Let torchrun set it, or: unset {name}."
    )
