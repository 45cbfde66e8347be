"""Wikimedia Commons, by the search of https://commons.wikimedia.org/w/api.php. Needs no key."""

import dataclasses
import html
import re
from collections.abc import Iterator

from pydantic import Field

from convlens.core.errors import NetworkError
from convlens.core.settings import setting
from convlens.data.collect.provider import Answer, Api, Candidate

_PER_PAGE = 50
_MOST_PAGES = 200
_WIDTH = 1280
"""Of the scaled copy that is fetched: originals are often too large, and Commons asks not to fetch them in bulk."""
_TAG = re.compile(r"<[^>]*>")
_CC = re.compile(r"^cc[ -](by(?:-nc)?(?:-sa|-nd)?)(?:[ -]\d\.\d.*)?$")


class _Value(Answer):
    value: str = ""


class _Metadata(Answer):
    artist: _Value = Field(default=_Value(), alias="Artist")
    licence: _Value = Field(default=_Value(), alias="LicenseShortName")
    licence_url: _Value = Field(default=_Value(), alias="LicenseUrl")


class _Info(Answer):
    url: str
    descriptionurl: str
    thumburl: str | None = None
    extmetadata: _Metadata = _Metadata()


class _Page(Answer):
    pageid: int
    title: str
    index: int = 0
    imageinfo: tuple[_Info, ...] = ()


class _Query(Answer):
    pages: list[_Page]


class _Error(Answer):
    code: str
    info: str = ""


class _Found(Answer):
    batchcomplete: bool = False
    query: _Query | None = None
    continued: dict[str, str | int] | None = Field(default=None, alias="continue")
    error: _Error | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wikimedia:
    """Photographs and drawings of Wikimedia Commons, most relevant first."""

    name: str = "wikimedia"
    requests_per_second: float = 1.0
    downloads_per_second: float = 4.0
    api: str = "https://commons.wikimedia.org/w/api.php"

    def unusable(self) -> str | None:
        """Always usable."""
        return None

    def search(self, api: Api, query: str, licences: frozenset[str]) -> Iterator[Candidate]:
        """Candidates, page by page; the API cannot search by license."""
        further: dict[str, str | int] = {}
        for _ in range(_MOST_PAGES):
            found = api.ask(self.api, _parameters(query) | further, _Found)
            if found.error is not None:
                raise NetworkError(f"wikimedia answered with {found.error.code}: {found.error.info}. Try again later.")
            if found.query is None and not found.batchcomplete:
                raise NetworkError(
                    f"wikimedia answered without pages. Use another {setting('provider')}, or a newer convlens."
                )
            pages = found.query.pages if found.query else []
            yield from (
                self._candidate(page, page.imageinfo[0])
                for page in sorted(pages, key=lambda page: page.index)
                if page.imageinfo
            )
            if not found.continued:
                return
            further = found.continued

    def _candidate(self, page: _Page, info: _Info) -> Candidate:
        return Candidate(
            provider=self.name,
            id=str(page.pageid),
            title=page.title.removeprefix("File:"),
            author=_plain(info.extmetadata.artist.value),
            licence=_licence(info.extmetadata.licence.value),
            licence_url=info.extmetadata.licence_url.value,
            page=info.descriptionurl,
            url=info.thumburl or info.url,
        )


def _parameters(query: str) -> dict[str, str | int]:
    return {
        "action": "query",
        "format": "json",
        "formatversion": 2,
        "generator": "search",
        "gsrsearch": f"filetype:bitmap {query}",
        "gsrnamespace": 6,
        "gsrlimit": _PER_PAGE,
        "prop": "imageinfo",
        "iiprop": "url|extmetadata",
        "iiextmetadatafilter": "Artist|LicenseShortName|LicenseUrl",
        "iiurlwidth": _WIDTH,
    }


def _plain(markup: str) -> str:
    """The text of a bit of HTML, which is what Commons writes for authors."""
    return " ".join(html.unescape(_TAG.sub("", markup)).split())


def _licence(name: str) -> str:
    """The short name for what Commons calls "CC BY-SA 4.0", "CC0", "Public domain", ..."""
    name = name.strip().lower()
    if name.startswith("cc0"):
        return "cc0"
    if name in ("public domain", "pdm", "pd") or name.startswith("public domain"):
        return "pdm"
    if name == "no restrictions":
        return "no-known-restrictions"
    found = _CC.match(name)
    return found.group(1) if found else "unknown"
