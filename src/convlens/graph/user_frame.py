"""User frames: where in a person's code something happened."""

import re
from pathlib import Path

import torch

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)\n\s*(?P<code>.*)')
_NOT_THEIRS = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
"""What the files begin with through which a module is called while it is captured."""


def user_frame(lines: list[str]) -> str:
    """The innermost frame of a formatted traceback that is neither torch's nor capture's; "" without one.

    As `file:line in function: code`.
    """
    frames = [match for match in _FRAME.finditer("".join(lines)) if not match["file"].startswith(_NOT_THEIRS)]
    return "{file}:{line} in {function}: {code}".format(**frames[-1].groupdict()) if frames else ""
