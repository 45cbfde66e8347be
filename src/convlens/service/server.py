"""The server: a socket, the service, and an end that answers what was taken."""

import asyncio
import contextlib
import dataclasses
import errno
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from convlens.core.errors import MachineError, UsageError
from convlens.core.progress import Say
from convlens.core.served import Serving
from convlens.core.settings import setting
from convlens.service.app import Service
from convlens.service.connection import guarded
from convlens.service.limits import Limits
from convlens.service.messages import Setup
from convlens.service.process import WorkerProcess

_LAST_PORT = 65535
_BACKLOG = 2048
"""Connections that the system keeps until they are taken."""
_TAKEN_AT_ONCE = 64
"""Far below the limit of connections: those that are taken together crowd out others before these are heard."""
_SPARE_FILES = 100
"""Descriptors for everything that is no connection."""
_DRAIN_SECONDS = 0.5
"""For which requests are still taken after the signal to stop, from clients that cannot know of it yet."""
_FORCED_EXIT_SECONDS = 60
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UsageError for an address that this machine has not, or that is in use."""
    if not 0 <= port <= _LAST_PORT:
        raise UsageError(f"{setting('port', port)}: there are ports from 1 to {_LAST_PORT}; 0 takes a free one.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{setting('host', host)} is not an address: {error}. Accepted: such as 127.0.0.1.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from None
    listener.listen(_BACKLOG)
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    address = str(listener.getsockname()[0])
    return address.startswith("127.") or address == "::1"


def serve_model(
    setup: Setup,
    limits: Limits,
    *,
    host: str,
    port: int,
    token: str | None,
    started: Callable[[Serving], None],
    say: Say,
) -> None:
    """Serve a model until a signal asks to stop; requests that were taken are answered then.

    `started` is called when the first request may come. A second signal ends at once. Raises what `listening` raises,
    and what keeps the model from loading.
    """
    with listening(host, port) as listener:
        if setup.shows_training_images is None:
            setup = dataclasses.replace(setup, shows_training_images=is_loopback(listener))
        worker = WorkerProcess(setup, seconds=limits.job_seconds)
        try:
            ready = worker.start()
            for note in ready.notes:
                say(note)
            model = ready.model
            beyond = not is_loopback(listener)
            if beyond and token is None:
                say(f"anyone who reaches {host} can use this service: set CONVLENS_TOKEN to ask for a token")
            names = () if beyond else (host, str(listener.getsockname()[0]))
            service = Service(model, worker, limits, token=token, any_host=beyond, names=names, say=say)
            serving = Serving(address=_address(listener), model=model)
            _run(service, listener, lambda: started(serving))
            say("ended at once" if service.ended_at_once else "stopped; every request that was taken is answered")
        finally:
            worker.stop()


def _address(listener: socket.socket) -> str:
    name, number = listener.getsockname()[:2]
    return f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"


def _run(service: Service, listener: socket.socket, started: Callable[[], None]) -> None:
    """Answer requests until a signal asks to stop; `started` is called when the first one may come."""
    limits = service.limits
    connection = guarded(
        most_connections=_affordable_connections(limits),
        head_seconds=limits.head_seconds,
    )
    config = uvicorn.Config(
        service.application(),
        http=connection,
        ws="none",
        lifespan="on",
        loop="asyncio",
        backlog=_TAKEN_AT_ONCE,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.head_seconds),
        timeout_graceful_shutdown=_FORCED_EXIT_SECONDS,
    )
    asyncio.run(_served(_Server(config, started), service, listener))


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handlers, which says when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled by `_served`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)  # asyncio has set it to as many as it takes at once
        self._tell()


async def _served(server: _Server, service: Service, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            server.force_exit = True
            service.end_at_once()
        asked.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    service.meters.watch(
        waiting=service.waiting,
        held=lambda: service.budget.held,
        connections=lambda: len(server.server_state.connections),
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(asked.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        service.stopping = True
        for open_server in server.servers:
            open_server.close()
        await asyncio.sleep(_DRAIN_SECONDS)
        server.should_exit = True
    stopping.cancel()
    await serving


def _affordable_connections(limits: Limits) -> int:
    """As many as are allowed and this process may open; its own limit is raised to what the system gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return limits.connections if soft == resource.RLIM_INFINITY else min(limits.connections, soft - _SPARE_FILES)


def _refused(host: str, port: int, error: OSError) -> UsageError | MachineError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"{setting('port', port)} is in use on {host}. Choose another one; 0 takes a free one.")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{setting('host', host)} is no address of this machine. Accepted: such as 127.0.0.1.")
    return MachineError(
        f"cannot listen on {host}, port {port}: {error.strerror}. Choose a {setting('port')} from 1024."
    )
