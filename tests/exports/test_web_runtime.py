"""onnxruntime for browsers: from wherever it comes, it is the version that is known."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

import convlens
from convlens.core.errors import DataError, IntegrityError, MachineError, NetworkError, UsageError
from convlens.exports import web_runtime
from convlens.exports.web_runtime import BINARY, SCRIPT

CONTENT = {SCRIPT: b"script", BINARY: b"binary"}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of two words is the known version."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(web_runtime, "_SHA256", hashes)


def written(folder: Path, place: str = "", **changed: bytes) -> Path:
    """The folder, with the files of a package in that place of it."""
    (folder / place).mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (folder / place / name).write_bytes(changed.get(name.partition(".")[0], content))
    return folder


def packed(path: Path, folder: str = "package/dist") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in CONTENT.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("place", ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_a_folder(tmp_path: Path, place: str) -> None:
    assert web_runtime.web_runtime(written(tmp_path, place)) == CONTENT


def test_an_archive(tmp_path: Path) -> None:
    assert web_runtime.web_runtime(packed(tmp_path / "package.tgz")) == CONTENT


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"ort\.wasm\.bundle\.min\.mjs of .* is not that of onnxruntime-web 1\."):
        web_runtime.web_runtime(written(tmp_path, ort=b"another"))


def test_a_folder_without_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no onnxruntime-web"):
        web_runtime.web_runtime(tmp_path)


@pytest.mark.parametrize("content", [b"no archive", b"", b"\x1f\x8b" + b"\x00" * 30])
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.tgz").write_bytes(content)
    with pytest.raises(DataError, match="is not an archive of onnxruntime-web"):
        web_runtime.web_runtime(tmp_path / "p.tgz")


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not an archive of onnxruntime-web"):
        web_runtime.web_runtime(packed(tmp_path / "p.tgz", "other"))


def test_without_npm_the_way_around_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MachineError, match=r"npm pack onnxruntime-web@1.* name it with runtime"):
        web_runtime.web_runtime(None)


def test_npm_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "npm error code ENOTFOUND\nnpm error more")

    monkeypatch.setattr("shutil.which", lambda name: "npm")
    monkeypatch.setattr("subprocess.run", fail)
    with pytest.raises(NetworkError, match="npm error code ENOTFOUND"):
        web_runtime.web_runtime(None)


def test_npm_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr("shutil.which", lambda name: "npm")
    monkeypatch.setattr("subprocess.run", hang)
    with pytest.raises(NetworkError, match=r"not fetched onnxruntime-web .* within 10 minutes"):
        web_runtime.web_runtime(None)


def test_npm_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(command: list[str], cwd: str, **_: object) -> subprocess.CompletedProcess[str]:
        assert "onnxruntime-web@1.30.0" in command
        packed(Path(cwd) / "onnxruntime-web-1.30.0.tgz")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("shutil.which", lambda name: "npm")
    monkeypatch.setattr("subprocess.run", bring)
    assert web_runtime.web_runtime(None) == CONTENT


class TestExport:
    """The folder as a whole."""

    def test_it_holds_all_that_a_server_needs_and_is_verified(self, tmp_path: Path) -> None:
        record = convlens.export("house", to="browser", out=tmp_path / "page", runtime=written(tmp_path / "runtime"))
        files = {path.relative_to(record.file).as_posix(): path for path in Path(record.file).rglob("*")}
        assert files.keys() == {
            *("index.html", "model.onnx", "card.json", "runtime", f"runtime/{SCRIPT}", f"runtime/{BINARY}")
        }
        assert record.bytes == sum(path.stat().st_size for path in files.values() if path.is_file())
        assert record.golden.proved
        assert convlens.verify(record.file).golden.proved
        page = files["index.html"].read_text()
        assert "http://" not in page
        assert "https://" not in page

    def test_names_of_classes_are_text(self, tmp_path: Path) -> None:
        from convlens.core.exported import ExportCard
        from convlens.report.browser_page import browser_page

        record = convlens.export("house", to="browser", out=tmp_path / "page", runtime=written(tmp_path / "runtime"))
        card = ExportCard.from_json((Path(record.file) / "card.json").read_text(), "card")
        page = browser_page(card.model_copy(update={"classes": ["<img src=x onerror=alert(1)>", *card.classes[1:]]}))
        assert "<img src=x" not in page

    def test_a_fault_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(IntegrityError):
            convlens.export("house", to="browser", out=tmp_path / "p", runtime=written(tmp_path / "r", ort=b"other"))
        assert [path.name for path in tmp_path.iterdir()] == ["r"]

    def test_what_exists_is_not_touched(self, tmp_path: Path) -> None:
        (tmp_path / "page").mkdir()
        with pytest.raises(UsageError, match="already exists"):
            convlens.export("house", to="browser", out=tmp_path / "page", runtime=written(tmp_path / "r"))

    def test_a_bare_one_makes_no_sense(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="bare=True is not for to='browser'"):
            convlens.export("house", to="browser", bare=True, out=tmp_path / "page")

    def test_a_runtime_is_for_browsers(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="leave it out"):
            convlens.export("house", to="onnx", runtime=tmp_path, out=tmp_path / "a.onnx")
