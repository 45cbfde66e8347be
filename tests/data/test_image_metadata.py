"""ImageMetadata about images: kept by content, over runs, and never believed when damaged."""

from pathlib import Path

import pytest

from convlens.data.image_metadata import ImageMetadata, ImageMetadataStore

GOOD = ImageMetadata(usable=True, thumbnail=b"\xff\xd8 a small image")
ANIMATED = ImageMetadata(
    usable=True, reason="animated", detail="3 frames, the first is used", thumbnail=b"\xff\xd8 another"
)
BAD = ImageMetadata(usable=False, reason="truncated", detail="ends early in caf\u00e9 \U0001f431")


def sha(number: int) -> str:
    return f"{number:064x}"


def said(facts: ImageMetadata) -> tuple[bool, str, str]:
    return facts.usable, facts.reason, facts.detail


def test_what_was_added_is_there_and_nothing_else(tmp_path: Path) -> None:
    store = ImageMetadataStore(tmp_path)
    store.add({sha(1): GOOD, sha(2): BAD, sha(3): ANIMATED})
    assert [said(store[sha(number)]) for number in (1, 2, 3)] == [said(GOOD), said(BAD), said(ANIMATED)]
    assert store.thumbnail(sha(1)) == GOOD.thumbnail
    assert store.thumbnail(sha(3)) == ANIMATED.thumbnail
    assert sha(1) in store
    assert sha(4) not in store
    with pytest.raises(KeyError):
        store[sha(4)]


def test_it_is_there_for_the_next_run(tmp_path: Path) -> None:
    ImageMetadataStore(tmp_path).add({sha(1): GOOD})
    ImageMetadataStore(tmp_path).add({sha(2): BAD, sha(3): ANIMATED})
    store = ImageMetadataStore(tmp_path)
    assert [said(store[sha(number)]) for number in (1, 2, 3)] == [said(GOOD), said(BAD), said(ANIMATED)]
    assert store.thumbnail(sha(3)) == ANIMATED.thumbnail


def test_bad_images_alone_which_have_no_thumbnails(tmp_path: Path) -> None:
    ImageMetadataStore(tmp_path).add({sha(1): BAD, sha(2): BAD})
    store = ImageMetadataStore(tmp_path)
    assert said(store[sha(2)]) == said(BAD)


def test_nothing_to_add_writes_nothing(tmp_path: Path) -> None:
    ImageMetadataStore(tmp_path).add({})
    assert not list(tmp_path.rglob("*.safetensors"))


def test_two_stores_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    one, other = ImageMetadataStore(tmp_path), ImageMetadataStore(tmp_path)
    one.add({sha(1): GOOD})
    other.add({sha(1): GOOD})
    other.add({sha(2): ANIMATED})
    assert ImageMetadataStore(tmp_path).thumbnail(sha(1)) == GOOD.thumbnail
    assert sha(2) in ImageMetadataStore(tmp_path)


def test_a_damaged_shard_is_set_aside(tmp_path: Path) -> None:
    store = ImageMetadataStore(tmp_path)
    store.add({sha(1): GOOD})
    store.add({sha(2): ANIMATED})
    damaged = max(store.shards.folder.glob("*.safetensors"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    after = ImageMetadataStore(tmp_path)
    assert [path.name for path in after.shards.set_aside] == [damaged.name]
    assert [sha(number) in after for number in (1, 2)].count(True) == 1
    assert not damaged.exists()


def test_a_million_usable_images_share_one_fact(tmp_path: Path) -> None:
    store = ImageMetadataStore(tmp_path)
    store.add({sha(number): GOOD for number in range(100)})
    assert len({id(store[sha(number)]) for number in range(100)}) == 1


def test_signatures_come_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = ImageMetadataStore(tmp_path)
    store.add(
        {
            "a" * 64: ImageMetadata(usable=True, signature=bytes(range(243))),
            "b" * 64: ImageMetadata(usable=False, reason="empty"),
        }
    )
    store.add({"c" * 64: ImageMetadata(usable=True, signature=bytes(242) + b"c")})
    for facts in (store, ImageMetadataStore(tmp_path)):
        found = facts.signatures(["c" * 64, "b" * 64, "a" * 64])
        assert found == [bytes(242) + b"c", b"", bytes(range(243))]
