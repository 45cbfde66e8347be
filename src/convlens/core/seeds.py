"""Seeds: one number from the person, independent streams for everything that is random."""

import hashlib


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose ("head", "order", "augment"), so that streams do not disturb each other."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1
