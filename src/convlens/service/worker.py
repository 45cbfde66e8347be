"""The process that holds the model: `python -m convlens.service.worker DESCRIPTOR`, started by `service.process` alone.

It reads jobs from a socket and writes their outcomes, one after the other, until the other side is gone. Signals that
are meant for the service are left to the process that speaks HTTP, which lets this one finish.
"""

import signal
import sys
from multiprocessing.connection import Connection

import torch

from convlens.core.errors import ConvlensError
from convlens.service.messages import Explain, Failed, Job, Outcome, Ready
from convlens.service.model import Model, loaded_model


def work(connection: Connection) -> None:
    """Load the model that the first message asks for, and answer jobs until the connection ends."""
    try:
        model = loaded_model(connection.recv())
    except ConvlensError as error:
        connection.send(Failed(error))
        return
    connection.send(Ready(model.description, model.notes))
    with torch.inference_mode():
        while True:
            try:
                job = connection.recv()
            except EOFError:
                return
            connection.send(_outcomes(model, job))


def _outcomes(model: Model, job: Job) -> list[Outcome]:
    if isinstance(job, Explain):
        return [model.explain(job.image, job.target)]
    return model.predict(job.images)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    work(Connection(int(sys.argv[1])))
