import json
import re
import shlex

import pytest

from convlens.cli.time import seconds_of
from convlens.core.errors import UsageError
from tests.images import draw_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("compared") / "images")


def test_the_table_and_the_sentences(convlens, images, tmp_path):
    words = (
        "--backbone",
        "house",
        "--size",
        32,
        "--epochs",
        1,
        "--seeds",
        1,
        "--tricks",
        "adam,dropout",
        "--set",
        "batch_size=8",
    )
    outcome = convlens("compare", images, *words, "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["base", "adam", "dropout", "together"]
    assert any(line.startswith("adam: no difference shown") for line in lines)
    again = convlens("compare", images, *words, "--json", "--quiet", "--out", tmp_path / "d")
    record = json.loads(again.out)
    assert record["kind"] == "convlens.comparison"
    assert record["rows"][0]["recipe"]["batch_size"] == 8
    assert "--set batch_size=8" in record["command"]


def test_backbones_have_a_table_of_their_own(convlens, images, tmp_path):
    words = ["--backbone", "house", "--size", 32, "--epochs", 1, "--seeds", 1, "--backbones", "resnet20=random"]
    outcome = convlens("compare", images, *words, "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("Backbones, by cost"))
    assert [line.split()[0] for line in lines[head + 1 : head + 3]] == ["house", "resnet20"]
    assert all(len(line) == len(lines[head]) <= 100 for line in lines[head : head + 3])
    assert "images a second through the frozen layers" in outcome.err


def test_classes_and_groups_are_told_as_in_train(convlens, images, tmp_path):
    files = sorted(path.relative_to(images) for path in images.rglob("*.*"))
    rows = [f"{file},{file.parts[-2]},video{number % 6}" for number, file in enumerate(files)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,video", *rows]))
    words = ["--backbone", "house", "--size", 32, "--epochs", 1, "--seeds", 1, "--tricks", "", "--json", "--quiet"]
    division = ["--labels", tmp_path / "labels.csv", "--group-by", "video", "--val-fraction", 0.4]
    outcome = convlens("compare", images, *words, *division, "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    recipe = record["rows"][0]["recipe"]
    assert (recipe["group_by"], recipe["labels"]) == ("video", str(tmp_path / "labels.csv"))
    assert record["num_train"] + record["num_val"] == len(files)
    command = shlex.split(record["command"])
    assert command[command.index("--group-by") + 1] == "video"
    assert "--nested" not in command
    again = convlens(*command[1:], "--json", "--quiet", "--out", tmp_path / "d")
    assert json.loads(again.out)["rows"][0]["accuracy"] == record["rows"][0]["accuracy"]


def test_nested_folders_are_classes(convlens, images, tmp_path):
    words = [
        "--backbone",
        "house",
        "--size",
        32,
        "--epochs",
        1,
        "--seeds",
        1,
        "--tricks",
        "",
        "--json",
        "--quiet",
        "--nested",
    ]
    record = json.loads(convlens("compare", images, *words, "--out", tmp_path / "c").out)
    assert record["rows"][0]["recipe"]["nested"]
    assert "--nested --" in record["command"] or record["command"].endswith("--nested")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--tricks", "adm"], ["unknown trick 'adm'", "did you mean adam"]),
        (["--budget", "soon"], ["--budget 'soon'", "90s"]),
        (["--fractions", "half"], ["--fractions: 'half' is not a number"]),
        (["--group-by", "video[0-9]+"], ["--group-by 'video[0-9]+' finds no group"]),
        (["--labels", "none.csv"], ["cannot read --labels", "none.csv"]),
        (["--set", "smell"], ["--set smell", "NAME=VALUE"]),
        (["--freeze", "layr3"], ["did you mean layer3"]),
        (["--recipe", "none.toml"], ["cannot read the recipe none.toml"]),
    ],
)
def test_wrong_use(convlens, images, tmp_path, options, parts):
    outcome = convlens(
        "compare", images, "--backbone", "house", "--size", 32, "--epochs", 1, "--out", tmp_path / "c", *options
    )
    assert outcome.code == 2
    assert outcome.out == ""
    for part in parts:
        assert part in outcome.err.splitlines()[-1]


def test_times() -> None:
    assert [seconds_of("--budget", text) for text in ("90", "90s", "2m", "1.5h")] == [90, 90, 120, 5400]
    with pytest.raises(UsageError, match="--budget '2 weeks'"):
        seconds_of("--budget", "2 weeks")


@pytest.fixture(scope="module")
def tables(tmp_path_factory, images):
    """One of labels and one of numbers, for the images of the folder."""
    folder = tmp_path_factory.mktemp("tables")
    files = sorted(path.relative_to(images) for path in images.rglob("*.*"))
    numbers = [f"{file},{n * 7 % 11},{n % 5}" for n, file in enumerate(files)]
    labels = [f"{file},{int(file.parts[-2] == 'blue')},{n % 2}" for n, file in enumerate(files)]
    (folder / "numbers.csv").write_text("\n".join(["file,age,height", *numbers]))
    (folder / "labels.csv").write_text("\n".join(["file,blue,odd", *labels]))
    return folder


@pytest.mark.parametrize(
    ("table", "heading", "base", "note"),
    [
        ("labels", "exact match", r"all labels are correct on \d+\.\d% of", "fraction of the validation images"),
        ("numbers", "squared error", r"the squared error is \d+\.\d{4} of the variance of", "Lower is better"),
    ],
)
def test_labels_and_numbers_are_compared(convlens, images, tables, tmp_path, table, heading, base, note):
    base_options = ["--backbone", "house", "--size", 32, "--epochs", 1]
    words = [*base_options, "--seeds", 2, "--tricks", "adam,label-smoothing", "--fractions", "0.5"]
    outcome = convlens("compare", images, *words, "--labels", tables / f"{table}.csv", "--out", tmp_path / "c")
    assert outcome.code == 0, outcome.err
    assert f"compared by the {heading} on each validation image" in outcome.err
    head, first, second, *rest = outcome.out.splitlines()
    assert head.strip().startswith(heading)
    assert [line.split()[0] for line in (first, second)] == ["base", "adam"]
    assert len(head) == len(first) == len(second)
    text = "\n".join(rest)
    assert note in text
    assert re.search(rf"^The base: {base} the validation images, over 2 runs\.$", text, re.MULTILINE)
    assert ("Left out: label-smoothing: it does not apply to numbers." in rest) == (table == "numbers")
    value = r"\d+\.\d%" if table == "labels" else r"\d+\.\d{4}"
    assert re.search(rf"training images: transfer {value}, from scratch {value}$", text, re.MULTILINE)
