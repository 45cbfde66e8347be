"""`convlens collect`: what it prints. What it does is tested in tests/tasks/test_collect.py."""

import functools
import json

import pytest

from convlens.tasks import collect as task
from tests.data.collect.internet import rules
from tests.tasks.test_collect import ANYTHING, PROVIDER, internet


@pytest.fixture
def server(httpserver, monkeypatch):
    """The command line's only provider is the local server."""
    here = {"providers": [PROVIDER], "rules": rules(httpserver.port)}
    monkeypatch.setattr(task, "collect", functools.partial(task.collect, **here))
    httpserver.expect_request(ANYTHING).respond_with_handler(internet.Openverse(6))


def test_what_a_person_reads(convlens, server, tmp_path):
    outcome = convlens("collect", "ants", "--out", tmp_path / "out", "--count", 9)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "     6 of 9  ants",
        "        6 addresses: 6 kept",
        f"Credits  {tmp_path}/out/CREDITS.html",
        f"Look     convlens check {tmp_path}/out",
    ]
    assert "Collecting: 6 images in" in outcome.err


def test_as_json(convlens, server, tmp_path):
    record = json.loads(convlens("collect", "ants", "--out", tmp_path / "out", "--count", 2, "--json").out)
    assert (record["kind"], record["classes"][0]["outcomes"]) == ("convlens.collection", {"kept": 2})


def test_without_a_place(convlens):
    outcome = convlens("collect", "ants")
    assert (outcome.code, outcome.out) == (2, "")
    assert "missing option '--out'" in outcome.err
