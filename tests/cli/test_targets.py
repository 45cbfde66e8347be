"""Labels and numbers on the command line: what is said, printed and refused."""

import json

import pytest

from tests.data.drawn import put
from tests.images import draw

OPTIONS = ("--backbone", "house", "--size", 32, "--epochs", 3, "--learning-rate", "0.05")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of 20 images, p, with tables beside it."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "p").mkdir()
    for n in range(20):
        draw(folder / "p" / f"{n}.png", (12 * n, 40, 40), seed=str(n))
    put(folder / "ages.csv", "\n".join(["file,age", *(f"{n}.png,{n / 2}" for n in range(20))]))
    put(folder / "tags.csv", "\n".join(["file,red,any", *(f"{n}.png,{n // 10},1" for n in range(20))]))
    return folder


def test_numbers_from_training_to_predicting(convlens, tables, tmp_path):
    run = tmp_path / "run"
    trained = convlens("train", tables / "p", "--labels", tables / "ages.csv", *OPTIONS, "--out", run)
    assert trained.code == 0, trained.err
    assert "20 images with the numbers age: 16 train, 4 val" in trained.err
    assert "loss: L2, since the table of labels holds numbers" in trained.err
    first = trained.out.splitlines()[0]
    assert first.startswith("age: root mean squared error ")
    assert "on 4 validation images (95% interval" in first
    predicted = convlens("predict", run, tables / "p" / "3.png", tables / "p" / "15.png", "--quiet")
    assert predicted.out.splitlines()[0].split() == ["image", "age"]
    low, high = (float(line.split()[-1]) for line in predicted.out.splitlines()[1:3])
    assert low < high
    judged = convlens("evaluate", run, tables / "p", "--labels", tables / "ages.csv", "--json", "--quiet")
    assert json.loads(judged.out)["evaluation"]["per_number"][0]["name"] == "age"
    shown = convlens("evaluate", run, tables / "p", "--labels", tables / "ages.csv")
    assert "age: root mean squared error" in shown.out
    assert "on 4 images that it was not trained on" in shown.out


def test_labels_from_training_to_predicting(convlens, tables, tmp_path):
    run = tmp_path / "run"
    trained = convlens("train", tables / "p", "--labels", tables / "tags.csv", *OPTIONS, "--out", run)
    assert trained.code == 0, trained.err
    assert "loss: binary cross-entropy, since the table of labels holds labels" in trained.err
    lines = trained.out.splitlines()
    assert lines[0].startswith("All labels correct ")
    assert "mean average precision" in lines[1]
    assert {line.split(":")[0].strip() for line in lines[2:4]} == {"any", "red"}
    predicted = convlens("predict", run, tables / "p" / "19.png", "--quiet")
    assert predicted.out.splitlines()[0].split() == ["image", "labels", "likeliest"]
    told = json.loads(convlens("predict", run, tables / "p" / "19.png", "--json", "--quiet").out)
    assert (told["task"], set(told["predictions"][0]["probabilities"])) == ("multilabel", {"any", "red"})


@pytest.mark.parametrize(
    ("text", "options", "code", "parts"),
    [
        (
            "file,age\n0.png,1\n1.png,old\n",
            [],
            3,
            ["line 3: 'old' in the column 'age' is not a number", "--label-columns"],
        ),
        ("file,age\n0.png,1\n1.png,\n", [], 3, ["line 3: a file or a label is missing in the column 'age'"]),
        ("file,age\n0.png,1\n1.png,nan\n", [], 3, ["line 3: a file or a label is missing", "holds 'nan'"]),
        ("file,age\nx.png,1\ny.png,2\n", [], 3, ["none of the 2 files", "'x.png' (line 2): no such file"]),
        ("file,age\n0.png,1\n1.png,2\n", ["--label-columns", "aeg"], 2, ["'aeg': did you mean age?"]),
        ("file,age\n0.png,1\n1.png,2\n", ["--learn", "nombres"], 2, ["--task nombres", "multilabel, regression."]),
        (
            "file,age\n0.png,1\n1.png,2\n",
            ["--class-weights"],
            2,
            ["--class-weights is for classes", "--task classification"],
        ),
    ],
)
def test_wrong_use(convlens, tables, tmp_path, text, options, code, parts):
    words = ("--labels", put(tmp_path / "t.csv", text), *OPTIONS, "--out", tmp_path / "run", *options)
    outcome = convlens("train", tables / "p", *words)
    assert (outcome.code, outcome.out) == (code, "")
    for part in parts:
        assert part in outcome.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
