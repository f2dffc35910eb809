"""nginx and haproxy, on ports of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from ..listening import listening
from ..ports import free_port

PROGRAMS = {
    name: shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    for name in ("nginx", "haproxy")
}


def needs(name: str) -> None:
    """Skip a test where this proxy is not installed; in continuous integration it is."""
    if PROGRAMS[name] is None and "CI" not in os.environ:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {name})")


#: All that nginx would write to the folders of the system.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log {folder}/access.log;
    {servers}
}}
"""

#: The least that works for WebSockets, as everybody has it.
NGINX_SERVER = """
server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
    proxy_set_header Host $host;
    {options}
    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    location /rtc/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}
}}
"""

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    retries 0
    timeout connect 5s
    timeout client 50s
    timeout server {silence}s
    timeout check 60s
frontend front
    bind 127.0.0.1:{port}
    http-request replace-path /rtc/(.*) /\\1
    default_backend back
backend back
    {options}
    server upstream 127.0.0.1:{upstream} {check}
"""


class Proxy:
    """A proxy that runs.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int, log: Path):
        self.port = port
        self._log = log

    async def answered(self, status: int) -> None:
        """Wait until it has answered somebody so."""
        while not any(f" {status} " in line for line in self.lines()):  # noqa: ASYNC110
            await trio.sleep(0.05)

    def lines(self) -> list[str]:
        """What it tells of each request."""
        return self._log.read_text().splitlines() if self._log.exists() else []


@asynccontextmanager
async def nginx(
    folder: Path, upstream: int, options: str = "", *, port: int | None = None
) -> AsyncIterator[Proxy]:
    """nginx before a port, with more directives for its server."""
    needs("nginx")
    port = port or free_port()
    servers = NGINX_SERVER.format(port=port, upstream=upstream, options=options)
    async with nginx_servers(folder, servers, port) as proxy:
        yield proxy


@asynccontextmanager
async def nginx_servers(folder: Path, servers: str, port: int) -> AsyncIterator[Proxy]:
    """nginx with these servers, one of which listens on this port."""
    needs("nginx")
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, servers=servers))
    arguments = ["-p", str(folder), "-e", "stderr", "-c", str(file)]
    async with _running("nginx", folder, arguments, port):
        yield Proxy(port, folder / "access.log")


@asynccontextmanager
async def haproxy(
    folder: Path,
    upstream: int,
    options: str = "",
    *,
    check: str = "",
    silence: float = 50,
    port: int | None = None,
) -> AsyncIterator[Proxy]:
    """haproxy before a port, with more directives for its backend."""
    port = port or free_port()
    text = HAPROXY.format(
        port=port, upstream=upstream, options=options, check=check, silence=silence
    )
    async with haproxy_file(folder, text, port) as proxy:
        yield proxy


@asynccontextmanager
async def haproxy_file(folder: Path, text: str, port: int) -> AsyncIterator[Proxy]:
    """haproxy with this configuration, by which it listens on this port."""
    needs("haproxy")
    file = folder / "haproxy.cfg"
    file.write_text(text)
    async with _running("haproxy", folder, ["-db", "-f", str(file)], port):
        yield Proxy(port, folder / "haproxy.log")


@asynccontextmanager
async def _running(name: str, folder: Path, arguments: list[str], port: int) -> AsyncIterator[None]:
    program = PROGRAMS[name]
    assert program is not None
    log = folder / f"{name}.log"
    async with listening([program, *arguments], folder, log, ("127.0.0.1", port)):
        yield
