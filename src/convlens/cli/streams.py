"""Standard output and standard error as they are found: of any encoding, closed, or with nobody who reads any more."""

import codecs
import io
import os
import sys
from typing import IO

_ERRORS = "convlens"
_PLAIN = {
    "×": "x",
    "·": "*",
    "←": "<-",
    "→": "->",
    "²": "2",
    "±": "+-",
    "–": "-",
    "—": "-",
    "…": "...",
    "†": "+",
    "•": "*",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}
"""What stands for a character that a stream cannot write; all others are escaped."""
CLOSED_PIPE = 141
"""The exit code of a program whose reader went away, as a shell gives it: 128 and the number of SIGPIPE."""


def make_streams_ready() -> None:
    """Let standard output and error take any text: what their encoding has no character for is replaced or escaped."""
    codecs.register_error(_ERRORS, _replaced)
    sys.stdout = _ready(sys.stdout)
    sys.stderr = _ready(sys.stderr)


def encoded_for_standard_error(text: str) -> bytes:
    """The bytes of a text for who must write them by the system alone."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    return text.encode(encoding, _ERRORS if _is_registered() else "backslashreplace")


def echo(text: str, *, end: str = "\n") -> None:
    """Print on standard output. (Typer's own writes UTF-8 where the stream's encoding is ASCII.)"""
    print(text, end=end, flush=True)


def tell(text: str) -> None:
    """Print a line on standard error. Work goes on where nobody reads it any more, or it cannot be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # a pipe without a reader, a terminal that is gone, a log on a full disk
        give_up(sys.stderr)
    except ValueError:  # closed by whoever runs `main` within a process
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  (for the rest of the process)


def columns_of(stream: IO[str]) -> int:
    """How wide a terminal is; what the environment says of it goes first, as everywhere."""
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdecimal() else os.get_terminal_size(stream.fileno()).columns


def give_up(stream: IO[str]) -> None:
    """Let what is written to a stream without a reader go nowhere, so that nothing fails on it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def reader_is_gone(ended: SystemExit) -> bool:
    """Whether a program ends because nobody reads its output: typer and rich turn that into an exit of their own."""
    return isinstance(ended.__context__, BrokenPipeError)


def _ready(stream: IO[str] | None) -> IO[str]:
    if stream is None:  # its descriptor is closed
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  (for as long as the process lives)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ERRORS)
    return stream


def _is_registered() -> bool:
    try:
        codecs.lookup_error(_ERRORS)
    except LookupError:
        return False
    return True


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or ascii(c)[1:-1] for c in text), error.end
