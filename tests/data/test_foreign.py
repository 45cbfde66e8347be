"""What lies in a folder of images and is none of them is left out, and said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.core.run import Problem
from convlens.data.foreign import foreign, is_document
from convlens.data.layout import Layout
from convlens.data.scan import scan
from convlens.data.walk import files_below, why_left_out
from tests.data.drawn import encoded, put, slopes

PIXELS = encoded(slopes(16, 12), "JPEG")


def classes(root: Path) -> Path:
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/1.jpg", "dogs/2.jpg"):
        put(root / name)
    return root


def run(folder: Path) -> Path:
    put(folder / "run.json", '{\n  "kind": "convlens.run",\n')
    put(folder / "thumbnails/1.jpg", PIXELS)
    return folder


def unfinished(folder: Path) -> Path:
    folder = folder.with_name(f"{folder.name}.unfinished")
    put(folder / "begun.json", '{\n  "kind": "convlens.begun",\n')
    put(folder / "run/thumbnails/1.jpg", PIXELS)
    return folder


def just_begun(folder: Path) -> Path:
    folder = folder.with_name(f"{folder.name}.unfinished")
    put(folder / ".lock", b"")
    return folder


def comparison(folder: Path) -> Path:
    put(folder / "comparison.json", '{"kind": "convlens.comparison"')
    put(folder / "1.png", PIXELS)
    return folder


def other_cache(folder: Path) -> Path:
    put(folder / "archives/0123/1.jpg", PIXELS)
    for name in ("store", "graphs"):
        (folder / name).mkdir()
    return folder


def marked(mark: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        put(folder / mark, b"")
        put(folder / "lib/python3.13/site-packages/matplotlib/1.png", PIXELS)
        return folder

    return make


def packages(folder: Path) -> Path:
    put(folder.parent / "node_modules/icons/1.png", PIXELS)
    return folder.parent / "node_modules"


MADE: dict[str, Callable[[Path], Path]] = {
    "a run of convlens": run,
    "an unfinished run of convlens": unfinished,
    "an unfinished run of convlens, just begun": just_begun,
    "a comparison of convlens": comparison,
    "the cache of convlens": other_cache,
    "a virtual environment": marked("pyvenv.cfg"),
    "a conda environment": marked("conda-meta/history"),
    "a Git repository": marked(".git/HEAD"),
    "a cache": marked("CACHEDIR.TAG"),
    "a folder of packages": packages,
}


@pytest.mark.parametrize("where", ["other", "cats/other"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("what", MADE)
def test_it_is_never_images(tmp_path: Path, what: str, nested: bool, where: str) -> None:
    made = MADE[what](classes(tmp_path) / where)
    manifest = scan(tmp_path, layout=Layout(nested=nested))
    assert manifest.classes == ("cats", "dogs")
    assert len(manifest.images) == 4
    file, reason = made.relative_to(tmp_path).as_posix(), what.removesuffix(", just begun")
    assert manifest.problems == (Problem(file=file, reason="no-images", detail=reason, used=False),)


@pytest.mark.parametrize("side", ["train", "val"])
def test_beside_the_classes_of_a_side(tmp_path: Path, side: str) -> None:
    for name in ("train", "val"):
        classes(tmp_path / name)
    run(tmp_path / side / "other")
    run(tmp_path / "other")
    manifest = scan(tmp_path)
    assert manifest.classes == ("cats", "dogs")
    assert {one.file: one.reason for one in manifest.problems} == {
        f"{side}/other": "no-images",
        "other": "no-images",
    }


@pytest.mark.parametrize("nested", [False, True])
def test_a_folder_that_holds_nothing_but_runs_is_no_class(tmp_path: Path, nested: bool) -> None:
    run(classes(tmp_path) / "runs/20260131-cats")
    unfinished(tmp_path / "runs/20260201-cats")
    put(tmp_path / "runs/20260201-cats.diverged.txt", "cats/1.jpg\n")
    manifest = scan(tmp_path, layout=Layout(nested=nested))
    assert manifest.classes == ("cats", "dogs")
    assert {one.file.split("/")[0] for one in manifest.problems} == {"runs"}
    assert not any(one.used for one in manifest.problems)


def test_images_beside_a_run_stay_a_class(tmp_path: Path) -> None:
    run(classes(tmp_path) / "birds/run")
    put(tmp_path / "birds/1.jpg")
    assert scan(tmp_path).classes == ("birds", "cats", "dogs")


def test_the_cache_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(classes(tmp_path) / "mine/weights/1.png", PIXELS)
    assert scan(tmp_path).classes == ("cats", "dogs", "mine")
    monkeypatch.setenv("CONVLENS_CACHE", str(tmp_path / "mine"))
    assert scan(tmp_path).classes == ("cats", "dogs")


def test_an_environment_made_in_the_folder_of_images_itself(tmp_path: Path) -> None:
    put(classes(tmp_path) / "pyvenv.cfg", "home = /usr/bin\n")
    for name in ("bin", "include", "lib", "share"):
        put(tmp_path / name / "1.png", PIXELS)
    manifest = scan(tmp_path)
    assert manifest.classes == ("cats", "dogs")
    assert {one.detail for one in manifest.problems if one.reason == "no-images"} == {"part of a virtual environment"}


def test_a_folder_of_images_may_be_a_repository(tmp_path: Path) -> None:
    put(classes(tmp_path) / ".git/HEAD")
    assert scan(tmp_path).classes == ("cats", "dogs")


def test_a_record_of_somebody_else_marks_nothing(tmp_path: Path) -> None:
    put(classes(tmp_path) / "cats/run.json", '{"kind": "marathon"}')
    (tmp_path / "dogs").rename(tmp_path / "dogs.unfinished")
    assert scan(tmp_path).classes == ("cats", "dogs.unfinished")
    assert foreign(tmp_path / "cats") is None


def test_a_run_in_place_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"other is a run of convlens, not a folder of images\. Give a"):
        scan(run(tmp_path / "other"))


def test_what_was_left_out_is_said_where_no_classes_are_left(tmp_path: Path) -> None:
    put(tmp_path / "cats/1.jpg")
    run(tmp_path / "runs/one")
    told = r"one class folder only, 'cats'.* Left out: runs \(holds no images of its own, only such as a run of convl"
    with pytest.raises(DataError, match=told):
        scan(tmp_path)


def test_files_below_gives_what_it_does_not_enter_at_the_end(tmp_path: Path) -> None:
    other = run(classes(tmp_path) / "a-run")
    assert [path.name for path in files_below(tmp_path)] == ["1.jpg", "2.jpg", "1.jpg", "2.jpg", "a-run"]
    assert why_left_out(other) == "a run of convlens"


DOCUMENTS = ["readme.txt", "README", "LICENSE", "labels.csv", "notes.MD", "annotations.json", "paper.pdf", "backup.zip"]


@pytest.mark.parametrize("where", ["", "cats"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_named_as_what_they_are(tmp_path: Path, name: str, nested: bool, where: str) -> None:
    path = put(classes(tmp_path) / where / name, "the same words in each class")
    put(tmp_path / "dogs" / name, path.read_bytes())
    manifest = scan(tmp_path, layout=Layout(nested=nested))
    assert len(manifest.images) == 4
    assert {one.file: one.reason for one in manifest.problems} == {
        path.relative_to(tmp_path).as_posix(): "document",
        f"dogs/{name}": "document",
    }


@pytest.mark.parametrize("name", ["photo.txt", "README"])
def test_an_image_by_its_bytes_is_no_document(tmp_path: Path, name: str) -> None:
    assert not is_document(put(tmp_path / name, PIXELS))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic", "film.mp4", "photo"])
def test_a_file_that_may_be_meant_as_an_image_is_no_document(tmp_path: Path, name: str) -> None:
    assert not is_document(put(tmp_path / name, "no image"))
