"""Folders as people bring them: splits and classes in any order, around and beside each other."""

from pathlib import Path

from tools.odd_input import OddInput, adding_to, check, classes, draw, train

ODD_LAYOUTS: list[OddInput] = []
odd = adding_to(ODD_LAYOUTS)


@odd
def sides_with_a_suffix(folder: Path) -> list[str]:
    for side in ("train_images", "val_images"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_with_a_year(folder: Path) -> list[str]:
    for side in ("train2017", "val2017", "test2017"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_that_stand_twice(folder: Path) -> list[str]:
    for side in ("seg_train/seg_train", "seg_test/seg_test"):
        classes(folder / "data" / side)
    return check(folder / "data")


@odd
def sides_within_one_folder_around_all(folder: Path) -> list[str]:
    for side in ("training_set", "test_set"):
        classes(folder / "data/archive/data" / side)
    return check(folder / "data")


@odd
def sides_of_classes_first(folder: Path) -> list[str]:
    for name in ("cats", "dogs"):
        classes(folder / "data" / name, ("train", "val"))
    return check(folder / "data")


@odd
def sides_without_classes(folder: Path) -> list[str]:
    classes(folder / "data", ("train_images", "test_images"))
    return train(folder / "data")


@odd
def training_images_beside_loose_ones(folder: Path) -> list[str]:
    classes(folder / "data/train")
    classes(folder / "data", ("unlabeled",))
    return check(folder / "data")


@odd
def classes_called_train_bus_and_test(folder: Path) -> list[str]:
    classes(folder / "data", ("train", "bus", "test"))
    return check(folder / "data")


@odd
def classes_called_after_words_for_sides(folder: Path) -> list[str]:
    for name in ("train_station", "test_tube", "bus"):
        classes(folder / "data" / name, ("old", "new"))
    return check(folder / "data")


@odd
def images_beside_masks(folder: Path) -> list[str]:
    classes(folder / "data", ("images", "masks"))
    return train(folder / "data")


@odd
def images_beside_annotations(folder: Path) -> list[str]:
    classes(folder / "data", ("images",))
    (folder / "data/annotations").mkdir()
    (folder / "data/annotations/1.xml").write_text("<annotation/>")
    return train(folder / "data")


@odd
def masks_called_after_the_images(folder: Path) -> list[str]:
    classes(folder / "data", ("train", "train_masks"))
    return train(folder / "data")


@odd
def masks_as_camvid_has_them(folder: Path) -> list[str]:
    classes(folder / "data", ("train", "trainannot", "val", "valannot", "test", "testannot"), count=2)
    return train(folder / "data")


@odd
def classes_beside_annotations(folder: Path) -> list[str]:
    classes(folder / "data/images")
    (folder / "data/annotations").mkdir()
    (folder / "data/annotations/list.txt").write_text("cats 1")
    return check(folder / "data")


@odd
def class_names_that_differ_between_sides(folder: Path) -> list[str]:
    classes(folder / "data/train", ("Golden Retriever", "caf\u00e9"))
    classes(folder / "data/val", ("golden_retriever", "cafe\u0301"))
    return check(folder / "data")


@odd
def class_names_that_do_not_fit(folder: Path) -> list[str]:
    classes(folder / "data/train", ("cats", "dogs"))
    classes(folder / "data/val", ("1", "2"))
    return train(folder / "data")


@odd
def one_folder_around_all(folder: Path) -> list[str]:
    classes(folder / "data/data")
    return check(folder / "data")


@odd
def one_image_in_each_class(folder: Path) -> list[str]:
    classes(folder / "data", ("cats", "dogs", "birds"), count=1)
    return train(folder / "data")


@odd
def each_label_once(folder: Path) -> list[str]:
    classes(folder / "data", ("all",), count=4)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"all/{n}.png,class {n}\n" for n in range(4)))
    return train(folder / "data", "--labels", str(folder / "labels.csv"))


@odd
def folders_by_year(folder: Path) -> list[str]:
    classes(folder / "data", ("2023", "2024"))
    return check(folder / "data")


@odd
def folders_by_camera_with_classes_inside(folder: Path) -> list[str]:
    for camera in ("camera1", "camera2"):
        classes(folder / "data" / camera)
    return check(folder / "data")


@odd
def what_lies_beside_classes(folder: Path) -> list[str]:
    data = folder / "data"
    classes(data)
    classes(data / "runs/1", ("thumbnails",))
    (data / "runs/1/run.json").write_text('{"kind": "convlens.run"}')
    draw(data / ".venv/lib/logo.png")
    (data / "env").mkdir()
    (data / "env/pyvenv.cfg").write_text("home = /usr\n")
    draw(data / "env/lib/logo.png")
    draw(data / "__MACOSX/cats/._1.png")
    return check(data)
