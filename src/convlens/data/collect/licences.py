"""Licenses by short names, and which of them a person may ask for."""

from typing import Literal, get_args

from convlens.core.errors import unknown_name
from convlens.core.settings import setting

LicenceChoice = Literal["any", "cc", "commercial", "public-domain"]

RESERVED = "all-rights-reserved"
PUBLIC_DOMAIN = frozenset({"cc0", "pdm", "us-government", "no-known-restrictions"})
_COMMERCIAL = PUBLIC_DOMAIN | {"by", "by-sa", "by-nd"}
_CREATIVE_COMMONS = _COMMERCIAL | {"by-nc", "by-nc-sa", "by-nc-nd"}
_ALLOWED: dict[str, frozenset[str]] = {
    "any": _CREATIVE_COMMONS | {RESERVED},
    "cc": _CREATIVE_COMMONS,
    "commercial": _COMMERCIAL,
    "public-domain": PUBLIC_DOMAIN,
}


def allowed_licences(choice: str) -> frozenset[str]:
    """The short names that a choice allows. Raises UsageError for an unknown one."""
    if choice not in _ALLOWED:
        raise unknown_name(setting("licence"), choice, get_args(LicenceChoice))
    return _ALLOWED[choice]
