"""Odd images and command lines of tools/odd_images.py: met, or refused with a sentence; never an internal error."""

import sys

import pytest
from tools.odd_images import ODD_IMAGES

ODD = {one.name: one for one in ODD_IMAGES}
REFUSED = {
    "way_to_fit_that_there_is_not",
    "predict_image_before_network",
    "explain_image_before_network",
    "evaluate_folder_before_run",
    "explain_a_folder",
    "explain_images_of_a_folder",
    "explain_into_a_folder",
    "recipe_with_a_wrong_value",
    "recipe_in_utf_16",
    "name_that_is_too_long",
}
USED = {
    "jpeg_without_end_marker": "no-end",
    "jpeg_filled_up_with_zeros": "no-end",
    "png_with_a_gamma_of_one": "gamma",
    "jpeg_in_display_p3": "profile",
    "gray_of_12_bits_in_16": "12-bit",
    "tiff_of_three_pages": "pages",
    "animated_gif": "animated",
}
UNUSED = {
    "jpeg_cut_in_half": "truncated",
    "tiff_of_floating_point": "floating-point",
    "heic": "a HEIC image",
    "dicom": "a DICOM file",
    "error_page_named_jpg": "an HTML page",
    "git_lfs_pointers": "a Git LFS pointer",
    "empty_files": "empty",
    "photoshop_file": "a Photoshop file",
}
"""Inputs -> what is said of them."""


def test_every_expectation_is_of_an_input():
    assert REFUSED | USED.keys() | UNUSED.keys() <= ODD.keys()


@pytest.mark.parametrize("name", ODD)
def test_it_is_met_or_refused_with_a_sentence(convlens, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if name == "heic":
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    outcome = convlens(*ODD[name].build(tmp_path))
    assert "internal error" not in outcome.err
    if name in REFUSED or name.startswith("option_"):
        assert outcome.code in (2, 3)
        assert outcome.out == ""
        assert outcome.err.startswith("convlens: ")
        return
    assert outcome.code == 0, outcome.err
    if name in USED:
        assert f": {USED[name]}, " in outcome.err
        assert "(used)" in outcome.err
    elif name in UNUSED:
        assert UNUSED[name] in outcome.err
        assert "(not used)" in outcome.err
    else:
        assert "not used)" not in outcome.err
