"""Images and command lines as people bring them, each with the words of a command that it is tried on.

Every input is modeled on a public report against another tool, or on what cameras, phones, microscopes and download
scripts write. Images are drawn; nothing is downloaded.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from tools.odd_input import OddInput, adding_to

TINY = ("--backbone", "house", "--weights", "random", "--size", "32", "--epochs", "1")
COLORS = {"cats": (200, 40, 40), "dogs": (40, 40, 200)}

ODD_IMAGES: list[OddInput] = []
odd = adding_to(ODD_IMAGES)


def drawn(seed: str, color: tuple[int, int, int] = (200, 40, 40), size: tuple[int, int] = (60, 40)) -> Image.Image:
    """An image of one color with specks that no other seed has."""
    image, speck = Image.new("RGB", size, color), random.Random(seed)
    for _ in range(80):
        image.putpixel((speck.randrange(size[0]), speck.randrange(size[1])), (speck.randrange(256),) * 3)
    return image


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def classes(folder: Path, count: int = 6, suffix: str = "png") -> Path:
    """The folder, with two classes of ordinary images."""
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            drawn(f"{name}{number}", color).save(folder / name / f"{number}.{suffix}")
    return folder


def among(folder: Path, name: str, *contents: bytes) -> list[str]:
    """The words of a training on ordinary images, among which these files are; `name` has a place for a number."""
    images = classes(folder / "images")
    for number, content in enumerate(contents):
        (images / "cats" / name.format(number)).write_bytes(content)
    return ["train", str(images), *TINY, "--out", str(folder / "run")]


def one_image(folder: Path) -> Path:
    """The path of an ordinary image."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn("one").save(folder / "one.png")
    return folder / "one.png"


def a_run(folder: Path) -> Path:
    """The path of a finished run on ordinary images, which lie in `images`."""
    from convlens.tasks.train import train

    train(classes(folder / "images"), out=folder / "run", backbone="house", weights="random", size=32, epochs=1)
    return folder / "run"


def jpegs(count: int = 3) -> Iterator[bytes]:
    """Ordinary JPEG files."""
    for number in range(count):
        yield encoded(drawn(f"jpeg{number}"), "JPEG")


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


# Files


@odd
def jpeg_without_end_marker(folder: Path) -> list[str]:
    return among(folder, "unended-{}.jpg", *(data[:-2] for data in jpegs()))


@odd
def jpeg_filled_up_with_zeros(folder: Path) -> list[str]:
    return among(folder, "filled-{}.jpg", *(data[:-2] + bytes(4000) for data in jpegs()))


@odd
def jpeg_with_junk_after_its_end(folder: Path) -> list[str]:
    return among(folder, "junk-{}.jpg", *(data + b"<!-- served by -->" * 50 for data in jpegs()))


@odd
def jpeg_cut_in_half(folder: Path) -> list[str]:
    return among(folder, "half-{}.jpg", *(data[: len(data) // 2] for data in jpegs()))


@odd
def png_with_a_long_text(folder: Path) -> list[str]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("ImageDescription", "<OME>" + "x" * 3_000_000, zip=True)
    return among(folder, "microscope-{}.png", encoded(drawn("text"), "PNG", pnginfo=texts))


@odd
def png_with_many_texts(folder: Path) -> list[str]:
    texts = PngImagePlugin.PngInfo()
    for number in range(80):
        texts.add_text(f"prompt{number}", "x" * 900_000, zip=True)
    return among(folder, "generated-{}.png", encoded(drawn("texts"), "PNG", pnginfo=texts))


@odd
def png_with_a_gamma_of_one(folder: Path) -> list[str]:
    plain = encoded(drawn("gamma"), "PNG")
    return among(folder, "linear-{}.png", plain[:33] + png_chunk(b"gAMA", struct.pack(">I", 100_000)) + plain[33:])


@odd
def jpeg_in_display_p3(folder: Path) -> list[str]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for encoding in ("ascii", "utf-16-be"):
        profile = profile.replace("sRGB built-in".encode(encoding), "Display P3   ".encode(encoding))
    return among(folder, "phone-{}.jpg", encoded(drawn("p3"), "JPEG", icc_profile=profile))


@odd
def jpeg_in_cmyk(folder: Path) -> list[str]:
    return among(folder, "print-{}.jpg", encoded(drawn("cmyk").convert("CMYK"), "JPEG"))


@odd
def gray_of_12_bits_in_16(folder: Path) -> list[str]:
    values = np.random.default_rng(0).integers(0, 4096, (3, 40, 60), dtype=np.uint16)
    return among(folder, "camera-{}.png", *(encoded(Image.fromarray(one), "PNG") for one in values))


@odd
def gray_of_16_bits(folder: Path) -> list[str]:
    values = np.random.default_rng(0).integers(0, 65536, (3, 40, 60), dtype=np.uint16)
    return among(folder, "scan-{}.tif", *(encoded(Image.fromarray(one), "TIFF") for one in values))


@odd
def tiff_of_floating_point(folder: Path) -> list[str]:
    return among(folder, "field-{}.tif", encoded(Image.fromarray(np.ones((40, 60), np.float32)), "TIFF"))


@odd
def tiff_of_three_pages(folder: Path) -> list[str]:
    pages = [drawn(f"page{number}") for number in range(3)]
    return among(folder, "stack-{}.tif", encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


@odd
def animated_gif(folder: Path) -> list[str]:
    frames = [drawn(f"frame{number}") for number in range(3)]
    return among(folder, "moving-{}.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))


@odd
def avif(folder: Path) -> list[str]:
    return among(folder, "web-{}.avif", *(encoded(drawn(f"avif{number}"), "AVIF") for number in range(3)))


@odd
def jpeg_2000(folder: Path) -> list[str]:
    return among(folder, "archive-{}.jp2", *(encoded(drawn(f"jp2{number}"), "JPEG2000") for number in range(3)))


@odd
def portable_pixmap(folder: Path) -> list[str]:
    return among(folder, "plain-{}.ppm", *(encoded(drawn(f"ppm{number}"), "PPM") for number in range(3)))


@odd
def portable_graymap(folder: Path) -> list[str]:
    return among(folder, "faces-{}.pgm", *(encoded(drawn(f"pgm{number}").convert("L"), "PPM") for number in range(3)))


@odd
def heic(folder: Path) -> list[str]:
    """The head of one, which is what names it; a machine without the extra does not read on."""
    return among(folder, "IMG_{}.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))


@odd
def dicom(folder: Path) -> list[str]:
    return among(folder, "scan-{}.dcm", bytes(128) + b"DICM" + bytes(200))


@odd
def error_page_named_jpg(folder: Path) -> list[str]:
    return among(folder, "gone-{}.jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>")


@odd
def git_lfs_pointers(folder: Path) -> list[str]:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 48213\n"
    return among(folder, "lfs-{}.jpg", *(pointer % number for number in range(3)))


@odd
def empty_files(folder: Path) -> list[str]:
    return among(folder, "empty-{}.jpg", b"", b"")


@odd
def photoshop_file(folder: Path) -> list[str]:
    return among(folder, "draft-{}.jpg", b"8BPS\0\1" + bytes(100))


@odd
def object_at_the_edge_of_wide_images(folder: Path) -> list[str]:
    for name, color in COLORS.items():
        (folder / "images" / name).mkdir(parents=True)
        for number in range(8):
            image = drawn(f"{name}{number}", (90, 90, 90), (180, 40))
            image.paste(color, (0, 0, 40, 40))
            image.save(folder / "images" / name / f"{number}.png")
    return ["train", str(folder / "images"), *TINY, "--fit", "letterbox", "--out", str(folder / "run")]


@odd
def way_to_fit_that_there_is_not(folder: Path) -> list[str]:
    return ["train", str(classes(folder / "images")), *TINY, "--fit", "pad"]


# Command lines


@odd
def predict_image_before_network(folder: Path) -> list[str]:
    return ["predict", str(one_image(folder)), "house"]


@odd
def explain_image_before_network(folder: Path) -> list[str]:
    return ["explain", str(one_image(folder)), "house"]


@odd
def evaluate_folder_before_run(folder: Path) -> list[str]:
    run = a_run(folder)
    return ["evaluate", str(folder / "images"), str(run)]


@odd
def evaluate_on_the_images_of_training(folder: Path) -> list[str]:
    run = a_run(folder)
    return ["evaluate", str(run), str(folder / "images")]


@odd
def evaluate_a_table_of_some_images(folder: Path) -> list[str]:
    run = a_run(folder)
    (folder / "some.csv").write_text("file,label\ncats/0.png,cats\ndogs/1.png,dogs\n")
    return ["evaluate", str(run), str(folder / "images"), "--labels", str(folder / "some.csv"), "--side", "all"]


@odd
def check_a_table_of_some_images(folder: Path) -> list[str]:
    classes(folder / "images", 40)
    (folder / "some.csv").write_text("file,label\ncats/0.png,cats\ndogs/1.png,dogs\n")
    return ["check", str(folder / "images"), "--labels", str(folder / "some.csv")]


@odd
def explain_a_folder(folder: Path) -> list[str]:
    return ["explain", str(classes(folder / "images"))]


@odd
def explain_images_of_a_folder(folder: Path) -> list[str]:
    return ["explain", "house", str(classes(folder / "images")), "--out", str(folder / "page.html")]


@odd
def explain_into_a_folder(folder: Path) -> list[str]:
    return ["explain", "house", str(one_image(folder)), "--out", str(folder)]


@odd
def explain_random_weights(folder: Path) -> list[str]:
    return ["explain", "mlp", "--out", str(folder / "mlp.html")]


@odd
def recipe_with_a_byte_order_mark(folder: Path) -> list[str]:
    (folder / "recipe.toml").write_bytes(
        b"\xef\xbb\xbf" + b'backbone = "house"\nweights = "random"\nsize = 32\nepochs = 1\n'
    )
    words = ["train", str(classes(folder / "images")), "--recipe", str(folder / "recipe.toml")]
    return [*words, "--out", str(folder / "run")]


@odd
def recipe_with_a_wrong_value(folder: Path) -> list[str]:
    (folder / "recipe.toml").write_text('epochs = "many"\n')
    return ["train", str(classes(folder / "images")), "--recipe", str(folder / "recipe.toml")]


@odd
def recipe_in_utf_16(folder: Path) -> list[str]:
    (folder / "recipe.toml").write_text("epochs = 3\n", encoding="utf-16")
    return ["train", str(classes(folder / "images")), "--recipe", str(folder / "recipe.toml")]


@odd
def name_that_is_too_long(folder: Path) -> list[str]:
    return ["predict", "house", str(folder / ("x" * 300 + ".jpg"))]


@odd
def zoo_list(folder: Path) -> list[str]:
    return ["zoo", "list"]


def _with_option(name: str, *words: str) -> None:
    """Adds a training with words that another tool takes."""

    def build(folder: Path) -> list[str]:
        return ["train", str(classes(folder / "images")), *words]

    ODD_IMAGES.append(OddInput(name, build))


_OF_OTHERS = {
    "lr": ("--lr", "0.1"),
    "bs": ("--bs", "16"),
    "model": ("--model", "resnet50"),
    "arch": ("--arch", "resnet50"),
    "pretrained": ("--pretrained",),
    "imgsz": ("--imgsz", "640"),
    "data": ("--data", "images"),
    "workers": ("--workers", "8"),
    "epochs_many": ("--epochs", "many"),
    "epochs_none": ("--epochs", "0"),
    "learning_rate_nan": ("--learning-rate", "nan"),
    "efficientnet_b0": ("--backbone", "efficientnet_b0"),
    "vit": ("--backbone", "vit"),
}
for _name, _words in _OF_OTHERS.items():
    _with_option(f"option_{_name}", *_words)
