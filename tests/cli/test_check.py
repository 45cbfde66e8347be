"""`convlens check`: what it prints, and its exit codes."""

import json

import pytest

from tests.data.drawn import put
from tests.tasks.test_check import photographs


@pytest.fixture
def images(tmp_path):
    root = photographs(tmp_path / "images", count=10)
    put(root / "ants/text.jpg", "a text")
    return root


@pytest.mark.parametrize(("most", "code"), [("5%", 0), ("4 %", 3), ("0.04", 3), ("1", 0)])
def test_exit_code(convlens, images, most, code):
    outcome = convlens("check", images, "--max-bad", most, "--json")
    assert outcome.code == code
    assert json.loads(outcome.out)["reasons"]["not-an-image"] == 1
    assert ("more than --max-bad" in outcome.err) == (code == 3)


def test_what_a_person_reads(convlens, images, tmp_path):
    outcome = convlens("check", images, "--html", tmp_path / "page.html", "--fix-list", tmp_path / "fix.csv")
    assert outcome.code == 0
    assert "20 of 21 files can be used (4.8% cannot)" in outcome.out
    assert "10  ants" in outcome.out
    assert "1  not-an-image, not used\n          ants/text.jpg: begins with" in outcome.out
    assert (tmp_path / "page.html").exists()
    assert "ants/text.jpg,remove,not-an-image" in (tmp_path / "fix.csv").read_text()


def test_a_part_that_is_none(convlens, images):
    outcome = convlens("check", images, "--max-bad", "many")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--max-bad 'many': give a fraction of the files, such as 5% or 0.05" in outcome.err
