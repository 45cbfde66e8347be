"""Every odd folder and table is met with a sentence, or refused with one; none is misread without a word."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.odd_input import OddInput
from tools.odd_layouts import ODD_LAYOUTS
from tools.odd_tables import ODD_TABLES

from tests.conftest import Outcome
from tests.images import TINY_OPTIONS, draw_images

INPUTS = [*ODD_LAYOUTS, *ODD_TABLES]
OTHERWISE = "--no-predefined-split"
FITS = "the only one that fits is taken, such as '0000.png' for "

MET: dict[str, str] = {
    "sides_with_a_suffix": f"train_images (train), val_images (val). If these are classes, set {OTHERWISE}",
    "sides_with_a_year": "train2017 (train), val2017 (val), test2017 (test)",
    "sides_that_stand_twice": "seg_train/seg_train (train), seg_test/seg_test (test)",
    "sides_within_one_folder_around_all": "training_set (train), test_set (test)",
    "sides_of_classes_first": f"split folders in each class: 'train', 'val'. If they are not a split, set {OTHERWISE}",
    "classes_called_train_bus_and_test": "'test', 'train' are trained as classes. If they are a split",
    "classes_called_after_words_for_sides": "12  test_tube",
    "class_names_that_differ_between_sides": "'golden_retriever' and 'Golden Retriever' are one class",
    "one_folder_around_all": "the class folders lie in data",
    "classes_beside_annotations": "the class folders lie in images",
    "folders_by_year": "If these are dates, cameras or parts and no classes, give a table of labels (--labels CSV)",
    "folders_by_camera_with_classes_inside": "each holds 'cats', 'dogs': if those are the classes, put them outermost",
    "what_lies_beside_classes": "12 of 12 files can be used",
    "files_without_extension": f"{FITS}'0000'",
    "files_with_another_extension_and_case": f"{FITS}'0000.JPG'",
    "files_without_zeros": f"{FITS}'0'",
    "files_with_backslashes": FITS,
    "files_of_another_machine": f"{FITS}'/kaggle/input/set/images/0000.png'",
    "files_in_quotes": FITS,
    "files_as_urls": FITS,
    "files_below_a_folder_that_is_not_named": "such as 'train/0000.png' for '0000.png'",
    "column_of_files_by_its_cells": "the column 'scan' is taken for the files, .* set --file-column",
    "split_by_is_valid": f"the split is taken from the column 'is_valid'; to split anew, set {OTHERWISE}",
    "split_by_is_test": "the split is taken from the column 'is_test'",
    "split_by_usage": "the split is taken from the column 'Usage'",
    "split_by_the_folders_of_the_files": f"the split is that of the folders .*; to split anew, set {OTHERWISE}",
    "folds_are_not_a_split": "columns of the table that are not used: fold; to learn some, set --label-columns",
    "one_hot_with_points": "exactly one of the labels cat, dog; if it can have no more, set --task classification",
    "one_hot_as_classes": "6  dog",
    "one_hot_with_marks": "8  dog",
    "comments_separator_and_blank_rows": "6  dog",
    "tabs_and_utf_16": "6  dog",
    "packed_with_gz": "6  dog",
    "json_lines": "6  dog",
    "whole_numbers_with_points": "look the same are taken as one: '1.0' as '1', '2.0' as '2'",
    "labels_that_look_the_same": r"look the same are taken as one: .* as 'caf\xe9', 't\u200bea' as 'tea'",
    "labels_that_differ_in_case": "'Cat', 'cat' are 2 names in the table; if they are one, spell them alike",
    "none_as_a_class": "'None' in the column 'label' is taken as the name of a class",
    "labels_between_commas": "are taken to stand between commas; if commas are part of labels, write | between them",
    "labels_between_commas_unasked": "as one class each; for several labels per image, set --task multilabel",
    "labels_between_spaces": "are taken to stand between spaces",
    "labels_in_brackets": "8  b",
}
REFUSED: dict[str, str] = {
    "sides_without_classes": f"look like a split, but there are no class folders .*{OTHERWISE}",
    "training_images_beside_loose_ones": f"split folders: train (train); left out: unlabeled .*{OTHERWISE}",
    "images_beside_masks": "holds images/, masks/: it looks like a data set for segmentation",
    "images_beside_annotations": "holds images/, annotations/: it looks like a data set for segmentation",
    "masks_called_after_the_images": "holds train/, train_masks/: it looks like a data set for segmentation",
    "masks_as_camvid_has_them": "holds test/, train/, val/, .* it looks like a data set for segmentation",
    "class_names_that_do_not_fit": "those to validate on are of '1', '2', and those to train on are of 'cats', 'dogs'",
    "one_image_in_each_class": "each class has one usable image only, .* nothing is left to hold out. Add images",
    "each_label_once": "each class has one usable image only, .* nothing is left to hold out. Add images",
    "files_that_are_not_there": "none of the 12 files in the column 'file' .* the nearest name is 0000.png",
    "files_of_which_one_is_in_another_folder": "train/0005.png: no such file; the nearest name is test/0005.png",
    "column_of_files_that_nothing_tells": "In 'one' and 'two' there are files. .* --file-column",
    "no_header": "has no header: its first row names the file '0000.png'",
    "excel": "cannot be read as Excel" if importlib.util.find_spec("openpyxl") else "needs the library openpyxl",
    "parquet": "cannot be read as Parquet" if importlib.util.find_spec("pyarrow") else "needs the library pyarrow",
    "header_names_that_stand_twice": "the columns 2 and 3 have one name, 'label'",
    "zero_bytes": "line 2: holds a NUL byte",
    "commas_without_quotes": "line 2: 3 cells, and the header has 2",
    "half_a_quotation_mark": "line 2: .* Look for a quotation mark without its other half",
    "missing_labels": "line 5: a file or a label is missing in the column 'label', which holds 'nan' (2 more below)",
    "missing_labels_called_none": "line 2: .* holds 'None' .* set --task classification",
    "numbers_with_percent_signs": "line 2: '0%' in the column 'cover' is a number with a percent sign",
    "numbers_with_thousands_separators": "line 2: '1,000' in the column 'price' is a number with thousands separators",
    "numbers_with_units": "line 2: '0 cm' in the column 'height' is a number with the unit 'cm'",
}


@pytest.mark.parametrize("one", INPUTS, ids=lambda one: one.name)
def test_it_is_met_or_refused_with_a_sentence(one: OddInput, tmp_path: Path, convlens: Callable[..., Outcome]) -> None:
    outcome = convlens(*one.build(tmp_path))
    told = {**MET, **REFUSED}[one.name]
    assert re.search(re.escape(told).replace(r"\.\*", ".*"), outcome.err + outcome.out), outcome.err + outcome.out
    assert (outcome.code == 0) == (one.name in MET), outcome.err
    assert "internal error" not in outcome.err


def test_every_expectation_is_of_an_input() -> None:
    assert {*MET, *REFUSED} == {one.name for one in INPUTS}
    assert not {*MET} & {*REFUSED}


def test_what_was_guessed_is_said_by_every_command_and_kept(tmp_path: Path, convlens: Callable[..., Outcome]) -> None:
    for side in ("train_images", "val_images"):
        draw_images(tmp_path / "data" / side, first=0 if side == "train_images" else 50)
    told = f"split folders: train_images (train), val_images (val). If these are classes, set {OTHERWISE}"
    run = tmp_path / "run"
    trained = convlens("train", tmp_path / "data", *TINY_OPTIONS, "--out", run, "--json")
    assert told in trained.err
    record = json.loads(trained.out)
    assert record["images"] == {"train": 16, "val": 16, "test": 0}
    assert told.replace(OTHERWISE, "predefined_split=False") in record["warnings"]
    assert told in convlens("evaluate", run, tmp_path / "data").err
    words = ("--tricks", "nesterov", "--seeds", "2", "--out", tmp_path / "compared")
    assert told in convlens("compare", tmp_path / "data", *TINY_OPTIONS, *words).err
    as_classes = convlens("train", tmp_path / "data", *TINY_OPTIONS, OTHERWISE, "--out", tmp_path / "other", "--json")
    assert json.loads(as_classes.out)["classes"] == ["train_images", "val_images"]


def test_a_column_of_files_and_a_split_that_is_not_used(tmp_path: Path, convlens: Callable[..., Outcome]) -> None:
    images = draw_images(tmp_path / "images")
    rows = [
        f"{path.relative_to(images)},gone.png,{path.parent.name},{n % 2}\n" for n, path in enumerate(images.glob("*/*"))
    ]
    table = tmp_path / "labels.csv"
    table.write_text("first,file,label,is_valid\n" + "".join(rows))
    words = (*TINY_OPTIONS, "--labels", table, "--file-column", "first", "--json")
    given = json.loads(convlens("train", images, *words, "--out", tmp_path / "given").out)
    assert given["images"] == {"train": 8, "val": 8, "test": 0}
    anew = json.loads(convlens("train", images, *words, OTHERWISE, "--out", tmp_path / "anew").out)
    assert anew["images"] == {"train": 12, "val": 4, "test": 0}
    wrong = convlens("train", images, *words[:-3], "--file-column", "firsty", "--out", tmp_path / "wrong")
    assert (wrong.code, "did you mean first?" in wrong.err) == (2, True)
    alone = convlens("check", images, "--file-column", "first")
    assert alone.code == 2
    assert "--file-column first needs a table of labels" in alone.err
