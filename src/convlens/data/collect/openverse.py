"""Openverse, https://api.openverse.org/v1/: openly licensed images of many collections. Needs no key."""

import dataclasses
from collections.abc import Iterator

from convlens.data.collect.provider import Answer, Api, Candidate

_PER_PAGE = 20
_MOST_PAGES = 12
"""What somebody without an account may ask for."""
_NAMES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm")


class _Result(Answer):
    id: str
    url: str
    title: str | None = None
    creator: str | None = None
    license: str
    license_url: str | None = None
    foreign_landing_url: str | None = None


class _Found(Answer):
    page_count: int
    results: list[_Result]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Openverse:
    """Images that Openverse knows, most relevant first; they lie on servers of others."""

    name: str = "openverse"
    requests_per_second: float = 0.3
    """Without an account 20 a minute are allowed."""
    downloads_per_second: float = 8.0
    api: str = "https://api.openverse.org/v1/images/"

    def unusable(self) -> str | None:
        """Always usable."""
        return None

    def search(self, api: Api, query: str, licences: frozenset[str]) -> Iterator[Candidate]:
        """Candidates, page by page."""
        names = ",".join(name for name in _NAMES if name in licences)
        for page in range(1, _MOST_PAGES + 1):
            parameters: dict[str, str | int] = {"q": query, "license": names, "page_size": _PER_PAGE, "page": page}
            found = api.ask(self.api, parameters, _Found)
            yield from map(self._candidate, found.results)
            if page >= found.page_count:
                return

    def _candidate(self, result: _Result) -> Candidate:
        return Candidate(
            provider=self.name,
            id=result.id,
            title=result.title or "",
            author=result.creator or "",
            licence=result.license if result.license in _NAMES else "unknown",
            licence_url=result.license_url or "",
            page=result.foreign_landing_url or "",
            url=result.url,
        )
