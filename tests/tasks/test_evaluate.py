"""Evaluating as a function, and as a command."""

import json
import shutil

import pytest
import torch

from convlens import zoo
from convlens.backbones.class_names import class_numbers
from convlens.core.errors import DataError, UsageError
from convlens.data.batches import decoded_batches, normalized
from convlens.data.scan import scan
from convlens.data.split_file import SPLIT_FILE
from convlens.tasks.evaluate import evaluate
from convlens.tasks.train import train
from tests.images import TINY_HOUSE, draw, draw_images


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """A folder with train/ and val/."""
    folder = tmp_path_factory.mktemp("evaluate") / "images"
    draw_images(folder / "train")
    draw_images(folder / "val", 5, first=8)
    return folder


@pytest.fixture(scope="module")
def run(sides, module_cache):
    train(sides, out=sides.parent / "run", **TINY_HOUSE)
    return sides.parent / "run"


@pytest.fixture
def drawn(tmp_path):
    """Images under three of the classes that the house network tells apart, each named in another way."""

    def folder(*names):
        for name in names:
            (tmp_path / "drawn" / name).mkdir(parents=True)
            for number in range(4):
                draw(tmp_path / "drawn" / name / f"{number}.png", seed=f"{name}{number}")
        return tmp_path / "drawn"

    return folder


def right_by_hand(network, folder, numbers):
    """Right guesses of a network, image by image."""
    preprocessing = zoo.card(network.name).preprocessing
    images = scan(folder).images
    (batch,) = decoded_batches(images, preprocessing, len(images))
    with torch.inference_mode():
        guesses = network.module(normalized(batch.pixels, preprocessing)).argmax(1).tolist()
    return sum(guess == numbers[image.labels[0]] for guess, image in zip(guesses, batch.images, strict=True))


def test_a_run_scores_what_its_record_says(run, sides):
    record = evaluate(run, sides)
    said = json.loads((run / "run.json").read_text())
    assert (record.side, record.images) == ("val", 10)
    assert record.accuracy == said["validation"]["accuracy"]
    found = record.evaluation.model_dump(mode="json")
    assert found == {**said["validation"], "loss": pytest.approx(said["validation"]["loss"], rel=1e-4)}
    assert [one.name for one in record.evaluation.per_class] == said["classes"]
    assert record.evaluation.roc is not None
    assert sum(map(sum, record.evaluation.confusion)) == 10


def test_folders_may_bear_any_name_of_a_class(drawn):
    folder = drawn("n01443537", "European_fire_salamander", "Rana catesbeiana")
    record = evaluate("house", folder)
    assert (record.side, record.images) == ("all", 12)
    scores = record.evaluation.per_class
    assert [one.key for one in scores] == ["n01443537", "n01629819", "n01641577"]
    assert [one.name for one in scores] == ["goldfish", "European fire salamander", "bullfrog"]
    assert 0 <= record.accuracy <= record.evaluation.top5_accuracy <= 1
    assert sum(one.recall * one.support for one in scores) == pytest.approx(record.accuracy * 12)


def test_the_published_cifar_checkpoint_is_taken_as_it_is(drawn, tmp_path):
    """As akamaster publishes them: nested, with the prefix of parallel training, in a .th file."""
    torch.manual_seed(3)
    module = zoo.network("resnet20").eval()
    state = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, tmp_path / "resnet20.th")
    folder = drawn("cat", "dog", "ship")
    record = evaluate("resnet20", folder, weights=tmp_path / "resnet20.th")
    network = type("Named", (), {"name": "resnet20", "module": module})
    assert record.accuracy * 12 == pytest.approx(right_by_hand(network, folder, {"cat": 3, "dog": 5, "ship": 8}))
    assert (record.preprocessing.size, record.preprocessing.resize) == (32, 32)


@pytest.mark.parametrize("size", [0, -3, 15, 2049])
def test_a_size_out_of_range(drawn, size):
    with pytest.raises(UsageError, match=f"size={size}: give .* 16 to 2048"):
        evaluate("house", drawn("goldfish"), size=size)


def test_duplicates_count_as_in_published_numbers(drawn):
    folder = drawn("goldfish", "bullfrog")
    (folder / "goldfish" / "copy.png").write_bytes((folder / "goldfish" / "0.png").read_bytes())
    assert evaluate("house", folder).images == 9


def test_sides(run, sides):
    assert evaluate(run, sides, side="train").images == 16
    assert evaluate(run, sides, side="all").images == 26
    with pytest.raises(UsageError, match=r"side='test': .* has no images there; it has train, val"):
        evaluate(run, sides, side="test")


def test_classes_that_differ_in_case_or_underscore_only(drawn, tmp_path):
    names = ("A", "a", "b c", "b_c", "D_e")
    train(drawn(*names), out=tmp_path / "run", **TINY_HOUSE)
    judged = evaluate(tmp_path / "run", tmp_path / "drawn", side="all")
    assert {one.name: one.support for one in judged.evaluation.per_class} == dict.fromkeys(names, 4)
    (tmp_path / "drawn/D_e").rename(tmp_path / "drawn/d E")
    assert {one.name for one in evaluate(tmp_path / "run", tmp_path / "drawn").evaluation.per_class} == set(names)
    (tmp_path / "drawn/b c").rename(tmp_path / "drawn/B c")
    with pytest.raises(DataError, match=r"'B c' may be 'b c' or 'b_c' of .*run\. Name the folder exactly so"):
        evaluate(tmp_path / "run", tmp_path / "drawn")


def test_a_main_name_goes_before_another_name_of_another_class():
    """The spiny lobster is called crayfish, too, and stands before the crayfish; two classes are called crane."""
    classes = [("n01984695", "spiny lobster", "crayfish"), ("n01985128", "crayfish"), ("n1", "crane"), ("n2", "crane")]
    found = class_numbers(["Crayfish", "spiny_lobster", "n2"], classes, "net")
    assert found == {"Crayfish": 1, "spiny_lobster": 0, "n2": 3}
    with pytest.raises(DataError, match="'crane' may be 'n1' or 'n2' of net"):
        class_numbers(["crane"], classes, "net")


def test_names_in_another_unicode_form_or_with_hyphens():
    classes = [("caf\u00e9",), ("t-shirt",), ("-1",), ("1",)]
    found = class_numbers(["cafe\u0301", "T_Shirt", "1", "-1"], classes, "net")
    assert found == {"cafe\u0301": 0, "T_Shirt": 1, "1": 3, "-1": 2}


def test_a_run_on_nested_folders_and_one_on_a_chosen_column(convlens, drawn, tmp_path):
    folder = drawn("in/a", "in/b")
    train(folder, out=tmp_path / "nested", nested=True, **TINY_HOUSE)
    judged = evaluate(tmp_path / "nested", folder, nested=True)
    assert [one.name for one in judged.evaluation.per_class] == ["in/a", "in/b"]
    with pytest.raises(
        DataError, match=r"'a', 'b' is not a class of .*nested.* are folders within folders: set nested=True\.$"
    ):
        evaluate(tmp_path / "nested", folder / "in")
    rows = "".join(f"in/{name}/{n}.png,{name},{n}\n" for name in "ab" for n in range(4))
    table = tmp_path / "t.csv"
    table.write_text("file,coat,note\n" + rows)
    train(folder, out=tmp_path / "column", labels=str(table), label_columns="coat", **TINY_HOUSE)
    outcome = convlens("evaluate", tmp_path / "column", folder, "--labels", table, "--label-columns", "coat", "--json")
    assert [one["name"] for one in json.loads(outcome.out)["evaluation"]["per_class"]] == ["a", "b"]
    refused = convlens("evaluate", tmp_path / "column", folder, "--labels", table)
    assert "one class per image needs one column, and there are 2: coat, note" in refused.err
    assert "convlens train" not in convlens("evaluate", tmp_path / "column", drawn("c")).err


def test_folders_that_are_no_class(drawn):
    with pytest.raises(DataError, match=r"'anteater', 'beekeeper' is not a class of house.*'n01443537' or 'goldfish'"):
        evaluate("house", drawn("goldfish", "anteater", "beekeeper"))


def test_random_weights_are_refused(drawn):
    folder = drawn("goldfish", "bullfrog")
    with pytest.raises(UsageError, match=r"resnet18 without trained weights can only guess.*published set: imagenet"):
        evaluate("resnet18", folder, weights="random")
    with pytest.raises(UsageError, match="preact_resnet20 without trained weights can only guess"):
        evaluate("preact_resnet20", folder)


def test_a_run_brings_its_own_weights(run, drawn):
    with pytest.raises(UsageError, match="a run has its own weights"):
        evaluate(run, drawn("goldfish", "bullfrog"), weights="imagenet")


def test_the_command(convlens, drawn):
    folder = drawn("goldfish", "bullfrog")
    outcome = convlens("evaluate", "house", folder, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["images"] == 8
    shown = convlens("evaluate", "house", folder)
    assert "Accuracy" in shown.out
    assert "goldfish" in shown.out
    wrong = convlens("evaluate", "house", folder, "--side", "vall")
    assert wrong.code == 2
    assert "did you mean val" in wrong.err


@pytest.fixture(scope="module")
def split_run(tmp_path_factory, module_cache):
    """A folder without sides, and a run that has split it."""
    folder = tmp_path_factory.mktemp("split")
    draw_images(folder / "images", 10)
    train(folder / "images", out=folder / "run", **TINY_HOUSE)
    return folder


def test_images_that_a_run_was_trained_on_do_not_count(split_run):
    said = []
    record = evaluate(split_run / "run", split_run / "images", say=said.append)
    report = json.loads((split_run / "run" / "run.json").read_text())
    assert (record.side, record.images, record.trained_on) == ("unseen", 4, 0)
    assert record.accuracy == report["validation"]["accuracy"]
    (line,) = said
    assert "was trained on 16 of the 20 images of" in line
    assert line.endswith("the other 4 are evaluated (side='all' for all)")


def test_the_number_to_quote_is_without_images_that_a_run_was_trained_on(split_run):
    mixed = evaluate(split_run / "run", split_run / "images", side="all")
    alone = evaluate(split_run / "run", split_run / "images")
    assert mixed.trained_on_known
    assert (mixed.without_trained.images, mixed.without_trained.accuracy) == (4, alone.accuracy)
    low, high = mixed.without_trained.interval
    assert 0 <= low <= alone.accuracy <= high <= 1
    assert alone.without_trained is None


def test_a_run_that_does_not_say_what_it_was_trained_on(split_run, tmp_path):
    shutil.copytree(split_run / "run", tmp_path / "run")
    (tmp_path / "run" / SPLIT_FILE).unlink()
    said = []
    record = evaluate(tmp_path / "run", split_run / "images", say=said.append)
    assert (record.trained_on_known, record.without_trained, record.images) == (False, None, 20)
    assert any("does not say which images it was trained on" in line for line in said)


def test_images_that_a_run_was_trained_on_are_named_where_they_count(split_run, sides, run):
    said = []
    assert evaluate(split_run / "run", split_run / "images", side="all", say=said.append).trained_on == 16
    assert evaluate(run, sides, side="train", say=said.append).trained_on == 16
    assert evaluate(run, sides, say=said.append).trained_on == 0
    assert evaluate(run, sides / "train", say=said.append).trained_on == 16
    assert [line.partition(" was ")[2] for line in said] == [
        "trained on 16 of these 20 images: the result says little of new images",
        "trained on 16 of these 16 images: the result says little of new images",
        "trained on 16 of these 16 images: the result says little of new images",
    ]


def test_a_table_of_some_images_of_a_folder(convlens, split_run, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nblue/000.png,blue\ngreen/001.png,green\n")
    evaluated = convlens("evaluate", split_run / "run", split_run / "images", "--labels", table, "--side", "all")
    assert evaluated.code == 0
    assert evaluated.err.count("18 images of the folder are not in the table of labels\n") == 1
    assert "blue/005.png" not in evaluated.err
    checked = convlens("check", split_run / "images", "--labels", table)
    assert checked.code == 0
    assert checked.out.count("18 images of the folder are not in the table of labels") == 1
    assert "blue/005.png" not in checked.out
    assert "2 of 2 files can be used" in checked.out


def test_slices_are_by_facts_about_files_and_by_the_columns_of_a_table(run, sides, tmp_path):
    images = sorted(sides.glob("*/*/*"))
    rows = [
        f"{one.relative_to(sides)},{one.parent.name},{'left' if n % 2 else 'right'},{n}" for n, one in enumerate(images)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,place,lux", *rows]))
    options = {"labels": tmp_path / "labels.csv", "label_columns": "label", "side": "all"}
    found = evaluate(run, sides, slices=True, **options).slices
    assert evaluate(run, sides, **options).slices is None
    assert found is not None
    count = len(images)
    places = {one.value: one.images for one in found.slices if one.fact == "column place"}
    assert places == {"left": count // 2, "right": count - count // 2}
    assert {one.fact for one in found.slices} >= {"column place", "column label"}
    assert found.looks == len(found.slices)
