"""Files as cameras, phones, microscopes and browsers write them: read, with a remark, or named for what they are."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from convlens.data.decode import BadImage, Decoded, decode
from convlens.data.examine import examine
from convlens.data.image_metadata import ImageMetadata, is_outdated
from convlens.data.mending import ended_jpeg
from tests.data.drawn import encoded, mean_color, noise, slopes


def decoded(data: bytes, **options: object) -> Decoded:
    return decode(data, resize=64, size=64, **options)  # type: ignore[arg-type]


def refusal(data: bytes) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decoded(data)
    return caught.value


JPEGS = {
    "baseline": encoded(noise(61, 47), "JPEG"),
    "smooth": encoded(slopes(200, 160), "JPEG"),
    "progressive": encoded(noise(61, 47), "JPEG", progressive=True),
    "gray": encoded(noise(61, 47).convert("L"), "JPEG"),
}


class TestJpegEnd:
    @pytest.mark.parametrize("kind", JPEGS)
    @pytest.mark.parametrize("after", [b"", b"\0" * 5000, b"\xff" * 40], ids=["nothing", "zeros", "ones"])
    def test_without_an_end_marker_it_is_used_and_that_is_said(self, kind: str, after: bytes) -> None:
        whole = JPEGS[kind]
        found = decoded(whole[:-2] + after)
        assert np.array_equal(found.pixels, decoded(whole).pixels)
        assert found.remark == ("no-end", "the JPEG file lacks its end marker; all pixels are there")
        assert "no-end" in [word for word, _ in examine(whole[:-2] + after, "a.jpg").remarks]

    @pytest.mark.parametrize("kind", ["baseline", "smooth", "gray"])
    def test_where_pixels_are_missing_it_is_not(self, kind: str) -> None:
        whole = JPEGS[kind]
        for missing in (12, 20, 50, 200):
            assert ended_jpeg(whole[:-missing]) is None
            for after in (b"", bytes(3000)):
                assert refusal(whole[:-missing] + after).reason == "truncated"

    def test_junk_after_the_end(self) -> None:
        whole = JPEGS["baseline"]
        for junk in (b"\0" * 100, b"<html>" * 50, JPEGS["gray"]):
            assert np.array_equal(decoded(whole + junk).pixels, decoded(whole).pixels)


class TestPngTexts:
    @pytest.mark.parametrize("number", [1, 90])
    def test_long_texts_do_no_harm(self, number: int) -> None:
        texts = PngImagePlugin.PngInfo()
        for place in range(number):
            texts.add_text(f"key{place}", "x" * (3_000_000 if number == 1 else 900_000), zip=True)
        data = encoded(slopes(), "PNG", pnginfo=texts)
        with pytest.raises(ValueError, match="MAX_TEXT"):
            Image.open(io.BytesIO(data)).load()
        assert np.array_equal(decoded(data).pixels, decoded(encoded(slopes(), "PNG")).pixels)

    def test_damage_is_still_told(self) -> None:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("key", "x" * 3_000_000, zip=True)
        data = bytearray(encoded(noise(), "PNG", pnginfo=texts))
        place = data.index(b"IDAT") + 500
        data[place : place + 200] = b"\x07" * 200
        assert refusal(bytes(data)).reason == "unreadable"


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "options", "most"),
        [("AVIF", {"quality": 95}, 12), ("JPEG2000", {}, 1), ("PPM", {}, 0)],
    )
    def test_formats_that_pillow_reads(self, name: str, options: dict[str, object], most: int) -> None:
        found = decoded(encoded(slopes(), name, **options)).pixels.astype(int)
        assert np.abs(found - decoded(encoded(slopes(), "PNG")).pixels).max() <= most

    def test_a_graymap_with_a_comment_and_sixteen_bits(self) -> None:
        values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(">u2")
        data = b"P5\n# made by hand\n64 64\n65535\n" + values.tobytes()
        assert mean_color(decoded(data).pixels) == pytest.approx([127.5] * 3, abs=1)

    def test_heic_without_its_package_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        bad = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
        assert (bad.reason, bad.lasting) == ("unsupported", False)
        assert bad.detail.startswith("a HEIC image; pip install 'convlens[heic]'")

    def test_heic(self) -> None:
        heif = pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
        file = io.BytesIO()
        heif.from_pillow(slopes()).save(file, quality=95)
        found = decoded(file.getvalue()).pixels.astype(int)
        assert np.abs(found - decoded(encoded(slopes(), "PNG")).pixels).mean() < 3

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (bytes(128) + b"DICM" + bytes(100), "a DICOM file"),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML><html>Not found</html>", "an HTML page"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
                "a Git LFS pointer in place of the image (`git lfs pull` fetches it)",
            ),
            (b"<?xml version='1.0'?><svg xmlns='x'/>", "an SVG drawing"),
            (b"8BPS\0\1" + bytes(50), "a Photoshop file"),
            (b"%PDF-1.7", "a PDF document"),
            (b"\0\0\0\x18ftypisom" + bytes(50), "a video"),
            (b"\x93NUMPY\1\0", "a NumPy array"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_files_are_named(self, data: bytes, told: str) -> None:
        bad = refusal(data)
        assert bad.reason == "not-an-image"
        assert bad.detail.startswith(f"{told}, which is none of JPEG, PNG")

    def test_a_text_about_formats_is_no_image(self) -> None:
        assert refusal(b"P6 is the format of color images\n").reason == "not-an-image"


class TestRemarks:
    def test_pages(self) -> None:
        pages = [noise(seed=seed) for seed in range(3)]
        data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        found = decoded(data)
        assert found.remark == ("pages", "3 pages, the first is used")
        assert np.array_equal(found.pixels, decoded(encoded(pages[0], "PNG")).pixels)

    @pytest.mark.parametrize("name", ["PNG", "TIFF"])
    def test_twelve_bits_in_sixteen_are_scaled_by_their_range(self, name: str) -> None:
        ramp = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
        found = decoded(encoded(Image.fromarray(ramp), name))
        assert (found.pixels.min(), found.pixels.max()) == (0, 255)
        assert mean_color(found.pixels) == pytest.approx([127.5] * 3, abs=1)
        assert found.remark == ("12-bit", "gray of 12 bits stored in 16, scaled to 8 by its own range")
        words = [word for word, _ in examine(encoded(Image.fromarray(ramp), name), "a.png").remarks]
        assert "12-bit" in words
        assert "16-bit" not in words

    def test_more_than_twelve_bits(self) -> None:
        ramp = np.linspace(0, 4096, 64 * 64).reshape(64, 64).astype(np.uint16)
        assert decoded(encoded(Image.fromarray(ramp), "PNG")).pixels.max() == 16

    def test_profiles_of_other_colors_are_told(self) -> None:
        wide = profile("Display P3")
        assert decoded(encoded(slopes(), "JPEG", icc_profile=wide)).remark == (
            "profile",
            "colors of 'Display P3' are read as sRGB",
        )
        usual = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        assert decoded(encoded(slopes(), "JPEG", icc_profile=usual)).remark is None
        assert decoded(encoded(slopes(), "JPEG", icc_profile=b"damaged")).remark is None
        assert decoded(encoded(slopes().convert("L"), "JPEG", icc_profile=wide)).remark is None

    def test_a_gamma_of_its_own_is_told(self) -> None:
        plain = encoded(slopes(), "PNG")
        for gamma, told in ((100_000, True), (45_455, False)):
            content = struct.pack(">I", gamma)
            chunk = struct.pack(">I", 4) + b"gAMA" + content + struct.pack(">I", zlib.crc32(b"gAMA" + content))
            remark = decoded(plain[:33] + chunk + plain[33:]).remark
            assert (remark is not None and remark[0] == "gamma") == told


def profile(name: str) -> bytes:
    """A color profile by that name."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    former = "sRGB built-in"
    for encoding in ("ascii", "utf-16-be"):
        place = data.find(former.encode(encoding))
        if place >= 0:
            new = name.ljust(len(former)).encode(encoding)
            data[place : place + len(new)] = new
    return bytes(data)


class TestFit:
    def test_letterbox_shows_all_between_bars(self) -> None:
        bars = (124, 116, 104)
        pixels = decoded(encoded(Image.new("RGB", (200, 100), (250, 0, 0)), "PNG"), bars=bars).pixels
        assert pixels[:16].reshape(-1, 3).tolist() == [list(bars)] * (16 * 64)
        assert pixels[48:].reshape(-1, 3).tolist() == [list(bars)] * (16 * 64)
        assert pixels[16:48].reshape(-1, 3).tolist() == [[250, 0, 0]] * (32 * 64)

    def test_an_object_at_the_edge_is_cropped_off_unless_all_is_shown(self) -> None:
        image = Image.new("RGB", (300, 100), (0, 0, 0))
        image.paste((255, 255, 255), (0, 0, 40, 100))
        data = encoded(image, "PNG")
        assert decoded(data).pixels.max() == 0
        assert decoded(data, squash=True).pixels.max() == 255
        assert decoded(data, bars=(9, 9, 9)).pixels.max() == 255

    def test_a_square_image_has_no_bars(self) -> None:
        data = encoded(slopes(128, 128), "PNG")
        assert np.array_equal(decoded(data, bars=(9, 9, 9)).pixels, decoded(data).pixels)


@pytest.mark.parametrize(
    ("reason", "detail", "outdated"),
    [
        ("truncated", "the JPEG file ends early, after 3000 bytes", True),
        ("truncated", "the JPEG file ends early, after 3000 bytes; pixels are missing", False),
        ("truncated", "the PNG file ends early, after 3000 bytes", False),
        ("not-an-image", "begins with b'P6', which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF", True),
        ("not-an-image", "a PDF document, which is none of JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF", False),
        ("unreadable", "damaged PNG file: Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK", True),
    ],
)
def test_verdicts_of_before_are_found_anew(reason: str, detail: str, outdated: bool) -> None:
    assert is_outdated(ImageMetadata(usable=False, reason=reason, detail=detail)) == outdated
    assert not is_outdated(ImageMetadata(usable=True))
