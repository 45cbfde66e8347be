"""`python -m tests.serve.launch NAME LIMITS TOKEN`: a service with other limits than usual, given as JSON."""

import json
import os
import sys

from convlens.serve.limits import Limits
from convlens.serve.messages import Setup
from convlens.serve.server import serve_model


def main() -> None:
    """Serve until a signal comes, and say so on standard error."""
    named, limits = sys.argv[1:]
    serve_model(
        Setup(named=named),
        Limits(**json.loads(limits)),
        host="127.0.0.1",
        port=0,
        token=os.environ.get("CONVLENS_TOKEN"),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    main()
