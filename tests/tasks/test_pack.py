"""Published weights on their way to a machine without a network."""

import json
from pathlib import Path

import pytest

from convlens import zoo
from convlens.backbones.resolve import loaded
from convlens.core.errors import DataError, IntegrityError, NetworkError, UsageError
from convlens.core.files import cache_folder
from convlens.tasks.pack import pack, unpack
from convlens.zoo import fetch

NAMES = ["efficientnet_lite0", "efficientnet_lite1=imagenet"]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    pack(NAMES, tmp_path / "packed")
    return tmp_path / "packed"


def test_packed_here_and_unpacked_where_nothing_is_installed(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = zoo.weight_card("efficientnet_lite0", "imagenet")
    (packed / "note.txt").write_text("what is no set is left alone")
    monkeypatch.setattr(fetch, "packaged_file", lambda package, file: None)
    record = unpack(packed)
    assert [(one.network, one.name) for one in record.sets] == [(name.partition("=")[0], "imagenet") for name in NAMES]
    assert all(one.license.startswith("Apache-2.0") for one in record.sets)
    assert [Path(one.file).parent for one in record.sets] == [cache_folder() / "weights"] * 2
    assert record.sets[0].bytes == (packed / card.file).stat().st_size
    assert sorted(path.name for path in (cache_folder() / "weights").iterdir()) == sorted(
        Path(one.file).name for one in record.sets
    )
    assert loaded("efficientnet_lite0", weights="imagenet").file == fetch.kept_weights(card)


def test_what_is_there_already_is_verified_and_stays(packed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in packed.iterdir()}
    pack(NAMES, packed)
    assert {path: path.stat().st_mtime_ns for path in packed.iterdir()} == before
    flip_a_byte(next(iter(before)))
    with pytest.raises(IntegrityError, match="Remove "):
        pack(NAMES, packed)


def test_one_flipped_byte_and_nothing_is_unpacked(packed: Path) -> None:
    flip_a_byte(sorted(packed.iterdir())[-1])
    with pytest.raises(IntegrityError, match=r"Pack it again: convlens zoo pack efficientnet_lite1=imagenet"):
        unpack(packed)
    assert not (cache_folder() / "weights").exists()


def test_what_can_be_had_nowhere_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(source: object, path: Path, progress: object) -> None:
        raise NetworkError("cannot download it.")

    monkeypatch.setattr(fetch, "download", unreachable)
    with pytest.raises(NetworkError, match=r"Without a network: fetch https://.*resnet18-f37072fd\.pth elsewhere"):
        pack(["resnet18"], tmp_path / "packed")


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (["house"], "its weights ship with convlens"),
        (["lenet5"], "no weights are published for it"),
        (["resnet-50"], "did you mean resnet50"),
        (["resnet50=imagnet"], "published for it: imagenet, imagenet_v2"),
        ([], "no network is named"),
    ],
)
def test_what_cannot_be_packed(networks: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        pack(networks, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file of a published set"):
        unpack(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        unpack(tmp_path / "none")


def test_the_commands(convlens, tmp_path: Path) -> None:
    outcome = convlens("zoo", "pack", "efficientnet_lite0", "--out", tmp_path / "p", "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["sets"][0]["network"] == "efficientnet_lite0"
    shown = convlens("zoo", "unpack", tmp_path / "p")
    assert shown.code == 0, shown.err
    assert "efficientnet_lite0 imagenet  18.8 MB" in shown.out
    assert "Use them: convlens train DIR --backbone efficientnet_lite0" in shown.out


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
