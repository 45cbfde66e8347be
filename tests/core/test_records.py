import math
import re

import pytest
from pydantic import ValidationError

from convlens.core.errors import DataError
from convlens.core.records import Record, now


class Sample(Record):
    name: str
    value: float = 0.0


def test_round_trip_in_ascii():
    sample = Sample(name="grün \N{SLIGHTLY SMILING FACE}", value=math.inf)
    text = sample.to_json()
    assert text.isascii()
    assert Sample.from_json(text, "sample.json") == sample


def test_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Sample(name="x").name = "y"


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"name": "x", "more": 1}', "more"), ('{"name": 3}', "name"), ("{}", "name"), ('{"name"', "the document")],
)
def test_what_is_no_record(text, place):
    with pytest.raises(DataError) as caught:
        Sample.from_json(text, "sample.json")
    assert str(caught.value).startswith("sample.json is not a Sample that this version of convlens can read: ")
    assert f"can read: {place} " in str(caught.value)
    assert str(caught.value).endswith("create it again.")


def test_now():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())
