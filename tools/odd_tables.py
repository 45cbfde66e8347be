"""Tables of labels as people bring them: files, columns, labels and numbers in any spelling."""

import gzip
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tools.odd_input import OddInput, adding_to, check, draw

ODD_TABLES: list[OddInput] = []
odd = adding_to(ODD_TABLES)


def images(folder: Path, count: int = 12) -> None:
    """Images of two colors, in turn, in one folder: 0000.png, 0001.png and so on."""
    for number in range(count):
        draw(folder / f"{number:04d}.png", number % 2)


def rows(line: str, count: int = 12, **values: Iterable[object]) -> str:
    """A line for each image, with {n:04d} for its number, {word} for cat or dog, and others of `values` in turn."""
    made = []
    for n in range(count):
        others = {name: [*some][n % len([*some])] for name, some in values.items()}
        made.append(line.format(n=n, word=("cat", "dog")[n % 2], **others) + "\n")
    return "".join(made)


def labeled(folder: Path, text: str | bytes, *options: str, name: str = "labels.csv") -> list[str]:
    """A table beside a folder of images, and the words of a check with it."""
    images(folder / "images")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return check(folder / "images", "--labels", str(folder / name), *options)


@odd
def files_without_extension(folder: Path) -> list[str]:
    return labeled(folder, "id,breed\n" + rows("{n:04d},{word}"))


@odd
def files_with_another_extension_and_case(folder: Path) -> list[str]:
    return labeled(folder, "Image Name,species\n" + rows("{n:04d}.JPG,{word}"))


@odd
def files_without_zeros(folder: Path) -> list[str]:
    return labeled(folder, "image_id,label\n" + rows("{n},{word}"))


@odd
def files_with_backslashes(folder: Path) -> list[str]:
    return labeled(folder, "filepath,label\n" + rows("C:\\data\\images\\{n:04d}.png,{word}"))


@odd
def files_of_another_machine(folder: Path) -> list[str]:
    return labeled(folder, "path,label\n" + rows("/kaggle/input/set/images/{n:04d}.png,{word}"))


@odd
def files_in_quotes(folder: Path) -> list[str]:
    return labeled(folder, "img,label\n" + rows("'{n:04d}.png',{word}"))


@odd
def files_as_urls(folder: Path) -> list[str]:
    return labeled(folder, "url,label\n" + rows("https://example.org/set/{n:04d}.png?size=large,{word}"))


@odd
def files_below_a_folder_that_is_not_named(folder: Path) -> list[str]:
    images(folder / "images/train")
    (folder / "labels.csv").write_text("file,label\n" + rows("{n:04d}.png,{word}"))
    return check(folder / "images", "--labels", str(folder / "labels.csv"))


@odd
def files_that_are_not_there(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("IMG_{n:04d}x.png,{word}"))


@odd
def files_of_which_one_is_in_another_folder(folder: Path) -> list[str]:
    for side in ("train", "test"):
        images(folder / "images" / side)
    (folder / "images/train/0005.png").unlink()
    (folder / "labels.csv").write_text("file,label\n" + rows("train/{n:04d}.png,{word}"))
    return check(folder / "images", "--labels", str(folder / "labels.csv"))


@odd
def column_of_files_by_its_cells(folder: Path) -> list[str]:
    return labeled(folder, "scan,label\n" + rows("{n:04d}.png,{word}"))


@odd
def column_of_files_that_nothing_tells(folder: Path) -> list[str]:
    return labeled(folder, "one,two,label\n" + rows("{n:04d}.png,{n:04d}.png,{word}"))


@odd
def no_header(folder: Path) -> list[str]:
    return labeled(folder, rows("{n:04d}.png,{word}"))


@odd
def split_by_is_valid(folder: Path) -> list[str]:
    return labeled(
        folder, "name,label,is_valid\n" + rows("{n:04d}.png,{word},{v}", v=("False", "False", "True", "True"))
    )


@odd
def split_by_is_test(folder: Path) -> list[str]:
    return labeled(folder, "file,label,is_test\n" + rows("{n:04d}.png,{word},{v}", v=(0, 0, 0, 0, 1, 1)))


@odd
def split_by_usage(folder: Path) -> list[str]:
    v = ("Training", "Training", "PublicTest", "PrivateTest")
    return labeled(folder, "file,label,Usage\n" + rows("{n:04d}.png,{word},{v}", v=v))


@odd
def folds_are_not_a_split(folder: Path) -> list[str]:
    return labeled(folder, "file,label,fold\n" + rows("{n:04d}.png,{word},{v}", v=range(5)))


@odd
def one_hot_with_points(folder: Path) -> list[str]:
    return labeled(folder, "image,cat,dog\n" + rows("{n:04d},{a},{b}", a=("1.0", "0.0"), b=("0.0", "1.0")))


@odd
def one_hot_as_classes(folder: Path) -> list[str]:
    text = "image,cat,dog\n" + rows("{n:04d},{a},{b}", a=("yes", "no"), b=("no", "yes"))
    return labeled(folder, text, "--task", "classification")


@odd
def one_hot_with_marks(folder: Path) -> list[str]:
    return labeled(folder, "image,cat,dog\n" + rows("{n:04d},{a},{b}", a=("x", "", "x"), b=("", "x", "x")))


@odd
def comments_separator_and_blank_rows(folder: Path) -> list[str]:
    text = "sep=;\n# made by hand\nfile;label\n" + rows("{n:04d}.png;{word}") + "# end\n;\n;\n\n"
    return labeled(folder, text)


@odd
def tabs_and_utf_16(folder: Path) -> list[str]:
    return labeled(folder, ("file\tlabel\n" + rows("{n:04d}.png\t{word}")).encode("utf-16"), name="labels.txt")


@odd
def packed_with_gz(folder: Path) -> list[str]:
    return labeled(folder, gzip.compress(("file,label\n" + rows("{n:04d}.png,{word}")).encode()), name="labels.csv.gz")


@odd
def json_lines(folder: Path) -> list[str]:
    text = rows('{{"file_name": "{n:04d}.png", "label": "{word}"}}')
    return labeled(folder, text, name="metadata.jsonl")


@odd
def excel(folder: Path) -> list[str]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return labeled(folder, file.getvalue(), name="labels.xlsx")


@odd
def parquet(folder: Path) -> list[str]:
    return labeled(folder, b"PAR1....PAR1", name="labels.parquet")


@odd
def header_names_that_stand_twice(folder: Path) -> list[str]:
    return labeled(folder, "file,label,label\n" + rows("{n:04d}.png,{word},{word}"))


@odd
def zero_bytes(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{word}\0"))


@odd
def commas_without_quotes(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{word},wild"))


@odd
def half_a_quotation_mark(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows('{n:04d}.png,"{word}'))


@odd
def whole_numbers_with_points(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{v}", v=("1", "1.0", "2", "2.0")))


@odd
def labels_that_look_the_same(folder: Path) -> list[str]:
    v = ("caf\u00e9", "cafe\u0301", "tea", "t\u200bea", " tea ", "caf\u00e9")
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{v}", v=v))


@odd
def labels_that_differ_in_case(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{v}", v=("Cat", "cat", "dog")))


@odd
def missing_labels(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{v}", v=("1", "2", "2", "nan")))


@odd
def missing_labels_called_none(folder: Path) -> list[str]:
    return labeled(folder, "file,label\n" + rows("{n:04d}.png,{v}", v=("None", "crack")))


@odd
def none_as_a_class(folder: Path) -> list[str]:
    text = "file,label\n" + rows("{n:04d}.png,{v}", v=("None", "crack"))
    return labeled(folder, text, "--task", "classification")


@odd
def labels_between_commas(folder: Path) -> list[str]:
    text = "file,tags\n" + rows('{n:04d}.png,"{v}"', v=("clear, primary", "clear", "haze, primary"))
    return labeled(folder, text, "--task", "multilabel")


@odd
def labels_between_commas_unasked(folder: Path) -> list[str]:
    return labeled(folder, "file,tags\n" + rows('{n:04d}.png,"{v}"', v=("clear, primary", "clear", "haze, primary")))


@odd
def labels_between_spaces(folder: Path) -> list[str]:
    text = "image_name,tags\n" + rows("{n:04d},{v}", v=("clear primary", "clear", "haze primary", "haze"))
    return labeled(folder, text, "--task", "multilabel")


@odd
def labels_in_brackets(folder: Path) -> list[str]:
    return labeled(
        folder, "file,tags\n" + rows('{n:04d}.png,"{v}"', v=("['a', 'b']", "['b']", "[]")), "--task", "multilabel"
    )


@odd
def numbers_with_percent_signs(folder: Path) -> list[str]:
    return labeled(folder, "file,cover\n" + rows("{n:04d}.png,{n}%"))


@odd
def numbers_with_thousands_separators(folder: Path) -> list[str]:
    return labeled(folder, "file,price\n" + rows('{n:04d}.png,"1,{n:03d}"'))


@odd
def numbers_with_units(folder: Path) -> list[str]:
    return labeled(folder, "file,height\n" + rows("{n:04d}.png,{n} cm"), "--task", "regression")


@odd
def split_by_the_folders_of_the_files(folder: Path) -> list[str]:
    for side in ("train", "val"):
        images(folder / "images" / side)
    text = "file,label\n" + rows("train/{n:04d}.png,{word}") + rows("val/{n:04d}.png,{word}")
    (folder / "labels.csv").write_text(text)
    return check(folder / "images", "--labels", str(folder / "labels.csv"))
