"""``trio-rtc server``."""

from __future__ import annotations

import logging
import sys

import trio

from ..server import serve_signaling
from .run import run


def run_server(host: str | None, port: int) -> int:
    """Serve until interrupted; the exit status is 0 then, and 1 if there is no listening."""
    logging.basicConfig(level=logging.WARNING, format="trio-rtc server: %(message)s")

    async def command() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(_serve, host, port)
            print(f"listening on {_address(listeners)}", flush=True)

    def report_error(code: str, message: str) -> None:
        where = f"{host or 'all interfaces'}, port {port}"
        print(f"trio-rtc server: cannot listen on {where}: {message}", file=sys.stderr)

    return run(command, report_error, interrupted=lambda _: 0)


async def _serve(
    host: str | None,
    port: int,
    task_status: trio.TaskStatus[list[trio.SocketListener]],
) -> None:
    await serve_signaling(port, host=host, task_status=task_status)


def _address(listeners: list[trio.SocketListener]) -> str:
    """Where it listens; at the end a URL that works from this machine at least."""
    host, port = listeners[0].socket.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        return f"all interfaces: http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
