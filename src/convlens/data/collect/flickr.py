"""Flickr, by flickr.photos.search. Needs a key: https://www.flickr.com/services/api/flickr.photos.search.html."""

import dataclasses
import os
from collections.abc import Iterator

from convlens.core.errors import NetworkError, UsageError
from convlens.core.settings import setting
from convlens.data.collect.licences import RESERVED
from convlens.data.collect.provider import Answer, Api, Candidate

KEY_VARIABLE = "FLICKR_API_KEY"
_PER_PAGE = 250
_MOST_RESULTS = 4000
"""Of one search; beyond it Flickr repeats the first page."""
_BAD_KEY = 100

_CREATIVE_COMMONS = "https://creativecommons.org"
_LICENCES = {
    "0": (RESERVED, ""),
    "1": ("by-nc-sa", f"{_CREATIVE_COMMONS}/licenses/by-nc-sa/2.0/"),
    "2": ("by-nc", f"{_CREATIVE_COMMONS}/licenses/by-nc/2.0/"),
    "3": ("by-nc-nd", f"{_CREATIVE_COMMONS}/licenses/by-nc-nd/2.0/"),
    "4": ("by", f"{_CREATIVE_COMMONS}/licenses/by/2.0/"),
    "5": ("by-sa", f"{_CREATIVE_COMMONS}/licenses/by-sa/2.0/"),
    "6": ("by-nd", f"{_CREATIVE_COMMONS}/licenses/by-nd/2.0/"),
    "7": ("no-known-restrictions", "https://www.flickr.com/commons/usage/"),
    "8": ("us-government", "https://www.usa.gov/government-works"),
    "9": ("cc0", f"{_CREATIVE_COMMONS}/publicdomain/zero/1.0/"),
    "10": ("pdm", f"{_CREATIVE_COMMONS}/publicdomain/mark/1.0/"),
    "11": ("by", f"{_CREATIVE_COMMONS}/licenses/by/4.0/"),
    "12": ("by-sa", f"{_CREATIVE_COMMONS}/licenses/by-sa/4.0/"),
    "13": ("by-nd", f"{_CREATIVE_COMMONS}/licenses/by-nd/4.0/"),
    "14": ("by-nc", f"{_CREATIVE_COMMONS}/licenses/by-nc/4.0/"),
    "15": ("by-nc-sa", f"{_CREATIVE_COMMONS}/licenses/by-nc-sa/4.0/"),
    "16": ("by-nc-nd", f"{_CREATIVE_COMMONS}/licenses/by-nc-nd/4.0/"),
}
"""Flickr's numbers (flickr.photos.licenses.getInfo; those from 11 since June 2025); another one is not asked for."""


class _Photo(Answer):
    id: str
    owner: str
    secret: str
    server: str
    license: str
    title: str = ""
    ownername: str = ""
    url_l: str | None = None


class _Photos(Answer):
    page: int
    pages: int
    photo: list[_Photo]


class _Found(Answer):
    stat: str
    code: int | None = None
    message: str = ""
    photos: _Photos | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flickr:
    """Photographs of Flickr's users, most relevant first."""

    name: str = "flickr"
    requests_per_second: float = 1.0
    """Flickr asks for no more than 3600 an hour."""
    downloads_per_second: float = 8.0
    api: str = "https://api.flickr.com/services/rest/"
    images: str = "https://live.staticflickr.com"

    def unusable(self) -> str | None:
        """Why not: no key."""
        return None if os.environ.get(KEY_VARIABLE) else f"the environment variable {KEY_VARIABLE} is not set"

    def search(self, api: Api, query: str, licences: frozenset[str]) -> Iterator[Candidate]:
        """Candidates, page by page. Raises UsageError for a key that Flickr refuses."""
        numbers = [number for number, (name, _) in _LICENCES.items() if name in licences]
        for page in range(1, _MOST_RESULTS // _PER_PAGE + 1):
            found = api.ask(self.api, self._parameters(query, numbers, page), _Found)
            _refuse_failure(found)
            if found.photos is None:
                raise NetworkError(
                    f"flickr answered without photos. Use another {setting('provider')}, or a newer convlens."
                )
            yield from map(self._candidate, found.photos.photo)
            if page >= found.photos.pages:
                return

    def _parameters(self, query: str, numbers: list[str], page: int) -> dict[str, str | int]:
        return {
            "method": "flickr.photos.search",
            "api_key": os.environ.get(KEY_VARIABLE, ""),
            "text": query,
            "license": ",".join(numbers),
            "sort": "relevance",
            "media": "photos",
            "content_type": 1,
            "safe_search": 1,
            "extras": "license,owner_name,url_l",
            "per_page": _PER_PAGE,
            "page": page,
            "format": "json",
            "nojsoncallback": 1,
        }

    def _candidate(self, photo: _Photo) -> Candidate:
        licence, licence_url = _LICENCES.get(photo.license, ("unknown", ""))
        return Candidate(
            provider=self.name,
            id=photo.id,
            title=photo.title,
            author=photo.ownername or photo.owner,
            licence=licence,
            licence_url=licence_url,
            page=f"https://www.flickr.com/photos/{photo.owner}/{photo.id}",
            url=photo.url_l or f"{self.images}/{photo.server}/{photo.id}_{photo.secret}_b.jpg",
        )


def _refuse_failure(found: _Found) -> None:
    if found.stat == "ok":
        return
    if found.code == _BAD_KEY:
        raise UsageError(
            f"Flickr refuses the key in {KEY_VARIABLE}. Give a valid one, or take another {setting('provider')}."
        )
    raise NetworkError(f"flickr answered with error {found.code}: {found.message}. Try again later.")
