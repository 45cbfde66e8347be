"""Archives: what is unpacked, and what is refused with nothing left behind."""

import io
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from convlens.core.errors import DataError, IntegrityError
from convlens.core.files import sha256_of
from convlens.core.kinds.kind import text_of
from convlens.data.archive import Limits, is_archive, unpacked
from convlens.data.scan import scan
from tests.data.drawn import put

FILES = {"images/ant/1.jpg": b"one", "images/ant/2.jpg": b"two", "images/bee/3.jpg": b"three"}
HOSTILE = ["../out.jpg", "/abs.jpg", "ant/../../out.jpg", "..\\out.jpg", "C:\\out.jpg", "ant/../../../out.jpg"]


def zipped(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


BOTH = pytest.mark.parametrize("made", [zipped, tarred])


@BOTH
def test_an_archive_is_scanned_like_its_folder(tmp_path: Path, made: Callable[..., Path]) -> None:
    manifest = scan(made(tmp_path / "images.archive"))
    assert [(text_of(one.labels), one.file, one.path.read_bytes()) for one in manifest.images] == [
        ("ant", "ant/1.jpg", b"one"),
        ("ant", "ant/2.jpg", b"two"),
        ("bee", "bee/3.jpg", b"three"),
    ]
    assert manifest.folder == str(tmp_path / "images.archive")


def test_it_is_unpacked_once(tmp_path: Path) -> None:
    folder = unpacked(zipped(tmp_path / "a.zip"))
    (folder / "ant/1.jpg").write_bytes(b"marked")
    assert (unpacked(tmp_path / "a.zip") / "ant/1.jpg").read_bytes() == b"marked"


def test_folders_and_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "a.zip")
    assert not is_archive(tmp_path / "none.zip")


def refused(cache: Path, path: Path, message: str, limits: Limits = Limits()) -> None:  # noqa: B008
    with pytest.raises(IntegrityError, match=message):
        unpacked(path, limits)
    assert [one for one in (cache / "archives").iterdir() if one.suffix != ".lock"] == []


@BOTH
@pytest.mark.parametrize("name", HOSTILE)
def test_no_path_outside(cache: Path, tmp_path: Path, made: Callable[..., Path], name: str) -> None:
    refused(cache, made(tmp_path / "a", {"ant/1.jpg": b"1", name: b"2"}), "leads outside of it")
    assert not list(tmp_path.rglob("out.jpg"))


@BOTH
def test_a_name_that_stands_there_twice(cache: Path, tmp_path: Path, made: Callable[..., Path]) -> None:
    refused(cache, made(tmp_path / "a", {"ant/1.jpg": b"1", "ant//1.jpg": b"2"}), "is in it twice")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_file(cache: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        entry = tarfile.TarInfo("ant/link.jpg")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    refused(cache, tmp_path / "a.tar", "is a link or a device")


def test_a_link_in_a_zip_file(cache: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        entry = zipfile.ZipInfo("ant/link.jpg")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    refused(cache, tmp_path / "a.zip", "is a link or a device")


@BOTH
def test_too_many_files(cache: Path, tmp_path: Path, made: Callable[..., Path]) -> None:
    refused(cache, made(tmp_path / "a"), "it holds over 2 files", Limits(files=2))


@BOTH
def test_a_bomb(cache: Path, tmp_path: Path, made: Callable[..., Path]) -> None:
    path = made(tmp_path / "a", {"ant/1.jpg": bytes(2**22)})
    refused(cache, path, r"over \d+ bytes unpacked from \d+", Limits(slack=2**16))
    assert unpacked(path).is_dir()


def test_damage(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"ant/1.jpg": bytes(range(256)) * 100})
    damaged = bytearray(path.read_bytes())
    damaged[60:90] = bytes(30)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"a\.zip cannot be unpacked: .* Create the archive again"):
        unpacked(path)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_a_damaged_tar_file(cache: Path, tmp_path: Path, packing: str) -> None:
    path, content = tmp_path / f"a.tar.{packing}", random.Random(3).randbytes(2**21)
    with tarfile.open(path, f"w:{packing}") as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("ant/1.jpg")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    damaged = bytearray(path.read_bytes())
    damaged[2**20 : 2**20 + 5000] = bytes(5000)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"cannot be unpacked: .* Create the archive again"):
        unpacked(path)
    assert not list((cache / "archives").glob(".tmp-*"))


def test_what_a_killed_process_left_is_removed(cache: Path, tmp_path: Path) -> None:
    first, second = (zipped(tmp_path / f"{n}.zip", {"ant/1.jpg": bytes([n])}) for n in (1, 2))
    own, other, older = (f".tmp-{name}" for name in (sha256_of(first), sha256_of(second), "0" * 32))
    for name in (own, other, older):
        put(cache / "archives" / name / "ant/half.jpg", b"half")
    with FileLock(cache / "archives" / f"{sha256_of(second)}.lock"):  # it is being unpacked elsewhere
        assert [path.name for path in (unpacked(first)).iterdir()] == ["1.jpg"]
        assert [path.name for path in (cache / "archives").glob(".tmp-*")] == [other]
    unpacked(second)
    assert not list((cache / "archives").glob(".tmp-*"))


def test_members_are_on_the_disk_before_the_folder_gets_its_name(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    archives = cache / "archives"
    monkeypatch.setattr(
        os, "sync", lambda: seen.append([path.name[:5] for path in archives.iterdir() if path.is_dir()])
    )
    unpacked(zipped(tmp_path / "a.zip"))
    unpacked(tmp_path / "a.zip")
    assert seen == [[".tmp-"]]


def test_a_tar_file_that_ends_early(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tgz", {"ant/1.jpg": bytes(range(256)) * 1000})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpacked(path)
