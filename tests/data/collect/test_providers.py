"""Each provider against a server that speaks its documented JSON."""

import json
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from convlens.core.errors import NetworkError, UsageError
from convlens.data.collect import flickr, openverse, wikimedia
from convlens.data.collect.flickr import Flickr
from convlens.data.collect.licences import allowed_licences
from convlens.data.collect.network import Network
from convlens.data.collect.openverse import Openverse
from convlens.data.collect.provider import Api, Candidate, Pace, Provider
from convlens.data.collect.wikimedia import Wikimedia
from tests.data.collect.internet import rules

KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(flickr.KEY_VARIABLE, KEY)


def photo(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number), "owner": "12@N01", "secret": "abc", "server": "65535", "farm": 66, "title": f"Ant {number}",
        "ispublic": 1, "isfriend": 0, "isfamily": 0, "license": "5", "ownername": "Ann",
        "url_l": f"http://live.test/{number}_b.jpg", "height_l": 768, "width_l": 1024,
    } | changes  # fmt: skip


def photos(page: int, pages: int, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "photos": {"page": page, "pages": pages, "perpage": 250, "total": 999, "photo": found},
        "stat": "ok",
    }


def openverse_page(pages: int, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"result_count": 99, "page_count": pages, "page_size": 20, "page": 1, "results": found}


def openverse_result(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"uuid-{number}", "title": f"Ant {number}", "foreign_landing_url": f"https://land.test/{number}",
        "url": f"https://img.test/{number}.jpg", "creator": "Ann", "creator_url": None, "license": "by-sa",
        "license_version": "2.0", "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
        "provider": "flickr", "source": "flickr", "height": 768, "width": 1024, "tags": [{"name": "ant"}],
        "mature": False,
    } | changes  # fmt: skip


def commons_page(number: int, licence: str = "CC BY-SA 2.0") -> dict[str, Any]:
    metadata = {
        "Artist": {"value": '<a href="//x">Ann &amp; Bob</a>', "source": "commons-desc-page"},
        "LicenseShortName": {"value": licence, "source": "commons-desc-page", "hidden": ""},
        "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/2.0"},
    }
    info = {
        "url": f"https://upload.test/{number}.jpg", "thumburl": f"https://upload.test/thumb/{number}.jpg",
        "descriptionurl": f"https://commons.test/File:{number}.jpg", "thumbwidth": 1280, "extmetadata": metadata,
    }  # fmt: skip
    page = {"pageid": number, "ns": 6, "title": f"File:Ant {number}.jpg", "index": number, "imageinfo": [info]}
    return page | {"imagerepository": "local"}


def commons(found: list[dict[str, Any]], offset: int | None = None) -> dict[str, Any]:
    more = {"continue": {"gsroffset": offset, "continue": "gsroffset||"}} if offset else {"batchcomplete": True}
    return more | ({"query": {"pages": found}} if found else {})


class Served:
    """A provider whose API is the local server; its answers come in turn."""

    def __init__(self, httpserver: HTTPServer, provider: Provider) -> None:
        self.httpserver = httpserver
        self.provider = provider
        self.asked: list[dict[str, str]] = []

    def found(
        self, *answers: object, licence: str = "cc", most: int | None = None, status: int = 200
    ) -> list[Candidate]:
        turn = iter(answers)

        def answer(request: Request) -> Response:
            self.asked.append(request.args.to_dict())
            body = next(turn)
            text = body if isinstance(body, str) else json.dumps(body)
            return Response(text, status=status, mimetype="application/json")

        self.httpserver.expect_request("/api").respond_with_handler(answer)
        network = Network(rules(self.httpserver.port))
        try:
            api = Api(self.provider, network)
            return list(islice(self.provider.search(api, "asian elephant", allowed_licences(licence)), most))
        finally:
            network.close()


MADE: dict[str, Callable[[], Provider]] = {
    "flickr": lambda: Flickr(api="http://api.test/api"),
    "openverse": lambda: Openverse(api="http://api.test/api"),
    "wikimedia": lambda: Wikimedia(api="http://api.test/api"),
}
PAGES: dict[str, list[Any]] = {
    "flickr": [photos(1, 2, [photo(1), photo(2)]), photos(2, 2, [photo(3)])],
    "openverse": [
        openverse_page(2, [openverse_result(1), openverse_result(2)]),
        openverse_page(2, [openverse_result(3)]),
    ],
    "wikimedia": [commons([commons_page(2), commons_page(1)], 50), commons([commons_page(3)])],
}
EMPTY = {"flickr": photos(1, 0, []), "openverse": openverse_page(0, []), "wikimedia": commons([])}
EVERY = pytest.mark.parametrize("name", MADE)


@pytest.fixture
def served(httpserver: HTTPServer) -> Callable[[str], Served]:
    return lambda name: Served(httpserver, MADE[name]())


@EVERY
class TestEveryProvider:
    def test_page_after_page(self, served: Callable[[str], Served], name: str) -> None:
        provider = served(name)
        found = provider.found(*PAGES[name])
        assert [one.title.removesuffix(".jpg") for one in found] == ["Ant 1", "Ant 2", "Ant 3"]
        assert len({one.id for one in found}) == 3
        assert {one.licence for one in found} == {"by-sa"}
        assert all(
            one.provider == name and one.author in ("Ann", "Ann & Bob") and one.page and one.url for one in found
        )
        assert "asian elephant" in " ".join(provider.asked[0].values())
        assert len(provider.asked) == 2

    def test_a_page_is_asked_for_when_it_is_needed(self, served: Callable[[str], Served], name: str) -> None:
        provider = served(name)
        assert len(provider.found(*PAGES[name], most=2)) == 2
        assert len(provider.asked) == 1

    def test_an_empty_result(self, served: Callable[[str], Served], name: str) -> None:
        assert served(name).found(EMPTY[name]) == []

    @pytest.mark.parametrize(
        "answer", ["", "<html>maintenance</html>", "[]", "{}", '{"photos": {"page": 1}, "results": 3, "query": []}']
    )
    def test_another_form_is_said_and_the_key_is_not(
        self, served: Callable[[str], Served], name: str, answer: str
    ) -> None:
        with pytest.raises(NetworkError, match=f"{name} answered (in a form|without|with error)") as error:
            served(name).found(answer)
        assert KEY not in str(error.value)

    @pytest.mark.parametrize("status", [429, 503])
    def test_limits_are_met_with_patience(self, served: Callable[[str], Served], name: str, status: int) -> None:
        provider = served(name)
        with pytest.raises(NetworkError, match=f"{name} cannot be asked: the server answered {status}") as error:
            provider.found(*["{}"] * 5, status=status)
        assert len(provider.asked) == 5
        assert KEY not in str(error.value)

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_clear_no(self, served: Callable[[str], Served], name: str, status: int) -> None:
        provider = served(name)
        with pytest.raises(NetworkError, match=f"{name} cannot be asked: the server answered {status}"):
            provider.found("{}", status=status)
        assert len(provider.asked) == 1


class TestFlickr:
    def test_what_is_asked(self, served: Callable[[str], Served]) -> None:
        provider = served("flickr")
        provider.found(photos(1, 1, []), licence="public-domain")
        (asked,) = provider.asked
        assert asked["method"] == "flickr.photos.search"
        assert (asked["api_key"], asked["text"], asked["license"]) == (KEY, "asian elephant", "7,8,9,10")
        assert (asked["format"], asked["nojsoncallback"], asked["page"]) == ("json", "1", "1")

    def test_a_bad_key(self, served: Callable[[str], Served]) -> None:
        with pytest.raises(UsageError, match=f"Flickr refuses the key in {flickr.KEY_VARIABLE}") as error:
            served("flickr").found({"stat": "fail", "code": 100, "message": "Invalid API Key"})
        assert KEY not in str(error.value)

    def test_no_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(flickr.KEY_VARIABLE)
        assert "FLICKR_API_KEY is not set" in str(Flickr().unusable())

    def test_another_failure(self, served: Callable[[str], Served]) -> None:
        with pytest.raises(NetworkError, match="error 105: Service currently unavailable"):
            served("flickr").found({"stat": "fail", "code": 105, "message": "Service currently unavailable"})

    def test_without_a_large_size_the_address_is_put_together(self, served: Callable[[str], Served]) -> None:
        one, two = served("flickr").found(photos(1, 1, [photo(7, url_l=None), photo(8, license=0)]), licence="any")
        assert one.url == "https://live.staticflickr.com/65535/7_abc_b.jpg"
        assert one.page == "https://www.flickr.com/photos/12@N01/7"
        assert two.licence == "all-rights-reserved"

    def test_licences_of_version_4_stand_beside_those_of_version_2(self, served: Callable[[str], Served]) -> None:
        provider = served("flickr")
        found = photos(1, 1, [photo(number, license=number) for number in (4, 11, 16)])
        old, new, narrow = provider.found(found, licence="commercial")
        assert (old.licence, new.licence, narrow.licence) == ("by", "by", "by-nc-nd")
        assert (old.licence_url, new.licence_url) == (
            "https://creativecommons.org/licenses/by/2.0/",
            "https://creativecommons.org/licenses/by/4.0/",
        )
        assert provider.asked[0]["license"] == "4,5,6,7,8,9,10,11,12,13"

    def test_every_number_leads_to_the_licence_that_its_address_names(self) -> None:
        for name, address in flickr._LICENCES.values():
            if "/licenses/" in address:
                assert f"/licenses/{name}/" in address

    def test_a_licence_of_the_future(self, served: Callable[[str], Served]) -> None:
        (one,) = served("flickr").found(photos(1, 1, [photo(7, license="99")]))
        assert one.licence == "unknown"

    def test_no_more_pages_than_flickr_tells_apart(self, served: Callable[[str], Served]) -> None:
        provider = served("flickr")
        provider.found(*[photos(page, 99, [photo(page)]) for page in range(1, 99)])
        assert len(provider.asked) == 16


class TestOpenverse:
    def test_what_is_asked(self, served: Callable[[str], Served]) -> None:
        provider = served("openverse")
        provider.found(openverse_page(0, []), licence="commercial")
        assert provider.asked == [
            {"q": "asian elephant", "license": "by,by-sa,by-nd,cc0,pdm", "page_size": "20", "page": "1"}
        ]

    def test_no_more_pages_than_are_allowed(self, served: Callable[[str], Served]) -> None:
        provider = served("openverse")
        provider.found(*[openverse_page(99, [openverse_result(page)]) for page in range(99)])
        assert len(provider.asked) == openverse._MOST_PAGES

    def test_fields_that_may_be_null(self, served: Callable[[str], Served]) -> None:
        nothing = dict.fromkeys(("title", "creator", "license_url", "foreign_landing_url"))
        (one,) = served("openverse").found(openverse_page(1, [openverse_result(1, **nothing, license="sampling+")]))
        assert (one.title, one.author, one.licence) == ("", "", "unknown")


class TestWikimedia:
    def test_what_is_asked_and_then_what_it_says_to_go_on_with(self, served: Callable[[str], Served]) -> None:
        provider = served("wikimedia")
        provider.found(*PAGES["wikimedia"])
        first, second = provider.asked
        assert first["gsrsearch"] == "filetype:bitmap asian elephant"
        assert second == first | {"gsroffset": "50", "continue": "gsroffset||"}

    def test_an_error(self, served: Callable[[str], Served]) -> None:
        with pytest.raises(NetworkError, match="maxlag: Waiting for a server"):
            served("wikimedia").found({"error": {"code": "maxlag", "info": "Waiting for a server"}})

    def test_a_page_without_a_image_and_one_without_a_scaled_copy(self, served: Callable[[str], Served]) -> None:
        bare, whole = commons_page(1), commons_page(2)
        del bare["imageinfo"], whole["imageinfo"][0]["thumburl"]
        (one,) = served("wikimedia").found(commons([bare, whole]))
        assert one.url == "https://upload.test/2.jpg"

    @pytest.mark.parametrize(
        ("name", "short"),
        [
            ("CC BY 2.0", "by"), ("CC BY-SA 4.0", "by-sa"), ("CC BY-SA 3.0 de", "by-sa"), ("CC0", "cc0"),
            ("Public domain", "pdm"), ("No restrictions", "no-known-restrictions"), ("CC BY-NC-ND 4.0", "by-nc-nd"),
            ("GFDL", "unknown"), ("", "unknown"), ("CC BYE", "unknown"), ("Attribution", "unknown"),
        ],
    )  # fmt: skip
    def test_licences(self, name: str, short: str) -> None:
        assert wikimedia._licence(name) == short


def test_choices_of_licences() -> None:
    narrow, wide = [allowed_licences(choice) for choice in ("public-domain", "any")]
    assert narrow < allowed_licences("commercial") < allowed_licences("cc") < wide
    assert not any("nc" in name for name in allowed_licences("commercial"))
    with pytest.raises(UsageError, match=r"unknown licence 'mit'.*Accepted: any, cc, commercial, public-domain"):
        allowed_licences("mit")


def test_the_pace_is_kept() -> None:
    pace, start = Pace(50), time.monotonic()
    for _ in range(6):
        pace.wait()
    assert 0.09 <= time.monotonic() - start < 0.5


@EVERY
def test_real_addresses_are_encrypted(name: str) -> None:
    real = {"flickr": Flickr(), "openverse": Openverse(), "wikimedia": Wikimedia()}[name]
    assert real.api.startswith("https://")
    assert real.requests_per_second <= 1
