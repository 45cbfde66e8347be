import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convlens.core import store
from convlens.core.store import DAMAGED_FOLDER, ShardStore


@pytest.fixture
def shards(tmp_path):
    return ShardStore(tmp_path / "shards")


def test_a_shard_is_named_by_its_content(shards):
    path = shards.write(b"content")
    assert path.name == f"{hashlib.sha256(b'content').hexdigest()}.safetensors"
    assert path.read_bytes() == b"content"
    assert shards.verified() == [path]
    assert shards.set_aside == []


def test_the_same_content_is_one_shard(shards):
    path = shards.write(b"content")
    before = path.stat()
    assert shards.write(b"content") == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert len(shards.verified()) == 1


def test_nothing_there(shards):
    assert shards.verified() == []
    assert not shards.folder.exists()


@pytest.mark.parametrize("damage", [b"", b"conten", b"contenT", b"content\x00"])  # codespell:ignore
def test_damage_is_set_aside(shards, damage):
    good, bad = shards.write(b"good"), shards.write(b"content")
    bad.write_bytes(damage)
    assert shards.verified() == [good]
    (aside,) = shards.set_aside
    assert aside == shards.folder / DAMAGED_FOLDER / bad.name
    assert aside.read_bytes() == damage
    assert shards.write(b"content") == bad
    assert set(ShardStore(shards.folder).verified()) == {good, bad}


def test_strangers_and_temporaries_are_not_shards(shards):
    path = shards.write(b"content")
    (shards.folder / ".tmp-half").write_bytes(b"con")
    (shards.folder / "notes.txt").write_bytes(b"mine")
    assert shards.verified() == [path]
    assert shards.set_aside == []


def test_another_run_sets_the_same_damage_aside(shards, monkeypatch):
    path = shards.write(b"content")
    path.write_bytes(b"damaged")
    intact = store._is_intact

    def other_run_is_faster(shard):
        answer = intact(shard)
        ShardStore._set_aside(ShardStore(shards.folder), shard)
        return answer

    monkeypatch.setattr(store, "_is_intact", other_run_is_faster)
    assert shards.verified() == []
    assert [found.read_bytes() for found in (shards.folder / DAMAGED_FOLDER).iterdir()] == [b"damaged"]


def test_a_shard_that_goes_away_meanwhile_is_not_there(shards, monkeypatch):
    path = shards.write(b"content")
    sha256_of = store.sha256_of

    def after_it_is_gone(shard: Path) -> str:
        shard.unlink()
        return sha256_of(shard)

    monkeypatch.setattr(store, "sha256_of", after_it_is_gone)
    assert shards.verified() == []
    assert not path.exists()


def test_many_writers_at_once(shards):
    contents = [bytes([number]) * 1000 for number in range(8)] * 4
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda content: ShardStore(shards.folder).write(content), contents))
    assert set(shards.verified()) == paths
    assert len(paths) == 8
