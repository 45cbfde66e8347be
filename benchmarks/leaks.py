"""Whether planted leaks and shortcuts are found, and nothing else.

    python benchmarks/leaks.py TINY_IMAGENET/val ../shared/data/hymenoptera

Of 20 classes of Tiny ImageNet's validation side, 30 images are to train on and 20 to validate. Leaks of each kind are
planted among those to validate, made from images to train on; shortcuts in one class.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from convlens.core.audit import AuditRecord
from convlens.tasks.audit import audit

CLASSES, TRAINED, VALIDATED = 20, 30, 20
PLANTED = 20
SIZE = 128
_MODEL, _EXIF, _TAKEN = 0x0110, 0x8769, 0x9003


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tiny", type=Path)
    parser.add_argument("photos", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        _leaks(given.tiny, given.photos, Path(place))
        _shortcuts(given.tiny, Path(place))


def _leaks(tiny: Path, photos: Path, place: Path) -> None:
    print("| planted | found | others found | accuracy with, without | seconds |")
    print("|---|---|---|---|---|")
    _print_leaks("nothing", _audited(_divided(tiny, place / "clean"), place), set())
    start = time.perf_counter()
    found = audit(photos, out=place / "photos")
    _print_leaks("nothing, ants and bees", (found, time.perf_counter() - start), set())
    for name, plant in PLANTS.items():
        folder = _divided(tiny, place / name)
        trained = sorted((folder / "train").glob("*/*.png"))[:: CLASSES * TRAINED // PLANTED]
        planted = set()
        for number, file in enumerate(trained):
            target = folder / "val" / file.parent.name / f"planted{number}.png"
            plant(file, target, number)
            planted.add(target.relative_to(folder).as_posix())
        _print_leaks(f"{len(planted)} {name}", _audited(folder, place), planted)


def _print_leaks(planted: str, outcome: tuple[AuditRecord, float], files: set[str]) -> None:
    record, seconds = outcome
    assert record.leaks is not None
    found = {one.file for one in record.leaks.leaks}
    both = record.leaks.with_leaks, record.leaks.without_leaks
    accuracies = ", ".join(f"{one.accuracy:.1%}" for one in both if one)
    print(f"| {planted} | {len(found & files)} | {len(found - files)} | {accuracies} | {seconds:.0f} |", flush=True)


def _shortcuts(tiny: Path, place: Path) -> None:
    print("\n| planted in one class of four | found |")
    print("|---|---|")
    for name, change in SHORTCUTS.items():
        folder = place / f"short {name}"
        for number, source in enumerate(sorted(tiny.iterdir())[:4]):
            (folder / source.name).mkdir(parents=True)
            for file in sorted(source.iterdir()):
                with Image.open(file) as image:
                    change(image.convert("RGB"), folder / source.name / f"{file.stem}.jpg", number == 0)
        record, _ = _audited(folder, place)
        told = [f"{one.fact} {one.accuracy:.0%} ({one.here}, others {one.elsewhere})" for one in record.shortcuts.found]
        print(f"| {name} | {', '.join(told) or 'none'} |", flush=True)


def _audited(folder: Path, place: Path) -> tuple[AuditRecord, float]:
    start = time.perf_counter()
    record = audit(folder, size=SIZE, out=place / f"audit of {folder.name}")
    return record, time.perf_counter() - start


def _divided(tiny: Path, folder: Path) -> Path:
    for source in sorted(tiny.iterdir())[:CLASSES]:
        files = sorted(source.iterdir())
        for side, chosen in (("val", files[:VALIDATED]), ("train", files[VALIDATED : VALIDATED + TRAINED])):
            (folder / side / source.name).mkdir(parents=True)
            for file in chosen:
                with Image.open(file) as image:
                    image.convert("RGB").save(folder / side / source.name / f"{file.stem}.png")
    return folder


def _same(file: Path, target: Path, number: int) -> None:
    target.write_bytes(file.read_bytes())


def _smaller(file: Path, target: Path, number: int) -> None:
    with Image.open(file) as image:
        image.resize((48, 48)).save(target, "JPEG", quality=60)


def _mirrored(file: Path, target: Path, number: int) -> None:
    with Image.open(file) as image:
        ImageOps.mirror(image).save(target, "JPEG", quality=80)


def _cropped(file: Path, target: Path, number: int) -> None:
    draw = np.random.default_rng(number)
    with Image.open(file) as image:
        side = int(64 * draw.uniform(0.6, 0.9))
        left, top = draw.integers(0, 64 - side, 2).tolist()
        image.crop((left, top, left + side, top + side)).resize((64, 64)).save(target, "JPEG", quality=85)


def _in_one_minute(file: Path, target: Path, number: int) -> None:
    """Another image of the class, by the camera and in the minute of this one."""
    val = sorted(target.parent.glob("[0-9]*.png"))[number % VALIDATED]
    for source, path in ((file, file), (val, target)):
        with Image.open(source) as image:
            exif = Image.Exif()
            exif[_MODEL] = "Planted 1"
            exif.get_ifd(_EXIF)[_TAKEN] = f"2026:11:28 {number:02d}:00:{len(path.name) % 60:02d}"
            image.save(path, "PNG", exif=exif)
    val.unlink()


def _saved(image: Image.Image, path: Path, quality: int = 90) -> None:
    image.save(path, quality=quality)


def _brighter(image: Image.Image, path: Path, chosen: bool) -> None:
    _saved(Image.eval(image, lambda value: min(255, value + 60)) if chosen else image, path)


def _poorer(image: Image.Image, path: Path, chosen: bool) -> None:
    _saved(image, path, quality=60 if chosen else 90)


def _wider(image: Image.Image, path: Path, chosen: bool) -> None:
    _saved(image.crop((0, 0, 64, 52)) if chosen else image, path)


def _bordered(image: Image.Image, path: Path, chosen: bool) -> None:
    _saved(ImageOps.expand(image.crop((3, 3, 61, 61)), 3, fill=0) if chosen else image, path)


PLANTS: dict[str, Callable[[Path, Path, int], None]] = {
    "the same file": _same,
    "smaller, as JPEG": _smaller,
    "mirrored": _mirrored,
    "cropped": _cropped,
    "by one camera in one minute": _in_one_minute,
}
SHORTCUTS: dict[str, Callable[[Image.Image, Path, bool], None]] = {
    "nothing": lambda image, path, chosen: _saved(image, path),
    "brighter": _brighter,
    "JPEG quality": _poorer,
    "aspect": _wider,
    "a black border": _bordered,
}


if __name__ == "__main__":
    main()
