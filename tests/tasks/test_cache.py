"""What the cache holds, what is removed of it, and that neither a stranger's file nor a running command is harmed."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from convlens.core import holds
from convlens.core.cache_layout import FEATURE_NOTE
from convlens.core.errors import UsageError
from convlens.core.files import cache_folder
from convlens.core.holds import IN_USE, held, hold_for_good
from convlens.data.archive import unpacked
from convlens.tasks.cache import KINDS, list_cache, prune_cache
from convlens.tasks.train import train
from convlens.transfer import features
from convlens.transfer.features import FeatureTable
from convlens.zoo import weight_card
from convlens.zoo.fetch import kept_weights, own_file
from tests.cli import process
from tests.data.drawn import put
from tests.data.test_archive import zipped
from tests.images import TINY_HOUSE, TINY_OPTIONS, draw_images
from tests.runs.whole import check_cache

DAY = 24 * 3600
FROM_FILES = [
    *process.MANY_SHARDS[:2],
    f"from convlens.transfer import features; features._MEMORY_BUDGET = 0; {process.MANY_SHARDS[2]}",
]
"""A command that reads its features from many shards of the store, batch by batch."""
KEY, OTHER, SHARD = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, of which nothing comes to other tests."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CONVLENS_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> Path:
    """A cache after two trainings, and the images."""
    folder = tmp_path_factory.mktemp("filled")
    images = draw_images(folder / "images")
    train(images, out=folder / "runs" / "one", **TINY_HOUSE, augmented_copies=2)
    train(images, out=folder / "runs" / "two", **TINY_HOUSE, freeze="none")
    return Path(shutil.copytree(module_cache, folder / "cache"))


@pytest.fixture
def there(filled: Path, cache: Path) -> Path:
    """A copy of it, as the cache of this test."""
    shutil.rmtree(cache)
    return Path(shutil.copytree(filled, cache))


@pytest.fixture(autouse=True)
def own_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held for good beyond a test."""
    monkeypatch.setattr(holds, "_for_good", {})


def aged(path: Path, days: float) -> Path:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment), follow_symlinks=False)
    return path


def kinds(entries) -> list[str]:
    return [one.kind for one in entries]


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestList:
    def test_an_empty_cache(self, cache):
        shutil.rmtree(cache)
        record = list_cache()
        assert (record.folder, record.bytes, record.kinds, record.free_bytes) == (str(cache), 0, [], None)
        assert not cache.exists()

    def test_sizes_are_those_of_the_files(self, there):
        record = list_cache()
        found = {one.kind: one for one in record.kinds}
        assert set(found) == {"features", "facts", "graphs"}
        for kind, folder in (("features", "store/features"), ("facts", "store/pictures"), ("graphs", "graphs")):
            files = [path for path in (there / folder).rglob("*") if path.is_file()]
            assert (found[kind].files, found[kind].bytes) == (len(files), sum(path.stat().st_size for path in files))
        assert record.bytes == sum(path.stat().st_size for path in there.rglob("*") if path.is_file())
        assert record.others == []

    def test_features_say_what_they_are_of(self, there):
        tables = list_cache().features
        noted = [one for one in tables if one.note is not None]
        assert sorted(one.note.augmented_copy for one in noted) == [0, 1, 2]
        for one in noted:
            assert (one.note.backbone, one.note.freeze, one.note.size) == ("house", "backbone", 32)
            assert (one.note.weights, one.number_format) == ("random, seed 0", "fp32")
        (plain,) = (one for one in noted if not one.note.augmented_copy)
        assert plain.images == 16
        assert plain.shape == [[256]]
        (pixels,) = (one for one in tables if one.note is None)
        assert pixels.number_format == "pixels"
        assert pixels.shape[0][-1] == 3

    def test_features_of_before_are_not_noted_until_they_are_used(self, there, filled):
        for path in there.rglob(FEATURE_NOTE):
            path.unlink()
        assert [one.note for one in list_cache().features] == [None] * 4
        train(filled.parent / "images", out=filled.parent / "runs" / "three", **TINY_HOUSE)
        assert [one.note.backbone for one in list_cache().features if one.note] == ["house"]

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b'{"kind": "convlens.features"'])
    def test_damaged_shards_and_notes_do_not_hide_the_others(self, there, content):
        for name in (FEATURE_NOTE, f"{SHARD}.safetensors"):
            put(there / "store/features" / KEY / name, content)
        (found,) = (one for one in list_cache().features if one.key == KEY)
        assert (found.note, found.images, found.shape) == (None, 0, [])

    def test_use_is_known(self, there, filled):
        for folder in (there / "store/features").iterdir():
            aged(folder, 90)
        train(filled.parent / "images", out=filled.parent / "runs" / "four", **TINY_HOUSE)
        used = [one for one in list_cache().features if one.last_use > "2025" and one.note and one == _newest()]
        assert [one.note.augmented_copy for one in used] == [0]
        assert [one.kind for one in prune_cache(older_than="30d", dry_run=True).removed] == ["features"] * 3

    def test_listing_changes_nothing(self, there):
        before = {path: path.stat().st_mtime_ns for path in there.rglob("*")}
        list_cache()
        prune_cache(all=True, dry_run=True)
        assert {path: path.stat().st_mtime_ns for path in there.rglob("*")} == before


def _newest():
    return list_cache().features[-1]


class TestChoice:
    def test_without_a_criterion(self, there):
        with pytest.raises(UsageError, match=r"nothing says what to remove.*older_than='30d'.*all=True"):
            prune_cache()
        with pytest.raises(UsageError, match="all=True removes everything"):
            prune_cache(all=True, kind="features")
        with pytest.raises(UsageError, match="unknown kind 'feature': did you mean features"):
            prune_cache(kind="feature")
        assert len(list_cache().features) == 4

    def test_all(self, there):
        put(there / "precision" / f"{KEY}.json", "{}")
        record = prune_cache(all=True)
        assert record.left_bytes == list_cache().bytes == 0
        assert record.kept == []
        assert set(kinds(record.removed)) == {"features", "facts", "graphs", "trials"}
        assert everything_in(there) == {}
        assert (there / "store").is_dir()
        assert (there / "graphs").is_dir(), "by which a cache is known, see data.foreign"

    def test_older_than(self, there):
        old, *_ = (there / "store/features").iterdir()
        aged(old, 31)
        record = prune_cache(older_than="30d")
        assert [one.name for one in record.removed] == [f"store/features/{old.name}"]
        assert not old.exists()
        assert prune_cache(older_than=30 * DAY).removed == []

    def test_a_kind(self, there):
        assert set(kinds(prune_cache(kind="features").removed)) == {"features"}
        assert set(kinds(prune_cache(kind=["facts", "graphs"]).removed)) == {"facts", "graphs"}

    def test_down_to_takes_the_oldest_first_and_no_more_than_it_must(self, there):
        tables = sorted((there / "store/features").iterdir())
        for days, folder in enumerate(tables, start=1):
            aged(folder, days)
        before = list_cache()
        oldest = tables[-1].name
        record = prune_cache(down_to=before.bytes - 1)
        assert [one.name for one in record.removed] == [f"store/features/{oldest}"]
        assert record.left_bytes == list_cache().bytes < before.bytes
        assert prune_cache(down_to=record.left_bytes).removed == []
        assert prune_cache(down_to="0", kind="features").left_bytes > 0

    def test_criteria_are_combined(self, there):
        first, second, *_ = sorted((there / "store/features").iterdir())
        aged(first, 50)
        aged(second, 40)
        for path in (there / "graphs").iterdir():
            aged(path, 60)
        record = prune_cache(older_than="30d", kind="features", down_to=list_cache().bytes - 1, dry_run=True)
        assert [Path(one.name).name for one in record.removed] == [first.name]

    def test_trials_go_by_name_alone(self, there):
        trial = aged(put(there / "precision" / f"{KEY}.json", "{}"), 400)
        prune_cache(older_than="1d")
        prune_cache(down_to="0")
        assert trial.exists()
        assert kinds(prune_cache(kind="trials").removed) == ["trials"]
        assert not trial.exists()

    def test_a_dry_run_says_what_would_go(self, there):
        before = everything_in(there)
        told = prune_cache(all=True, dry_run=True)
        assert everything_in(there) == before
        assert told.model_copy(update={"dry_run": False}) == prune_cache(all=True)


class TestOthers:
    """What is not of convlens stays, whatever is asked."""

    @pytest.mark.parametrize(
        "name",
        [
            "notes.txt",
            "runs/one/run.json",
            "store/notes.txt",
            "store/other/x.safetensors",
            f"store/features/{KEY}/notes.txt",
            f"store/features/{KEY}/model.safetensors",
            f"store/features/{KEY}/damaged/notes.txt",
            f"store/features/mine/{SHARD}.safetensors",
            f"store/pictures/mine/{SHARD}.safetensors",
            f"store/pictures/decoder-2-facts-3/{SHARD}.safetensors.bak",
            "graphs/mine.json",
            "graphs/.tmp-notes",
            f"precision/{SHARD}.json.bak",
            "weights/my-own.safetensors",
            "weights/my-own.sha256",
            "weights/downloads/mine.part",
            "archives/mine/a.jpg",
            f"{KEY}.json",
        ],
    )
    def test_a_strangers_file_is_listed_and_left(self, there, name):
        path = aged(put(there / name, b"mine"), 400)
        (other,) = list_cache().others
        assert name.startswith(other.path)
        assert other.bytes == 4
        prune_cache(all=True)
        assert everything_in(there) == {name: b"mine"}
        assert path.exists()

    def test_links_are_not_followed(self, there, tmp_path):
        outside = tmp_path / "outside"
        for name in (f"{KEY}/{SHARD}.safetensors", f"{SHARD}.json", "a.jpg"):
            put(outside / name, b"mine")
        links = {
            f"store/features/{OTHER}": outside / KEY,
            f"store/features/{KEY}/{SHARD}.safetensors": outside / KEY / f"{SHARD}.safetensors",
            f"graphs/{SHARD}.json": outside / f"{SHARD}.json",
            f"archives/{OTHER}": outside,
            "precision": outside,
        }
        for name, target in links.items():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            (there / name).symlink_to(target)
        before = everything_in(outside)
        assert {one.path: one.reason for one in list_cache().others} == dict.fromkeys(
            links, "a link, which is never followed"
        )
        prune_cache(all=True)
        assert everything_in(outside) == before
        assert all((there / name).is_symlink() for name in links)

    def test_a_link_in_an_archive_leads_nowhere(self, cache, tmp_path):
        mine = put(tmp_path / "outside" / "a.jpg", b"mine")
        folder = put(cache / "archives" / KEY / "a.jpg", b"a").parent
        (folder / "link").symlink_to(mine.parent)
        assert kinds(prune_cache(kind="archives").removed) == ["archives"]
        assert not folder.exists()
        assert mine.read_bytes() == b"mine"

    def test_a_store_that_is_a_link_is_left(self, there, tmp_path):
        moved = (there / "store").rename(tmp_path / "store")
        (there / "store").symlink_to(moved)
        before = everything_in(moved)
        prune_cache(all=True)
        assert everything_in(moved) == before

    def test_what_is_replaced_by_a_link_meanwhile_is_not_followed(self, there, tmp_path, monkeypatch):
        outside = tmp_path / "outside"
        put(outside / f"{SHARD}.safetensors", b"mine")
        table = next((there / "store/features").iterdir())
        found = list(prune_cache(all=True, dry_run=True).removed)
        assert f"store/features/{table.name}" in [one.name for one in found]
        from convlens.tasks import cache as task

        scanned = task.contents

        def then_swapped(*arguments):
            everything = scanned(*arguments)
            shutil.rmtree(table)
            table.symlink_to(outside)
            return everything

        monkeypatch.setattr(task, "contents", then_swapped)
        record = prune_cache(kind="features")
        assert (outside / f"{SHARD}.safetensors").read_bytes() == b"mine"
        assert [one.name for one in record.kept] == [f"store/features/{table.name}"]

    def test_weights_that_somebody_put_there(self, cache):
        card = weight_card("resnet18", "imagenet")
        own = put(own_file(card), b"mine")
        (other,) = list_cache().others
        assert "`convlens zoo unpack`" in other.reason
        assert prune_cache(all=True).removed == []
        assert own.exists()


class TestInUse:
    def test_rows_are_read_after_pruning(self, cache, monkeypatch):
        monkeypatch.setattr(features, "_MEMORY_BUDGET", 0)  # each batch is read from the files
        table = FeatureTable(cache / "store", KEY)
        table.add([SHARD], [torch.ones(1, 3)])
        rows = table.rows([SHARD])
        del table
        record = prune_cache(all=True)
        assert [(one.kind, one.reason) for one in record.kept] == [("features", IN_USE)]
        assert rows.batch(torch.tensor([0]))[0].tolist() == [[1.0, 1.0, 1.0]]
        del rows
        assert "features" in kinds(prune_cache(all=True).removed)

    def test_without_the_hold_they_would_be_gone(self, cache, monkeypatch):
        monkeypatch.setattr(features, "_MEMORY_BUDGET", 0)
        table = FeatureTable(cache / "store", KEY)
        table.add([SHARD], [torch.ones(1, 3)])
        rows = table.rows([SHARD])
        table.shards._hold.release()
        prune_cache(kind="features")
        with pytest.raises(FileNotFoundError):
            rows.batch(torch.tensor([0]))

    def test_a_table_that_is_removed_between_opening_and_writing(self, cache):
        table = FeatureTable(cache / "store", KEY)
        (cache / "store/features" / KEY).mkdir(parents=True)
        prune_cache(all=True)
        table.add([SHARD], [torch.ones(1, 3)])
        assert table.rows([SHARD]).batch(torch.tensor([0]))[0].tolist() == [[1.0, 1.0, 1.0]]

    def test_an_archive(self, cache, tmp_path):
        folder = unpacked(zipped(tmp_path / "a.zip"))
        assert [one.reason for one in prune_cache(all=True).kept] == [IN_USE]
        assert any(folder.rglob("*.jpg"))
        holds._for_good.clear()
        with FileLock(f"{cache / 'archives' / next((cache / 'archives').glob('?' * 64)).name}.lock"):
            assert [one.reason for one in prune_cache(all=True).kept] == [IN_USE], "it is being unpacked"
        assert kinds(prune_cache(all=True).removed) == ["archives"]
        assert any(unpacked(tmp_path / "a.zip").rglob("*.jpg"))

    def test_a_killed_pruning_leaves_no_half_archive(self, cache, tmp_path, monkeypatch):
        unpacked(zipped(tmp_path / "a.zip"))
        holds._for_good.clear()

        def killed(path: Path) -> None:
            next(one for one in path.rglob("*") if one.is_file()).unlink()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(shutil, "rmtree", killed)
            prune_cache(kind="archives")
        assert [path.name[:5] for path in (cache / "archives").iterdir() if path.is_dir()] == [".tmp-"]
        assert any(unpacked(tmp_path / "a.zip").rglob("*.jpg"))
        assert not list((cache / "archives").glob(".tmp-*"))

    def test_weights(self, cache):
        kept = put(kept_weights(weight_card("resnet18", "imagenet")), b"weights")
        put(kept.with_suffix(".sha256"), "0" * 64)
        assert hold_for_good(kept)
        assert [one.reason for one in prune_cache(all=True).kept] == [IN_USE]
        holds._for_good.clear()
        assert kinds(prune_cache(all=True).removed) == ["weights"]
        assert everything_in(cache) == {}

    def test_a_disk_without_locks(self, there, monkeypatch):
        monkeypatch.setattr(holds, "_locked", lambda descriptor, operation: holds.NO_LOCKS)
        record = prune_cache(kind="features")
        assert record.removed == []
        assert {one.reason for one in record.kept} == {holds.NO_LOCKS}

    def test_what_may_not_be_removed_is_said(self, there, monkeypatch):
        def refused(path: Path, missing_ok: bool = False) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "unlink", refused)
        record = prune_cache(kind="graphs")
        assert record.removed == []
        assert {one.reason for one in record.kept} == {"cannot be removed: Permission denied"}


class TestLeftovers:
    PLACES = (
        f"store/features/{KEY}/.tmp-{'0' * 32}",
        f"graphs/.tmp-{'0' * 32}",
        f"weights/.tmp-{'0' * 32}",
        f"weights/downloads/{weight_card('resnet18', 'imagenet').file}.part",
        f"archives/.tmp-{'0' * 64}",
    )

    @pytest.mark.parametrize("name", PLACES)
    def test_they_go_a_day_later(self, cache, name):
        path = cache / name
        if name.startswith("archives"):
            put(path / "half.jpg", b"half")
        else:
            put(path, b"half")
        (young,) = list_cache().others
        assert "being written" in young.reason
        assert prune_cache(kind="leftovers").removed == []
        aged(path, 2)
        assert kinds(prune_cache(kind="leftovers").removed) == ["leftovers"]
        assert not path.exists()

    @pytest.mark.parametrize("name", PLACES[-2:])
    def test_not_while_somebody_is_at_work(self, cache, name):
        path = put(cache / name / "half.jpg", b"half").parent if "archives" in name else put(cache / name, b"half")
        aged(path, 2)
        with FileLock(path.with_name(f"{path.name.removeprefix('.tmp-')}.lock")):
            assert [one.reason for one in prune_cache(kind="leftovers").kept] == [IN_USE]
        assert path.exists()

    def test_damaged_shards(self, cache):
        path = put(cache / "store/features" / KEY / "damaged" / f"{SHARD}.safetensors", b"bad")
        assert [one.kind for one in list_cache().kinds] == ["damaged"]
        with held_table(path.parents[1]):
            assert kinds(prune_cache(kind="damaged").removed) == ["damaged"], "nobody reads them"
        assert not path.parent.exists()


@contextlib.contextmanager
def held_table(folder: Path):
    hold = held(folder)
    yield
    hold.release()


class TestRuns:
    def test_after_pruning_a_run_gives_the_same(self, there, filled, tmp_path):
        images = filled.parent / "images"
        before = train(images, out=tmp_path / "before", **TINY_HOUSE, augmented_copies=2)
        assert before.features.computed == 0
        prune_cache(all=True)
        after = train(images, out=tmp_path / "after", **TINY_HOUSE, augmented_copies=2)
        assert after.features.computed == 16
        assert (tmp_path / "after/model.safetensors").read_bytes() == (
            tmp_path / "before/model.safetensors"
        ).read_bytes()
        assert (tmp_path / "after/predictions.csv").read_bytes() == (tmp_path / "before/predictions.csv").read_bytes()

    def test_beside_a_running_training(self, cache, tmp_path, convlens):
        images = draw_images(tmp_path / "images", 16)
        words = ("train", images, *TINY_OPTIONS, "--augmented-copies", 2, "--json", "--out")
        assert convlens(*words, tmp_path / "alone").code == 0
        prune_cache(all=True)
        running = process.start(*words, tmp_path / "beside", command=FROM_FILES)
        kept = 0
        while running.poll() is None:
            kept += len(prune_cache(all=True).kept)
            time.sleep(0.01)
        done = process.finish(running)
        assert done.returncode == 0, done.stderr
        assert kept > 0
        assert (tmp_path / "beside/predictions.csv").read_bytes() == (tmp_path / "alone/predictions.csv").read_bytes()
        check_cache(cache_folder())


class TestCommandLine:
    def test_the_list(self, convlens, there):
        put(there / "notes\x1b.txt", b"mine")
        outcome = convlens("cache")
        assert outcome.code == 0
        lines = outcome.out.splitlines()
        assert lines[0].startswith(f"{there}: ")
        assert lines[1].split() == ["kind", "what", "it", "is", "number", "size", "last", "used"]
        assert [line.split()[0] for line in lines[2:5]] == ["features", "facts", "graphs"]
        assert "house + 2 copies" in outcome.out
        assert "images themselves" in outcome.out
        assert "  notes\\x1b.txt: not a name that convlens gives, 4 bytes" in lines

    def test_json(self, convlens, there):
        assert json.loads(convlens("cache", "--json").out) == json.loads(list_cache().to_json())

    def test_nothing_stored(self, convlens, cache):
        shutil.rmtree(cache)
        assert convlens("cache").out == f"nothing is stored in {cache}\n"

    def test_pruning(self, convlens, there):
        told = convlens("cache", "--prune", "--kind", "features", "--dry-run").out
        assert told.startswith("would remove ")
        done = convlens("cache", "--prune", "--kind", "features").out
        assert done == told.replace("would remove", "removed").replace("would be left", "left")
        assert "features of images: 4, " in done
        assert convlens("cache", "--prune", "--kind", "features").out.startswith("nothing to remove\n")

    def test_a_size_that_cannot_be_reached(self, convlens, there):
        hold = held(there / "store/pictures" / next((there / "store/pictures").iterdir()).name)
        outcome = convlens("cache", "--prune", "--down-to", "0")
        assert outcome.code == 0
        assert f": {IN_USE}\n" in outcome.out
        assert "0 bytes cannot be reached" in outcome.out
        hold.release()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--prune",), "nothing says what to remove. Give --older-than 30d, --down-to 5GB or --kind features"),
            (("--prune", "--all", "--down-to", "5GB"), "--all removes everything"),
            (("--prune", "--older-than", "30"), "--older-than 30: give an age such as"),
            (("--prune", "--down-to", "5"), "--down-to 5: give a size such as"),
            (("--prune", "--kind", "graph"), "did you mean graphs"),
            (("--all",), "Nothing was removed; add --prune."),
        ],
    )
    def test_wrong_use(self, convlens, there, words, message):
        before = everything_in(there)
        outcome = convlens("cache", *words)
        assert (outcome.code, outcome.out) == (2, "")
        assert message in outcome.err
        assert everything_in(there) == before

    def test_every_kind_has_a_title(self):
        from convlens.cli.cache import _TITLES

        assert tuple(_TITLES) == KINDS
