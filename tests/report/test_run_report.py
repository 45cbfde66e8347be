import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from convlens.core.errors import DataError
from convlens.core.run import ImageCounts, Problem, RunRecord
from convlens.report.formatting import percent
from convlens.report.run_report import MAX_BAD_FILES, MAX_MISTAKES, MAX_OPEN_MISTAKES, time_parts, write_run_report

from .page import Element, parsed
from .sample_run import RECIPE, evaluation, metrics, record, write_run_folder

HOSTILE = "<img src=x onerror=alert(1)>"


def page_of(folder: Path, run: RunRecord, num_epochs: int = 12) -> Element:
    return parsed(write_run_report(write_run_folder(folder / "run", run, num_epochs)))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def facts(page: Element) -> dict[str, str]:
    """Name -> value of the two-column tables."""
    return {cells[0]: cells[1] for table in page.all("table", class_="facts wide") for cells in table.rows()}


def table_after(page: Element, label: str) -> list[list[str]]:
    return page.one("div", aria_label=label).rows()


def test_report_is_written_into_the_run_folder(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path, record())
    assert write_run_report(folder) == folder / "report.html"


def test_title_says_accuracy_interval_and_number_of_images_in_one_sentence(tmp_path: Path) -> None:
    run = record()
    low, high = (plain(percent(end)) for end in run.validation.interval)
    correct = run.validation.confusion[0][0] + run.validation.confusion[1][1]
    assert page_of(tmp_path, run).one("h1").text == (
        f"{correct} of 150 validation images were classified correctly: {plain(percent(run.accuracy))}, "
        f"with a 95% interval from {low} to {high}."
    )


def test_second_write_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path, record(30, per_class=5))
    first = write_run_report(folder).read_bytes()
    assert write_run_report(folder).read_bytes() == first


def test_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(30, per_class=5))
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")
    (script,) = page.all("script")  # the one that sorts tables, allowed by its hash
    digest = base64.b64encode(hashlib.sha256("".join(script.children).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    for element in page.all():
        for key in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert element.attributes.get(key, "#").startswith(("#", "data:")), element
    text = (tmp_path / "run" / "report.html").read_text()
    assert not re.search(r"https?:|@import|url\((?!#)|[\"'(]//", text)


def test_ids_are_unique_and_every_reference_is_answered(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(test=evaluation(2, 20, seed=1)))
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    values = [value for element in page.all() for value in element.attributes.values()]
    asked = {match for value in values for match in re.findall(r"^#(.+)|url\(#(.+?)\)", value)}
    assert {first or second for first, second in asked} <= set(ids)


def test_names_show_as_text_everywhere(tmp_path: Path) -> None:
    run = record(
        classes=[HOSTILE, "$\\frac{"],
        warnings=[HOSTILE],
        command=HOSTILE,
        folder=HOSTILE,
        bad_files=[Problem(file=HOSTILE, reason="tiny", detail=HOSTILE, used=False)],
        recipe={HOSTILE: HOSTILE},
    )
    swapped = run.validation.roc.model_copy(update={"positive": HOSTILE}) if run.validation.roc else None
    run = run.model_copy(update={"validation": run.validation.model_copy(update={"roc": swapped})})
    page = page_of(tmp_path, run)
    assert not [element for element in page.all() if any(key.startswith("on") for key in element.attributes)]
    assert all(image.attributes["src"].startswith("data:") for image in page.all("img"))
    assert page.one("pre").text == HOSTILE
    assert facts(page)[HOSTILE] == HOSTILE
    assert table_after(page, "Scores of the classes, validation")[1][1] == HOSTILE
    labels = [chart.attributes["aria-label"] for chart in page.all("svg")]
    assert any(f"with {HOSTILE} as the positive class" in label for label in labels)


def test_what_was_run_equals_the_record(tmp_path: Path) -> None:
    run = record()
    page = page_of(tmp_path, run)
    assert page.one("pre", class_="command").text == run.command
    shown = facts(page)
    assert shown["SHA-256 of weights"] == run.weights.sha256
    assert shown["frozen parameters"] == "11,176,512"
    assert shown["trained parameters"] == "1,026"
    assert shown["frozen part unchanged, bit for bit"] == "yes"
    assert {name: shown[name] for name in RECIPE} == {
        **{name: str(value) for name, value in RECIPE.items()},
        "nesterov": "true",
    }
    crossings = table_after(page, "Tensors that cross the cut")
    assert crossings[1] == ["flatten", "avgpool", "512 × 7 × 7", "bfloat16"]


def test_changed_frozen_part_is_said(tmp_path: Path) -> None:
    run = record()
    freeze = run.freeze.model_copy(update={"frozen_unchanged": False, "crossings": []})
    page = page_of(tmp_path, run.model_copy(update={"freeze": freeze}))
    assert facts(page)["frozen part unchanged, bit for bit"].startswith("no:")
    assert "Nowhere: nothing was frozen." in page.text


def test_warnings_stand_before_everything_else_in_the_body(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(warnings=["Class 'ants' has 3 images."]))
    first = next(child for child in page.one("main").children if isinstance(child, Element))
    assert first.text == "Warning Class 'ants' has 3 images."
    assert not page_of(tmp_path / "calm", record()).all("section")


def test_points_of_the_learning_curves_have_titles(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(), num_epochs=3)
    loss, accuracy = page.all("svg")[1:3]
    last = metrics(3)[-1]
    assert [title.text for title in loss.all("title")][2::3] == [
        f"epoch 3, train: {last.train_loss:.4g}",
        f"epoch 3, validation: {last.val_loss:.4g}",
    ]
    assert len(accuracy.all("title")) == 6


@pytest.mark.parametrize("num_epochs", [0, 1, 300])
def test_any_number_of_epochs(tmp_path: Path, num_epochs: int) -> None:
    page = page_of(tmp_path, record(), num_epochs=num_epochs)
    assert ("No epochs were trained." in page.text) == (num_epochs == 0)
    if num_epochs:
        rows = table_after(page, "Metrics of every epoch")
        assert len(rows) == 1 + num_epochs
        assert f"over epochs 1 to {num_epochs}" in page.all("svg")[1].attributes["aria-label"]


def test_loss_that_diverged_is_shown_in_words(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path, record(), num_epochs=3)
    metrics_file = folder / "metrics.jsonl"
    worse = metrics_file.read_text().replace('"train_loss":0.4,', '"train_loss":NaN,')
    metrics_file.write_text(worse.replace('"val_loss":0.45,', '"val_loss":Infinity,'))
    rows = table_after(parsed(write_run_report(folder)), "Metrics of every epoch")
    assert rows[2][2:4] == ["not a number", "infinite"]


def test_two_classes_have_confusion_table_scores_and_roc(tmp_path: Path) -> None:
    run = record()
    page = page_of(tmp_path, run)
    confusion = table_after(page, "Confusion matrix, validation")
    assert confusion[0] == ["true class", "ants", "bees"]
    assert [[int(cell) for cell in row[1:]] for row in confusion[1:]] == run.validation.confusion
    score = run.validation.per_class[1]
    assert table_after(page, "Scores of the classes, validation")[2] == [
        "2",
        "bees",
        f"{score.precision:.3f}",
        f"{score.recall:.3f}",
        f"{score.f1:.3f}",
        "75",
        "123",
        "75",
        "0",
    ]
    assert "The area under the curve is 0.963 " in page.text


def test_class_without_counts_has_dashes(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(images_per_class={"ants": ImageCounts(train=1, val=2, test=3)}))
    rows = table_after(page, "Scores of the classes, validation")
    assert [row[6:] for row in rows[1:]] == [["1", "2", "3"], ["–", "–", "–"]]


def test_test_set_is_shown_like_the_validation_set(tmp_path: Path) -> None:
    test = evaluation(2, 40, seed=3)
    page = page_of(tmp_path, record(test=test))
    confusion = table_after(page, "Confusion matrix, test")
    assert [[int(cell) for cell in row[1:]] for row in confusion[1:]] == test.confusion
    assert f"On 80 test images, which were not used in training: {plain(percent(test.accuracy))}" in page.text
    assert not page_of(tmp_path / "without", record()).all("h2", id="test")


@pytest.mark.parametrize("num_classes", [30, 1000])
def test_many_classes_have_heat_map_pairs_and_folded_table(tmp_path: Path, num_classes: int) -> None:
    run = record(num_classes, per_class=10, num_mistakes=0)
    page = page_of(tmp_path, run, num_epochs=1)
    assert not page.all("div", aria_label="Confusion matrix, validation")
    heat_map = page.all("svg")[0]
    assert len(heat_map.all("image")) == 1
    assert f"over {num_classes:,} classes".replace(" c", "\u00a0c") in heat_map.attributes["aria-label"]
    pairs = table_after(page, "Most confused pairs, validation")[1:]
    worst = max(n for i, row in enumerate(run.validation.confusion) for j, n in enumerate(row) if i != j)
    assert (len(pairs), int(pairs[0][2])) == (20, worst)
    lowest = table_after(page, "Classes with the lowest F1, validation")[1:]
    assert lowest[0][4] == f"{min(score.f1 for score in run.validation.per_class):.3f}"
    assert len(table_after(page, "All classes, validation")) == 1 + num_classes
    assert (tmp_path / "run" / "report.html").stat().st_size < 600_000


def test_heat_map_says_how_many_classes_share_a_square(tmp_path: Path) -> None:
    assert "a square stands for 10" in page_of(tmp_path / "a", record(1000, per_class=2)).text
    assert "a square stands for" not in page_of(tmp_path / "b", record(30, per_class=2)).text


def test_mistakes_show_image_names_and_probabilities(tmp_path: Path) -> None:
    run = record()
    figure = page_of(tmp_path, run).one("div", class_="gallery").all("figure")[0]
    image = figure.one("img")
    assert image.attributes["alt"] == "ants/image-000.jpg: an image of ants, predicted as bees"
    thumbnail = (tmp_path / "run" / run.mistakes[0].thumbnail).read_bytes()
    assert Image.open(io.BytesIO(thumbnail)).size == (32, 24)
    assert [item.text for item in figure.all("li")] == ["bees 97.0%", "ants (true) 3.0%"]
    assert figure.all("span", class_="fill")[0].attributes["style"] == "--share:0.970"


def test_missing_thumbnail_is_said_in_its_place(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path, record())
    (folder / "thumbnails" / "001.jpg").unlink()
    gallery = parsed(write_run_report(folder)).one("div", class_="gallery")
    assert gallery.one("div", class_="missing").text == (
        "The thumbnail thumbnails/001.jpg is missing from the run folder."
    )
    assert (len(gallery.all("figure")), len(gallery.all("img"))) == (4, 3)


def test_no_mistakes(tmp_path: Path) -> None:
    perfect = evaluation(2, 10).model_copy(update={"confusion": [[10, 0], [0, 10]], "accuracy": 1.0})
    page = page_of(tmp_path, record(num_mistakes=0, validation=perfect))
    assert "None: every validation image was classified correctly." in page.text
    page = page_of(tmp_path / "wrong", record(num_mistakes=0))
    assert "No images of mistakes were recorded" in page.text


def test_gallery_is_cut_and_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(num_mistakes=MAX_MISTAKES + 5))
    first, folded = page.all("div", class_="gallery")
    assert len(first.all("figure")) == MAX_OPEN_MISTAKES
    assert len(folded.all("figure")) == MAX_MISTAKES - MAX_OPEN_MISTAKES
    assert f"{MAX_MISTAKES - MAX_OPEN_MISTAKES} more mistakes" in page.text
    assert f"The first {MAX_MISTAKES} of {MAX_MISTAKES + 5} are shown" in page.text


def test_bad_files_are_listed(tmp_path: Path) -> None:
    page = page_of(tmp_path, record())
    assert "2 problems: 1 × truncated, 1 × duplicate." in page.text
    assert table_after(page, "Files with a problem")[1:] == [
        ["ants/broken.jpg", "truncated", "ends after 1,024 bytes", "no"],
        ["bees/twin.jpg", "duplicate", "same bytes as bees/first.jpg", "yes"],
    ]
    none = page_of(tmp_path / "none", record(bad_files=[]))
    assert "None: every file could be used as it is." in none.text


def test_many_bad_files_are_folded_cut_and_counted(tmp_path: Path) -> None:
    problems = [
        Problem(file=f"ants/{i}.jpg", reason="tiny", detail="8 × 8 pixels", used=True)
        for i in range(MAX_BAD_FILES + 34)
    ]
    page = page_of(tmp_path, record(bad_files=problems))
    assert len(table_after(page, "Files with a problem")) == 1 + MAX_BAD_FILES
    assert "The first 200 are listed here; bad_files.jsonl in the run folder has all 234" in page.text
    folded = next(one for one in page.all("details") if "ants/1.jpg" in one.text)
    assert "open" not in folded.attributes


def test_time_parts_are_those_of_the_record(tmp_path: Path) -> None:
    run = record()
    parts = time_parts(run.seconds)
    assert sum(part.seconds for part in parts) == pytest.approx(run.seconds.total)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    page = page_of(tmp_path, run)
    assert "frozen part: waiting for decoded images: 3.25 s; frozen part: forward pass: 6.25 s" in plain(
        page.one("div", class_="time").attributes["aria-label"]
    )
    assert "390 were computed in this run and 8 were reused from the store; 391 images were decoded." in page.text


def test_run_without_frozen_part_takes_no_time_for_it() -> None:
    nothing = record().seconds.model_copy(update={"prefix": 0.0, "decode": 0.0})
    assert [part.seconds for part in time_parts(nothing)][2:4] == [0.0, 0.0]


def test_damaged_record_leaves_the_old_report(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path, record())
    before = write_run_report(folder).read_bytes()
    (folder / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json is not a RunRecord"):
        write_run_report(folder)
    assert (folder / "report.html").read_bytes() == before


def test_the_result_comes_first_and_settings_are_folded(tmp_path: Path) -> None:
    page = page_of(tmp_path, record(changed=["epochs", "nesterov"], test=evaluation(2, 20, seed=1)))
    ids = [heading.attributes["id"] for heading in page.all("h2")]
    assert ids == ["validation", "test", "mistakes", "curves", "bad-files", "setup", "time"]
    table = next(one for one in page.all("table") if "What differs from the defaults" in one.text)
    assert [cell.text for cell in table.all("td")] == ["12", "true"]
    (all_of_them,) = (one for one in page.all("details") if "All 10 settings" in one.text)
    assert "open" not in all_of_them.attributes
    assert "learning_rate" in all_of_them.text
    assert "learning_rate" not in table.text


def test_defaults_and_records_of_before(tmp_path: Path) -> None:
    assert "All settings are at their defaults." in page_of(tmp_path, record(changed=[])).text
    text = page_of(tmp_path / "before", record()).text
    assert "All settings are at" not in text
    assert "What differs" not in text


def test_the_majority_baseline_stands_beside_the_accuracy(tmp_path: Path) -> None:
    counts = {"ants": ImageCounts(train=10, val=75, test=0), "bees": ImageCounts(train=90, val=75, test=0)}
    page = page_of(tmp_path, record(images_per_class=counts))
    told = plain(page.one("header").text)
    assert "Always predicting bees" in told
    assert "the most frequent class in training, would be correct for 50.0%." in told
    unknown = page_of(tmp_path / "unknown", record(images_per_class={}))
    assert "Always predicting" not in unknown.text
