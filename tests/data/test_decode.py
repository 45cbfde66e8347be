"""Decoding: one definition of the pixels for every format, and one word for everything that is no image."""

import contextlib
import io
import random
import struct
import subprocess
import sys
import textwrap
import time
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convlens.data.decode import LEAST_SIDE, THUMBNAIL_SIDE, BadImage, Decoded, decode
from tests.data.drawn import encoded, mean_color, noise, oriented, slopes

pillow_warns = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
"""For files on which Pillow warns; decode silences it, but within a test warnings are errors again."""

WHOLE = {
    "jpeg": encoded(noise(), "JPEG"),
    "progressive_resizing": encoded(noise(), "JPEG", progressive_resizing=True),
    "jpeg-with-thumbnail": encoded(noise(), "JPEG", exif=b"Exif\0\0" + encoded(slopes(), "JPEG")),
    "png": encoded(noise(), "PNG"),
    "webp": encoded(noise(), "WEBP"),
    "webp-lossless": encoded(noise(), "WEBP", lossless=True),
    "gif": encoded(noise().quantize(), "GIF"),
    "bmp": encoded(noise(), "BMP"),
    "tiff": encoded(noise(), "TIFF"),
    "tiff-lzw": encoded(noise(), "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": encoded(noise(), "TIFF", compression="jpeg"),
}


def decoded(data: bytes, resize: int = 64, size: int = 64, interpolation: str = "bilinear") -> Decoded:
    return decode(data, resize=resize, size=size, interpolation=interpolation)


def refusal(data: bytes) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decoded(data)
    return caught.value


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.abs(one.astype(np.int16) - other.astype(np.int16))


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    """The PNG with one more chunk after its header."""
    return png[:33] + png_chunk(name, content) + png[33:]


class TestPixels:
    def test_shape_and_type(self) -> None:
        image = decoded(encoded(slopes(), "PNG"), resize=72, size=64)
        assert image.pixels.shape == (64, 64, 3)
        assert image.pixels.dtype == np.uint8
        assert image.remark is None

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize(
        ("width", "height", "resize", "size"),
        [(320, 240, 64, 56), (240, 320, 72, 64), (50, 40, 64, 64), (300, 300, 96, 95)],
    )
    def test_one_step_equals_resize_then_crop(
        self, width: int, height: int, resize: int, size: int, interpolation: str
    ) -> None:
        image = slopes(width, height)
        scale = resize / min(width, height)
        whole = image.resize(
            (round(width * scale), round(height * scale)),
            Image.Resampling.BILINEAR if interpolation == "bilinear" else Image.Resampling.BICUBIC,
        )
        left, top = round((whole.width - size) / 2), round((whole.height - size) / 2)
        expected = np.asarray(whole.crop((left, top, left + size, top + size)))
        pixels = decoded(encoded(image, "PNG"), resize, size, interpolation).pixels
        # Half a pixel, which the two steps round, is up to 255 / 64 / 2 gray levels of these slopes.
        assert difference(pixels, expected).mean() <= 1
        assert difference(pixels, expected).max() <= 2

    @pytest.mark.parametrize(("width", "height", "resize", "size"), [(320, 240, 64, 56), (100, 300, 64, 64)])
    def test_a_squashed_image_is_shown_to_its_edges(self, width: int, height: int, resize: int, size: int) -> None:
        image = slopes(width, height)
        margin = (resize - size) // 2
        whole = image.resize((resize, resize), Image.Resampling.BICUBIC)
        expected = np.asarray(whole.crop((margin, margin, margin + size, margin + size)))
        squashed = decode(encoded(image, "PNG"), resize=resize, size=size, interpolation="bicubic", squash=True).pixels
        assert difference(squashed, expected).max() <= 1
        centered = decode(encoded(image, "PNG"), resize=resize, size=size, interpolation="bicubic").pixels
        assert difference(squashed, centered).max() > 10

    def test_reduced_jpeg_decoding_is_close_to_the_whole(self) -> None:
        image = slopes(1600, 1200)
        reduced = decoded(encoded(image, "JPEG", quality=95), 224, 224).pixels
        whole = decoded(encoded(image, "PNG"), 224, 224).pixels
        assert difference(reduced, whole).mean() < 1
        assert difference(reduced, whole).max() <= 4

    @pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "BMP", "GIF"])
    def test_every_lossless_format_gives_the_same_pixels(self, format: str) -> None:  # noqa: A002
        image = slopes().quantize(64).convert("RGB")
        options = {"lossless": True} if format == "WEBP" else {}
        expected = decoded(encoded(image, "PNG")).pixels
        assert np.array_equal(decoded(encoded(image, format, **options)).pixels, expected)

    def test_the_extension_is_not_asked_and_what_follows_the_end_does_no_harm(self) -> None:
        data = encoded(slopes(), "JPEG")
        assert np.array_equal(decoded(data + b"junk" * 99).pixels, decoded(data).pixels)

    def test_progressive_jpeg(self) -> None:
        plain, progressive = (decoded(encoded(slopes(), "JPEG", progressive_resizing=p)).pixels for p in (False, True))
        assert difference(plain, progressive).max() <= 1


class TestOrientation:
    BACK = {  # noqa: RUF012  (what a camera does to an upright image before it writes this orientation)
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }

    @pytest.mark.parametrize("orientation", BACK)
    @pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
    def test_lossless_images_come_out_the_same(self, orientation: int, format: str) -> None:  # noqa: A002
        data = self._turned(orientation, format, **({"lossless": True} if format == "WEBP" else {}))
        assert np.array_equal(decoded(data).pixels, decoded(encoded(slopes(), "PNG")).pixels)

    @pytest.mark.parametrize("orientation", BACK)
    def test_jpeg(self, orientation: int) -> None:
        data = self._turned(orientation, "JPEG", quality=95)
        assert difference(decoded(data).pixels, decoded(encoded(slopes(), "PNG")).pixels).max() <= 4

    @pytest.mark.parametrize("orientation", [0, 9, 99])
    def test_values_that_mean_nothing_change_nothing(self, orientation: int) -> None:
        data = encoded(slopes(), "PNG", exif=oriented(orientation))
        assert np.array_equal(decoded(data).pixels, decoded(encoded(slopes(), "PNG")).pixels)

    def test_sixteen_bit_gray(self) -> None:
        ramp = (np.arange(120 * 160, dtype=np.uint16).reshape(120, 160)) * 3
        turned = Image.fromarray(np.rot90(ramp).copy())
        assert np.array_equal(
            decoded(encoded(turned, "PNG", exif=oriented(6))).pixels,
            decoded(encoded(Image.fromarray(ramp), "PNG")).pixels,
        )

    @pillow_warns
    @pytest.mark.parametrize(
        "block",
        [
            b"",
            b"garbage!",
            b"II*\0",
            b"II*\0\xff\xff\xff\xff",
            b"II*\0\x08\0\0\0\xff\xff",
            b"II*\0\x08\0\0\0\x02\0\x69\x87\x04\0\x01\0\0\0\xff\xff\xff\x7f",
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0ab\0\0\0\0\0\0",
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\x1a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ],
    )
    def test_a_malformed_block_does_not_make_the_image_unusable(self, block: bytes) -> None:
        jpeg, png = encoded(slopes(), "JPEG"), encoded(slopes(), "PNG")
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
        assert np.array_equal(decoded(jpeg[:2] + segment + jpeg[2:]).pixels, decoded(jpeg).pixels)
        assert np.array_equal(decoded(with_chunk(png, b"eXIf", block)).pixels, decoded(png).pixels)

    def test_a_malformed_text_profile_does_no_harm(self) -> None:
        png = encoded(slopes(), "PNG")
        strange = with_chunk(png, b"tEXt", b"Raw profile type exif\0\nexif\n  4\nzzzz\n")
        assert np.array_equal(decoded(strange).pixels, decoded(png).pixels)

    def _turned(self, orientation: int, format: str, **options: object) -> bytes:  # noqa: A002
        back = self.BACK[orientation]
        image = slopes() if back is None else slopes().transpose(back)
        return encoded(image, format, exif=oriented(orientation), **options)


class TestColors:
    @pytest.mark.parametrize(
        ("format", "dtype"),
        [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2"), ("TIFF", "<i4")],
        ids=["png", "tiff", "tiff-big-endian", "tiff-32-bit"],
    )
    def test_a_ramp_of_sixteen_bits_has_its_mean_in_the_middle(self, format: str, dtype: str) -> None:  # noqa: A002
        ramp = np.linspace(0, 65535, 128 * 128).reshape(128, 128).astype(dtype)
        pixels = decoded(encoded(Image.fromarray(ramp), format), 128, 128).pixels
        assert mean_color(pixels) == pytest.approx([127.5] * 3, abs=1)
        assert pixels.min() == 0
        assert pixels.max() == 255

    def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(self) -> None:
        values = np.array([0, 128, 129, 257, 32767, 32768, 65535], np.uint16)
        columns = Image.fromarray(np.repeat(np.repeat(values, 64)[None], 448, axis=0))
        row = decoded(encoded(columns, "PNG"), 448, 448).pixels[0, 32::64, 0]
        assert row.tolist() == np.round(values / 257).astype(int).tolist()

    def test_values_beyond_sixteen_bits_are_black_or_white(self) -> None:
        halves = np.repeat(np.array([[-5, 70000]], np.int32), 64, axis=1).repeat(128, axis=0)
        row = decoded(encoded(Image.fromarray(halves), "TIFF"), 128, 128).pixels[0, ::127, 0]
        assert row.tolist() == [0, 255]

    def test_floating_point_pixels_are_refused_rather_than_shown_black(self) -> None:
        bad = refusal(encoded(Image.fromarray(np.full((20, 20), 0.5, np.float32)), "TIFF"))
        assert (bad.reason, bad.lasting) == ("unreadable", True)
        assert "floating-point" in bad.detail

    @pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
    def test_transparency_is_shown_on_white(self, format: str) -> None:  # noqa: A002
        image = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
        image.paste((200, 0, 0, 255), (32, 0, 64, 64))
        options = {"lossless": True, "exact": True} if format == "WEBP" else {}
        pixels = decoded(encoded(image, format, **options)).pixels
        assert pixels[:, 0].tolist() == [[255, 255, 255]] * 64
        assert pixels[:, -1].tolist() == [[200, 0, 0]] * 64

    def test_half_transparent_gray(self) -> None:
        assert mean_color(decoded(encoded(Image.new("LA", (64, 64), (0, 128)), "PNG")).pixels) == [127] * 3

    @pytest.mark.parametrize("format", ["PNG", "GIF"])
    def test_transparent_color_of_a_palette(self, format: str) -> None:  # noqa: A002
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, 10, 20, 30, 40, 50, 60])
        image.paste(2, (32, 0, 64, 64))
        pixels = decoded(encoded(image, format, transparency=1)).pixels
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[0, -1].tolist() == [40, 50, 60]

    def test_palette_with_several_alphas(self) -> None:
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, 0, 0, 0])
        data = encoded(image, "PNG", transparency=bytes([255, 128]))
        assert mean_color(decoded(data).pixels) == [127] * 3

    def test_transparent_color_without_a_palette(self) -> None:
        data = encoded(Image.new("RGB", (64, 64), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
        assert mean_color(decoded(data).pixels) == [255] * 3

    def test_cmyk_jpeg_which_adobe_writes_inverted(self) -> None:
        data = encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95)
        assert b"Adobe" in data
        assert mean_color(decoded(data).pixels) == pytest.approx([255, 0, 0], abs=3)

    @pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
    def test_one_bit(self, format: str) -> None:  # noqa: A002
        image = Image.new("1", (64, 64), 0)
        image.paste(1, (0, 0, 32, 64))
        assert mean_color(decoded(encoded(image, format)).pixels) == pytest.approx([127.5] * 3, abs=1)

    def test_grey_jpeg(self) -> None:
        pixels = decoded(encoded(Image.new("L", (64, 64), 77), "JPEG")).pixels
        assert mean_color(pixels) == pytest.approx([77] * 3, abs=1)


class TestAnimations:
    FRAMES = [Image.new("RGB", (64, 64), color) for color in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]  # noqa: RUF012

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
    def test_the_first_frame_is_used_and_it_is_said(self, format: str) -> None:  # noqa: A002
        options = {"lossless": True} if format == "WEBP" else {}
        image = decoded(encoded(self.FRAMES[0], format, save_all=True, append_images=self.FRAMES[1:], **options))
        assert image.remark == ("animated", "3 frames, the first is used")
        assert mean_color(image.pixels) == [200, 0, 0]

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
    def test_one_frame_is_no_animation(self, format: str) -> None:  # noqa: A002
        assert decoded(encoded(self.FRAMES[0], format)).remark is None

    def test_damage_in_a_later_frame_leaves_the_first(self) -> None:
        frames = [noise(seed=seed).quantize(8) for seed in range(3)]
        data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        second = data.index(b",", len(data) // 2)
        for cut in (second - 20, second, second + 3, second + 12, len(data) - 5):
            assert np.array_equal(decoded(data[:cut]).pixels, decoded(encoded(frames[0], "GIF")).pixels)

    def test_frames_that_cannot_be_counted(self) -> None:
        data = encoded(self.FRAMES[0], "GIF", save_all=True, append_images=self.FRAMES[1:])
        last = data.rindex(b",\0\0\0\0\x40\0\x40\0")
        colors = 3 * 2 ** ((data[last + 9] & 7) + 1) if data[last + 9] & 0x80 else 0
        image = decoded(data[: last + 10 + colors])  # Pillow reads one byte more without asking whether it is there
        assert image.remark == ("animated", "later frames are damaged, the first is used")
        assert mean_color(image.pixels) == [200, 0, 0]


class TestThumbnail:
    @pytest.mark.parametrize(("width", "height"), [(400, 200), (40, 30), (600, 10), (10, 3000)])
    def test_it_is_a_small_jpeg_of_the_whole_image(self, width: int, height: int) -> None:
        with Image.open(io.BytesIO(decoded(encoded(slopes(width, height), "PNG")).thumbnail)) as small:
            assert small.format == "JPEG"
            scale = min(1, THUMBNAIL_SIDE / max(width, height))
            assert small.size == (max(1, round(width * scale)), max(1, round(height * scale)))


class TestSizes:
    @pytest.mark.parametrize(("width", "height"), [(1, 1), (LEAST_SIDE - 1, 100), (100, LEAST_SIDE - 1)])
    def test_tiny(self, width: int, height: int) -> None:
        bad = refusal(encoded(Image.new("RGB", (width, height)), "PNG"))
        assert bad.reason == "tiny"
        assert bad.detail == f"{width}x{height} pixels; the shorter side needs 8"

    def test_the_smallest_that_is_used(self) -> None:
        assert decoded(encoded(slopes(LEAST_SIDE, LEAST_SIDE), "PNG")).pixels.shape == (64, 64, 3)

    @pytest.mark.parametrize("format", ["PNG", "JPEG"])
    @pytest.mark.parametrize("size", [(60000, 10), (10, 60000)])
    def test_a_strange_aspect(self, size: tuple[int, int], format: str) -> None:  # noqa: A002
        pixels = decoded(encoded(Image.new("RGB", size, (10, 200, 30)), format)).pixels
        assert mean_color(pixels) == pytest.approx([10, 200, 30], abs=3)

    @pytest.mark.parametrize(("width", "height"), [(8001, 8000), (12000, 12000), (40000, 40000)])
    def test_too_many_pixels(self, width: int, height: int) -> None:
        start = time.perf_counter()
        bad = refusal(png_bomb(width, height))
        assert bad.reason == "too-large"
        assert "over 64 megapixels" in bad.detail
        assert time.perf_counter() - start < 1

    @pytest.mark.parametrize("kind", ["png", "gif"])
    def test_claims_are_refused_before_there_are_pixels_or_frames(self, kind: str) -> None:
        data = png_bomb(12000, 12000) if kind == "png" else gif_bomb()
        program = """
            import resource, sys
            from convlens.data.decode import BadImage, decode
            def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            before = peak()
            try:
                decode(sys.stdin.buffer.read(), resize=64, size=64)
            except BadImage as bad:
                print(bad.reason, peak() - before)
        """
        reason, megabytes = run_alone(program, data).split()
        assert reason == "too-large"
        assert float(megabytes) < 50


def png_bomb(width: int, height: int) -> bytes:
    return png_header(width, height) + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")


def gif_bomb() -> bytes:
    """Two small frames on a screen of 144 megapixels."""
    data = bytearray(encoded(noise().quantize(), "GIF", save_all=True, append_images=[noise(seed=1).quantize()]))
    data[6:10] = struct.pack("<HH", 12000, 12000)
    return bytes(data)


def run_alone(program: str, data: bytes) -> str:
    """What the program prints in a process of its own, given the data; nothing may reach its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], input=data, capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    return done.stdout.decode()


class TestTruncated:
    @pytest.mark.parametrize("kind", WHOLE)
    def test_wherever_it_is_cut(self, kind: str) -> None:
        data = WHOLE[kind]
        decoded(data)
        cuts = {12, 30, 60, 100, *(len(data) * part // 100 for part in (3, 10, 25, 50, 75, 90, 97))}
        reasons = {cut: refusal(data[:cut]).reason for cut in cuts}
        assert reasons == dict.fromkeys(cuts, "truncated")

    def test_it_says_where(self) -> None:
        assert refusal(WHOLE["jpeg"][:3000]).detail == "the JPEG file ends early, after 3000 bytes; pixels are missing"

    def test_a_download_that_was_given_its_size_beforehand(self) -> None:
        data = WHOLE["jpeg"]
        assert refusal(data[: len(data) // 2] + bytes(len(data) // 2)).reason == "truncated"

    @pytest.mark.parametrize("kind", ["png", "webp-lossless", "gif", "tiff-lzw"])
    def test_a_whole_file_with_damage_inside_is_not_called_truncated(self, kind: str) -> None:
        data = bytearray(WHOLE[kind])
        middle = len(data) // 2
        data[middle : middle + 400] = b"\xff" * 400
        bad = refusal(bytes(data))
        assert (bad.reason, bad.lasting) == ("unreadable", True)

    def test_damage_is_described_the_same_way_each_time(self) -> None:
        data = bytearray(WHOLE["png"])
        data[20] ^= 255  # the header no longer has its checksum
        details = {refusal(bytes(data)).detail for _ in range(3)}
        assert details == {"damaged PNG file: its header cannot be read"}


class TestNotAnImage:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0",
            b"\xff\xd8",
            b"just a text",
            b"BMW is a maker of cars, and this a text about them",
            b"GIF is a format, and this a text about it",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
            b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>",
            bytes(1000),
        ],
        ids=lambda data: data[:8].decode("latin-1"),
    )
    def test_something_else(self, data: bytes) -> None:
        bad = refusal(data)
        assert (bad.reason, bad.lasting) == ("not-an-image", True)
        assert bad.detail.endswith("which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC, JPEG2000, PPM")

    @pytest.mark.parametrize("format", ["PDF", "EPS", "ICO", "TGA", "PCX", "SGI", "ICNS"])
    def test_formats_that_pillow_could_read_or_write(self, format: str) -> None:  # noqa: A002
        assert refusal(encoded(slopes(64, 64), format)).reason == "not-an-image"

    def test_photoshop(self) -> None:
        header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 16, 16, 8, 3) + struct.pack(">III", 0, 0, 0)
        data = header + struct.pack(">H", 0) + bytes(3 * 16 * 16)
        assert Image.open(io.BytesIO(data)).format == "PSD"
        assert refusal(data).reason == "not-an-image"

    def test_an_archive_of_images(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("cat.png", encoded(slopes(), "PNG"))
        assert refusal(file.getvalue()).reason == "not-an-image"


class TestBadImage:
    @pillow_warns
    @pytest.mark.parametrize("kind", [*WHOLE, "gif-animated", "png-animated"])
    def test_damaged_bytes_raise_nothing_else(self, kind: str) -> None:
        images = [noise(24, 20, seed).quantize(16) for seed in range(2)]
        options = {"save_all": True, "append_images": images[1:]}
        whole = WHOLE.get(kind) or encoded(images[0], kind[:3].upper(), **options)
        generator = random.Random(kind)
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(generator.choice([1, 2, 5])):
                data[generator.randrange(generator.choice([64, 300, len(data)])) % len(data)] = generator.randrange(256)
            with contextlib.suppress(BadImage):
                decode(bytes(data), resize=16, size=16)

    def test_lack_of_memory_is_not_held_against_the_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> Image.Image:
            raise MemoryError

        monkeypatch.setattr(Image, "open", fail)
        bad = refusal(encoded(slopes(), "PNG"))
        assert (bad.reason, bad.lasting) == ("unreadable", False)

    def test_it_passes_through_a_context_manager(self) -> None:
        @contextlib.contextmanager
        def passing() -> Iterator[None]:
            yield

        with pytest.raises(BadImage), passing():
            raise BadImage(reason="tiny", detail="1x1 pixels")


def test_what_pillow_warns_of_does_not_reach_the_screen() -> None:
    jpeg = encoded(slopes(), "JPEG")
    block = b"Exif\0\0II*\0\xff\xff\xff\xff"
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):
        Image.open(io.BytesIO(data)).getexif()
    program = """
        import sys
        from convlens.data.decode import decode
        print(decode(sys.stdin.buffer.read(), resize=64, size=64).pixels.shape)
    """
    assert run_alone(program, data) == "(64, 64, 3)\n"
