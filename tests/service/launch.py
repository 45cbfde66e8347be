"""`python -m tests.service.launch NAME LIMITS TOKEN`: a service with other limits than usual, given as JSON."""

import json
import os
import sys

from convlens.service.limits import Limits
from convlens.service.messages import Setup
from convlens.service.server import serve_model


def main() -> None:
    """Serve until a signal comes, and say so on standard error."""
    named, limits = sys.argv[1:]
    serve_model(
        Setup(named=named),
        Limits(**json.loads(limits)),
        host="127.0.0.1",
        port=0,
        token=os.environ.get("CONVLENS_TOKEN"),
        started=lambda serving: print(serving.address, file=sys.stderr, flush=True),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    main()
