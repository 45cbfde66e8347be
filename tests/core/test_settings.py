from pathlib import Path

import pytest

from convlens.core.errors import UsageError
from convlens.core.settings import Notice, as_flags, as_keywords, setting


@pytest.mark.parametrize(
    ("marked", "keywords", "flags"),
    [
        (setting("freeze"), "freeze", "--freeze"),
        (setting("freeze", "layer9"), "freeze='layer9'", "--freeze layer9"),
        (setting("batch_size", 8), "batch_size=8", "--batch-size 8"),
        (setting("weight_decay", 1e-4), "weight_decay=0.0001", "--weight-decay 0.0001"),
        (setting("learning_rate", float("nan")), "learning_rate=nan", "--learning-rate nan"),
        (setting("mixup", -float("inf")), "mixup=-inf", "--mixup -inf"),
        (setting("batch_norm", True), "batch_norm=True", "--batch-norm"),
        (setting("augment", False), "augment=False", "--no-augment"),
        (setting("labels", Path("my table.csv")), "labels='my table.csv'", "--labels 'my table.csv'"),
        (setting("group_by", "it's"), 'group_by="it\'s"', """--group-by 'it'"'"'s'"""),
        ("plain --text stays", "plain --text stays", "plain --text stays"),
    ],
)
def test_a_setting_is_shown_as_a_keyword_or_as_a_flag(marked, keywords, flags):
    assert as_keywords(f"see {marked}.") == f"see {keywords}."
    assert as_flags(f"see {marked}.") == f"see {flags}."


def test_an_error_is_read_in_python_and_shown_by_the_command_line():
    error = UsageError(f"{setting('size', 7)} is too small.")
    assert str(error) == "size=7 is too small."
    assert as_flags(error.marked) == "--size 7 is too small."
    assert as_flags(error.within("recipe 'adam'").marked) == "recipe 'adam': --size 7 is too small."


def test_a_notice_is_read_in_python_and_shown_by_the_command_line():
    notice = Notice(f"set {setting('task')}")
    assert notice == "set task"
    assert as_flags(notice) == "set --task"
