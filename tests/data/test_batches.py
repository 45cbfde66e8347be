"""Decoded batches: in order, ahead but not far, and gone when nobody wants them any more."""

import contextlib
import gc
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convlens.core.preprocessing import Preprocessing
from convlens.data import batches
from convlens.data.batches import PixelBatch, centered, decoded_batches, normalized, read_and_decode
from convlens.data.decode import BadImage, Decoded, decode
from convlens.data.manifest import ImageFile
from tests.data.drawn import encoded, put, slopes

PREPROCESSING = Preprocessing(size=24, resize=32)


def image_of(path: Path) -> ImageFile:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return ImageFile(path=path, file=path.name, labels=("a",), side=None, sha256=sha256, bytes=len(content))


def gray_images(folder: Path, count: int) -> list[ImageFile]:
    """Images of one gray each, which tells their number."""
    for number in range(count):
        put(folder / f"{number:03d}.png", encoded(Image.new("RGB", (32, 32), (number,) * 3), "PNG"))
    return [image_of(folder / f"{number:03d}.png") for number in range(count)]


def numbers(batch: PixelBatch) -> list[int]:
    """The images' numbers, as their pixels tell them."""
    return [int(pixels[0, 0, 0]) for pixels in batch.pixels]


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


class TestBatches:
    def test_order_and_sizes(self, tmp_path: Path) -> None:
        images = gray_images(tmp_path, 23)
        found = list(decoded_batches(images, PREPROCESSING, 5))
        assert [len(batch.images) for batch in found] == [5, 5, 5, 5, 3]
        assert [image for batch in found for image in batch.images] == images
        assert [number for batch in found for number in numbers(batch)] == list(range(23))
        assert found[0].pixels.shape == (5, 24, 24, 3)
        assert found[0].pixels.dtype == torch.uint8

    def test_order_does_not_depend_on_who_is_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow_at_first(data: bytes, **sizes: int) -> Decoded:
            found = decode(data, **sizes)  # type: ignore[arg-type]
            time.sleep(0.02 if found.pixels[0, 0, 0] % 5 == 0 else 0)
            return found

        monkeypatch.setattr(batches, "decode", slow_at_first)
        found = decoded_batches(gray_images(tmp_path, 12), PREPROCESSING, 4)
        assert [number for batch in found for number in numbers(batch)] == list(range(12))

    def test_no_images(self) -> None:
        assert list(decoded_batches([], PREPROCESSING, 4)) == []

    def test_bad_images_are_left_out_with_the_fact_why(self, tmp_path: Path) -> None:
        whole = encoded(slopes(), "PNG")
        put(tmp_path / "0.jpg", whole)
        put(tmp_path / "1.jpg", whole[: len(whole) // 2])
        put(tmp_path / "2.jpg", "a text")
        moving = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
        put(tmp_path / "3.jpg", encoded(moving[0], "GIF", save_all=True, append_images=moving[1:]))
        images = [image_of(tmp_path / f"{number}.jpg") for number in range(4)]
        (batch,) = decoded_batches(images, PREPROCESSING, 8)
        assert batch.images == (images[0], images[3])
        assert len(batch.pixels) == 2
        assert [(one.file, one.reason, one.used) for one in batch.problems] == [
            ("1.jpg", "truncated", False),
            ("2.jpg", "not-an-image", False),
        ]
        assert batch.failures == ()
        facts = [batch.facts[image.sha256] for image in images]
        assert [(fact.usable, fact.reason) for fact in facts] == [
            (True, ""),
            (False, "truncated"),
            (False, "not-an-image"),
            (True, "animated"),
        ]
        assert facts[0].thumbnail.startswith(b"\xff\xd8")
        assert facts[1].thumbnail == b""

    def test_a_batch_without_any_good_image(self, tmp_path: Path) -> None:
        (batch,) = decoded_batches([image_of(put(tmp_path / "0.jpg", "a text"))], PREPROCESSING, 8)
        assert batch.images == ()
        assert batch.pixels.shape == (0, 24, 24, 3)

    def test_vanished_and_changed_files_say_nothing_about_their_bytes(self, tmp_path: Path) -> None:
        images = gray_images(tmp_path, 4)
        images[0].path.unlink()
        images[1].path.write_bytes(images[2].path.read_bytes())
        images[3].path.unlink()
        images[3].path.mkdir()
        (batch,) = decoded_batches(images, PREPROCESSING, 4)
        assert batch.images == (images[2],)
        assert set(batch.facts) == {images[2].sha256}
        assert [(one.file, one.reason) for one in batch.failures] == [
            ("000.png", "unreadable"),
            ("001.png", "changed"),
            ("003.png", "unreadable"),
        ]
        assert batch.failures[0].detail == "No such file or directory"
        assert batch.problems == batch.failures


class TestThreads:
    def test_never_more_than_the_stated_number_of_batches_ahead(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun: list[Path] = []

        def noted(path: Path, *rest: object) -> Decoded | BadImage:
            begun.append(path)
            return read_and_decode(path, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(batches, "read_and_decode", noted)
        with contextlib.closing(decoded_batches(gray_images(tmp_path, 60), PREPROCESSING, 3)) as running:
            for taken in range(5):
                next(running)
                time.sleep(0.05)
                assert len(begun) <= 3 * (taken + batches._AHEAD)
        assert len(begun) >= 3 * batches._AHEAD

    def test_a_batch_is_not_kept_once_it_was_handed_over(self, tmp_path: Path) -> None:
        with contextlib.closing(decoded_batches(gray_images(tmp_path, 12), PREPROCESSING, 3)) as running:
            for _ in range(3):
                next(running)
                time.sleep(0.05)
                gc.collect()
                alive = sum(type(one) is Decoded for one in gc.get_objects())
                assert alive <= 3 * (batches._AHEAD - 1)

    def test_the_threads_end_when_the_consumer_stops_early(self, tmp_path: Path) -> None:
        running = decoded_batches(gray_images(tmp_path, 40), PREPROCESSING, 4)
        next(running)
        assert decoding_threads()
        running.close()
        assert decoding_threads() == []

    def test_the_threads_end_when_all_is_done(self, tmp_path: Path) -> None:
        assert len(list(decoded_batches(gray_images(tmp_path, 6), PREPROCESSING, 4))) == 2
        assert decoding_threads() == []

    @pytest.mark.parametrize("position", [0, 7, 39])
    def test_an_error_of_the_program_reaches_the_consumer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
    ) -> None:
        def failing(data: bytes, **sizes: int) -> Decoded:
            found = decode(data, **sizes)  # type: ignore[arg-type]
            if found.pixels[0, 0, 0] == position:
                raise ZeroDivisionError("a mistake of ours")
            return found

        monkeypatch.setattr(batches, "decode", failing)
        with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
            list(decoded_batches(gray_images(tmp_path, 40), PREPROCESSING, 4))
        assert decoding_threads() == []

    def test_images_are_decoded_at_the_same_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if os.cpu_count() == 1:
            pytest.skip("one processor")
        meeting = threading.Barrier(2)

        def met(data: bytes, **sizes: int) -> Decoded:
            meeting.wait(timeout=20)
            return decode(data, **sizes)  # type: ignore[arg-type]

        monkeypatch.setattr(batches, "decode", met)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        assert len(list(decoded_batches(gray_images(tmp_path, 4), PREPROCESSING, 2))) == 2


class TestNetworkInput:
    def test_normalized(self) -> None:
        pixels = torch.randint(0, 256, (2, 24, 20, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
        before = pixels.clone()
        found = normalized(pixels, PREPROCESSING)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std))
        torch.testing.assert_close(found, (pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(pixels, before)

    def test_no_images(self) -> None:
        assert normalized(torch.empty((0, 24, 24, 3), dtype=torch.uint8), PREPROCESSING).shape == (0, 3, 24, 24)

    @pytest.mark.parametrize(("size", "resize"), [(24, 32), (24, 31), (25, 32), (25, 31), (24, 24), (24, 25)])
    @pytest.mark.parametrize("format_", ["PNG", "JPEG"])
    def test_the_centre_of_stored_pixels_is_what_decoding_crops(self, size: int, resize: int, format_: str) -> None:
        data = encoded(slopes(), format_)
        wanted = Preprocessing(size=size, resize=resize)
        at_once, stored = (
            decode(data, resize=one.resize, size=one.size).pixels for one in (wanted, wanted.with_margin())
        )
        found = centered(torch.from_numpy(stored)[None], wanted)
        assert resize - 1 <= stored.shape[0] <= resize
        torch.testing.assert_close(found, normalized(torch.from_numpy(at_once)[None], wanted), atol=1e-6, rtol=0)

    def test_pixels_with_another_margin_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"\(31, 31\) have no margin of 3 around 24"):
            centered(torch.zeros((1, 31, 31, 3), dtype=torch.uint8), Preprocessing(size=24, resize=31))


def test_reading_without_a_hash_believes_what_is_there(tmp_path: Path) -> None:
    found = read_and_decode(put(tmp_path / "a.png", encoded(slopes(), "PNG")), PREPROCESSING)
    assert isinstance(found, Decoded)
    assert np.array_equal(found.pixels, decode(encoded(slopes(), "PNG"), resize=32, size=24).pixels)


def test_a_slice_of_images_is_enough(tmp_path: Path) -> None:
    images: Sequence[ImageFile] = tuple(gray_images(tmp_path, 4))[1:3]
    assert [numbers(batch) for batch in decoded_batches(images, PREPROCESSING, 4)] == [[1, 2]]
