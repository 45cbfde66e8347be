"""Reading what clients send, within limits of bytes and seconds that hold before anything is looked at."""

import asyncio

from starlette.requests import Request

from convlens.service.limits import Account, Limits, Refusal


class Reader:
    """Reads the bodies of requests."""

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.body_seconds

    async def read(self, request: Request, account: Account, most: int) -> bytes:
        """The body, of at most `most` bytes, taken from the account as they come.

        Raises Refusal: 413 for more, 408 for a body that takes too long, 400 for none; Busy where other requests hold
        too many bytes; and starlette's ClientDisconnect.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > most):
            raise _too_large(most)
        parts = []
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    if account.taken + len(chunk) > most:
                        raise _too_large(most)
                    account.take(len(chunk))
                    parts.append(chunk)
        except TimeoutError:
            raise Refusal(408, "slow", f"The body did not come within {self._seconds:g} seconds.") from None
        if not account.taken:
            raise Refusal(400, "empty", "The body is empty. Send the bytes of an image file, with no form around them.")
        return b"".join(parts)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "too-large", f"The body has over {most / 1e6:g} MB.")
