"""Collecting against a local server: what is kept, what is dropped, and going on after a kill."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Response

from convlens.core.collection import Attribution, CollectionRecord
from convlens.core.errors import NetworkError, UsageError
from convlens.data.collect.openverse import Openverse
from convlens.data.collect.provider import Candidate
from convlens.data.scan import scan
from convlens.tasks.collect import collect
from tests.data.collect import internet
from tests.data.collect.internet import image, rules
from tests.data.drawn import encoded
from tests.data.test_perceptual_hash import photograph
from tests.report.page import parsed

ANYTHING = re.compile(".*")
PROVIDER = Openverse(api="http://api.test/api")


def run(httpserver: HTTPServer, out: Path, *words: str, **more: Any) -> CollectionRecord:
    settings = {"providers": [PROVIDER], "rules": rules(httpserver.port)} | more
    return collect(words or ("ants",), out, **settings)


def serving(httpserver: HTTPServer, count: int, **more: Any) -> internet.Openverse:
    server = internet.Openverse(count, **more)
    httpserver.expect_request(ANYTHING).respond_with_handler(server)
    return server


def lines(out: Path) -> list[Attribution]:
    return [Attribution.from_json(line, "") for line in (out / "attribution.jsonl").read_text().splitlines()]


def whole(out: Path) -> None:
    """What stands there is what the attributions say, and nothing else."""
    files = {str(path.relative_to(out)) for path in out.glob("*/*")}
    assert files == {one.file for one in lines(out)}
    for one in lines(out):
        data = (out / one.file).read_bytes()
        assert (one.sha256, one.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        Image.open(io.BytesIO(data)).load()


def test_images_come_with_their_attributions(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 30)
    record = run(httpserver, tmp_path / "out", "ants", count=12)
    (one,) = record.classes
    assert (one.present, one.addresses, one.outcomes) == (12, 12, {"kept": 12})
    assert sorted(map(int, server.asked)) == list(range(12))
    assert len(server.pages) == 1
    whole(tmp_path / "out")
    first = next(line for line in lines(tmp_path / "out") if line.id == "id-0")
    assert (first.title, first.author, first.licence) == ("Title 0", "Author 0", "by")
    assert first.licence_url == "https://creativecommons.org/licenses/by/4.0/"
    assert (first.page, first.url) == ("https://pages.test/0", "http://images.test/p/0.jpg")
    assert (first.width, first.height, first.resized) == (96, 72, False)
    page = parsed(tmp_path / "out/CREDITS.html")
    assert len(page.rows()) == 13
    assert "Author 11" in page.text


def test_classes_are_folders_that_can_be_scanned(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 20)
    record = run(httpserver, tmp_path, "ants", "big bees=bees in flight", count=8)
    assert [(one.name, one.query, one.present) for one in record.classes] == [
        ("ants", "ants", 8),
        ("big bees", "bees in flight", 8),
    ]
    assert [page["q"] for page in server.pages] == ["ants", "bees in flight"]
    assert record.classes[1].outcomes == {"seen-before": 8, "kept": 8}
    manifest = scan(tmp_path)
    assert manifest.classes == ("ants", "big bees")
    assert (len(manifest.images), manifest.problems) == (16, ())


OTHERWISE = {
    0: Response("gone", status=404),
    1: Response("no", status=403),
    2: Response("later", status=503),
    3: Response("<html>This image was removed</html>", mimetype="text/html"),
    4: Response(image(4)[:-300]),
    5: Response(status=302, headers={"Location": "http://images.test/images/photo_unavailable.png"}),
    6: Response(encoded(Image.new("RGB", (200, 100), "gray"), "JPEG")),
    7: Response(image(8)),
    9: Response(encoded(photograph(8, (96, 72)).resize((64, 48)), "PNG")),
    10: Response(status=302, headers={"Location": "http://169.254.169.254/"}),
    11: Response(image(11), headers={"Content-Encoding": "gzip"}),
    12: Response(encoded(Image.new("1", (9000, 9000)), "PNG")),
    13: Response(encoded(Image.new("RGB", (3, 3)), "PNG")),
    14: Response(bytes(300_000)),
    15: Response(b""),
}


def otherwise(number: int) -> Response:
    return OTHERWISE.get(number, Response(image(number)))


class Serial(internet.Openverse):
    """Also has the image that says that there is none."""

    def __call__(self, request: Any) -> Response:
        if request.path.startswith("/images/"):
            return Response(image(99))
        return super().__call__(request)


def test_the_reasons_add_up_to_the_addresses(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = Serial(24, content=otherwise)
    httpserver.expect_request(ANYTHING).respond_with_handler(server)
    record = run(httpserver, tmp_path, count=100, rules=rules(httpserver.port, most_bytes=200_000))
    (one,) = record.classes
    copies = one.outcomes.pop("duplicate", 0) + one.outcomes.pop("near-duplicate", 0)
    assert copies == 2
    assert one.outcomes == {
        "kept": 9, "gone": 1, "refused": 1, "busy": 1, "not-an-image": 2, "truncated": 1, "placeholder": 2,
        "unsafe-address": 1, "compressed": 1, "too-large": 2, "tiny": 1,
    }  # fmt: skip
    assert one.addresses == 24 == sum(one.outcomes.values()) + copies
    assert one.present == 9
    whole(tmp_path)


def test_run_again_only_what_is_missing_is_fetched(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = Serial(24, content=otherwise)
    httpserver.expect_request(ANYTHING).respond_with_handler(server)
    small = rules(httpserver.port, most_bytes=200_000)
    run(httpserver, tmp_path, count=100, rules=small)
    taken, lost = lines(tmp_path)[0], lines(tmp_path)[-1]
    for one in (taken, lost):
        (tmp_path / one.file).unlink()
    server.asked.clear()
    record = run(httpserver, tmp_path, count=100, rules=small)
    number = lost.id.removeprefix("id-")
    # What was busy may answer now; the last one may be what a killed process left; of all others the outcome is known,
    # and what a person took away stays away.
    assert set(server.asked) == {number, "2"}
    assert record.classes[0].outcomes["seen-before"] == 22
    assert record.classes[0].present == 8
    whole(tmp_path)


def test_another_image_comes_in_the_place_of_one_that_was_taken_away(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 10)
    run(httpserver, tmp_path, count=5)
    taken = lines(tmp_path)[0]
    (tmp_path / taken.file).unlink()
    server.asked.clear()
    for _ in range(2):
        assert run(httpserver, tmp_path, count=5).classes[0].present == 5
    assert len(server.asked) == 1
    assert taken.id not in {one.id for one in lines(tmp_path)}


def test_what_a_person_sorted_keeps_its_attribution(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 20)
    run(httpserver, tmp_path, "ants", "bees", count=4)
    moved, renamed, taken, last = (one for one in lines(tmp_path) if one.label == "ants")
    (tmp_path / moved.file).rename(tmp_path / "bees" / Path(moved.file).name)
    (tmp_path / renamed.file).rename(tmp_path / "ants/best.jpg")
    (tmp_path / taken.file).unlink()
    (tmp_path / last.file).rename(tmp_path / Path(last.file).name)
    (tmp_path / "bees").rename(tmp_path / "wasps")
    server.asked.clear()
    record = run(httpserver, tmp_path, "ants", "wasps", count=5)
    assert [(one.name, one.present) for one in record.classes] == [("ants", 5), ("wasps", 5)]
    after = {one.id: one for one in lines(tmp_path)}
    place = {one.id: (one.file, one.label) for one in after.values()}
    assert place[moved.id] == (f"wasps/{Path(moved.file).name}", "wasps")
    assert place[renamed.id] == ("ants/best.jpg", "ants")
    assert place[last.id] == (Path(last.file).name, "ants")
    assert taken.id not in after
    for one in after.values():
        assert hashlib.sha256((tmp_path / one.file).read_bytes()).hexdigest() == one.sha256
    assert not {f"{one.id}".removeprefix("id-") for one in (moved, renamed, taken, last)} & set(server.asked)
    assert moved.author in parsed(tmp_path / "CREDITS.html").text


def test_sorted_into_sides_it_is_of_the_same_class(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 10)
    run(httpserver, tmp_path, count=4)
    (tmp_path / "train").mkdir()
    (tmp_path / "ants").rename(tmp_path / "train/ants")
    server.asked.clear()
    assert run(httpserver, tmp_path, count=4).classes[0].present == 4
    assert (server.asked, {one.label for one in lines(tmp_path)}) == ([], {"ants"})


def test_nothing_is_missing(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 10)
    run(httpserver, tmp_path, count=5)
    server.asked.clear()
    server.pages.clear()
    record = run(httpserver, tmp_path, count=5)
    assert (server.asked, server.pages) == ([], [])
    assert (record.classes[0].present, record.classes[0].addresses) == (5, 0)


@pytest.mark.parametrize("max_side", [64, 95, 96, 500])
def test_made_smaller_on_request(httpserver: HTTPServer, tmp_path: Path, max_side: int) -> None:
    serving(httpserver, 3)
    run(httpserver, tmp_path, count=3, max_side=max_side)
    for one in lines(tmp_path):
        with Image.open(tmp_path / one.file) as image:
            assert image.size == (one.width, one.height)
        assert max(one.width, one.height) == min(max_side, 96)
        assert one.resized == (max_side < 96)
    whole(tmp_path)


def test_a_licence_that_was_not_asked_for_is_not_fetched(httpserver: HTTPServer, tmp_path: Path) -> None:
    server = serving(httpserver, 3)
    record = run(httpserver, tmp_path, licence="public-domain", count=3)
    assert server.asked == []
    assert record.classes[0].outcomes == {"licence": 3}


def test_hostile_words_from_a_provider_stay_words(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Hostile(internet.Openverse):
        def result(self, number: int) -> dict[str, Any]:
            evil = {"id": f"../../{number}", "title": "<script>alert(1)</script>", "creator": "\n\x1b[31m"}
            evil["foreign_landing_url"] = "javascript:alert(1)"
            return super().result(number) | evil

    httpserver.expect_request(ANYTHING).respond_with_handler(Hostile(3))
    run(httpserver, tmp_path / "out", count=3)
    whole(tmp_path / "out")
    assert {path.parent for path in tmp_path.rglob("*.jpg")} == {tmp_path / "out/ants"}
    page = parsed(tmp_path / "out/CREDITS.html")
    assert not page.all("script")
    assert not [link for link in page.all("a") if link.attributes["href"].startswith("javascript")]


class Failing:
    """A provider that cannot be asked."""

    name = "failing"
    requests_per_second = downloads_per_second = 1.0

    def unusable(self) -> str | None:
        return None

    def search(self, *_: object) -> Iterator[Candidate]:
        raise NetworkError("failing cannot be asked.")
        yield


def test_a_provider_that_fails_is_told_of_and_the_next_one_asked(httpserver: HTTPServer, tmp_path: Path) -> None:
    serving(httpserver, 5)
    said: list[str] = []
    record = run(httpserver, tmp_path, count=4, providers=[Failing(), PROVIDER], say=said.append)
    assert record.classes[0].present == 4
    assert record.warnings == said == ["failing cannot be asked."]


def test_an_id_that_comes_twice_is_fetched_once(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Shifting(internet.Openverse):
        def result(self, number: int) -> dict[str, Any]:
            return super().result(number // 2)

    def slowly(number: int) -> Response:
        time.sleep(0.05)
        return Response(image(number))

    server = Shifting(12, content=slowly)
    httpserver.expect_request(ANYTHING).respond_with_handler(server)
    record = run(httpserver, tmp_path, count=100)
    assert sorted(map(int, server.asked)) == list(range(6))
    assert record.classes[0].outcomes == {"kept": 6, "seen-before": 6}
    assert not (tmp_path / ".dropped.jsonl").exists()


def test_when_all_fail_it_is_an_error(httpserver: HTTPServer, tmp_path: Path) -> None:
    class Broken(Failing):
        name = "broken"

        def search(self, *_: object) -> Iterator[Candidate]:
            raise NetworkError("broken cannot be asked.")
            yield

    with pytest.raises(NetworkError, match=r"failing cannot be asked\. broken cannot be asked\. Try again later"):
        run(httpserver, tmp_path, providers=[Failing(), Broken()])


@pytest.mark.parametrize(
    ("words", "more", "message"),
    [
        ((), {}, "no words"),
        (("a/b",), {}, "cannot name a class folder"),
        (("..=x",), {}, "cannot name a class folder"),
        ((".x",), {}, "cannot name a class folder"),
        (("ants=",), {}, "cannot name a class folder"),
        (("ants", "Ants=x"), {}, "class 'ants' is given twice"),
        (("ants",), {"count": 0}, "count=0"),
        (("ants",), {"max_side": 3}, "max_side=3"),
        (("ants",), {"provider": "flicker"}, "unknown provider 'flicker'"),
        (("ants",), {"licence": "mit"}, "unknown licence 'mit'"),
    ],
)
def test_wrong_use(tmp_path: Path, words: tuple[str, ...], more: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        collect(words, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_flickr_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    with pytest.raises(UsageError, match="provider='flickr' cannot be used: the environment variable FLICKR_API_KEY"):
        collect(["ants"], tmp_path, provider="flickr")


PROGRAM = """
import sys
from convlens.data.collect.openverse import Openverse
from convlens.tasks.collect import collect
from tests.data.collect.internet import rules
provider = Openverse(api="http://api.test/api")
collect(["ants"], sys.argv[2], count=200, providers=[provider], rules=rules(int(sys.argv[1])))
"""


def started(httpserver: HTTPServer, out: Path) -> subprocess.Popen[bytes]:
    path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(httpserver.port), str(out)], env=environment)


@pytest.mark.parametrize("after", [10, 90, 170])
def test_killed_in_the_middle_exactly_the_missing_ones_are_requested(
    httpserver: HTTPServer, tmp_path: Path, after: int
) -> None:
    enough = threading.Event()

    def slowly(number: int) -> Response:
        if len(server.asked) >= after:
            enough.set()
        time.sleep(0.002)
        return Response(image(number))

    server = internet.Openverse(200, content=slowly)
    httpserver.expect_request(ANYTHING).respond_with_handler(server)
    process = started(httpserver, tmp_path)
    assert enough.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path.name for path in tmp_path.glob("ants/*.jpg")}
    for path in tmp_path.glob("ants/*.jpg"):
        Image.open(path).load()  # under its final name every file is whole
    have = {one.id.removeprefix("id-") for one in known(tmp_path) if Path(one.file).name in there}
    assert len(have) == len(there)
    wait_for_silence(server)  # what the dead process had asked for
    server.asked.clear()
    again = started(httpserver, tmp_path)
    assert again.wait(120) == 0
    assert sorted(server.asked) == sorted({str(number) for number in range(200)} - have)
    assert len(lines(tmp_path)) == 200
    whole(tmp_path)


def wait_for_silence(server: internet.Openverse) -> None:
    before = -1
    while len(server.asked) != before:
        before = len(server.asked)
        time.sleep(0.5)


def known(out: Path) -> list[Attribution]:
    text = (out / "attribution.jsonl").read_text() if (out / "attribution.jsonl").exists() else ""
    return [Attribution.from_json(line, "") for line in text.splitlines() if line.endswith("}")]


def test_a_line_that_was_not_finished_is_cut_off(httpserver: HTTPServer, tmp_path: Path) -> None:
    serving(httpserver, 10)
    run(httpserver, tmp_path, count=4)
    with (tmp_path / "attribution.jsonl").open("a") as file:
        file.write('{"file": "ants/half')
    (tmp_path / ".dropped.jsonl").write_text('{"provider": "openverse", "id": "id-5", "reason": "gone"}\n{"provi')
    (tmp_path / "ants/.tmp-left").write_bytes(b"half")
    record = run(httpserver, tmp_path, count=8)
    assert record.classes[0].outcomes == {"seen-before": 5, "kept": 4}
    whole(tmp_path)
    assert all(json.loads(line) for line in (tmp_path / ".dropped.jsonl").read_text().splitlines())


def test_two_at_once(httpserver: HTTPServer, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".collect.lock"), pytest.raises(UsageError, match="another process is collecting into"):
        run(httpserver, tmp_path, count=4)
