"""``trio-rtc doctor``: what works here, and what to do about the rest."""

from __future__ import annotations

import json
import platform
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final, Literal

import httpx
import trio

from ...errors import CallError, TrioRTCError
from ...rtc import IceCandidateEvent, IceServer, ice_servers_from_environment, open_peer_connection
from ...rtc.backend.ice.host_addresses import host_addresses
from ...rtc.backend.jsep.codecs import codecs_of
from ...rtc.backend.patches import can
from ...rtc.backend.purposes import USES
from ...signaling import open_signaling
from ..commands.declare import urls
from ..commands.doctor_options import DoctorOptions
from ..run import run
from ..terminal.wrapping import print_wrapped
from ..tls import client_context

Level = Literal["ok", "warning", "error"]

SERVER_SECONDS: Final = 10.0
ICE_SECONDS: Final = 8.0
CLOCK_SECONDS: Final = 30.0
"""Of difference between two clocks; tokens have some leeway."""

MARKS: Final[dict[Level, str]] = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
HANGING: Final = 9 * " "
"""Before what does not fit into the line of a mark."""

PACKAGES: Final = ("trio-rtc", "trio", "aiortc", "aioice", "av", "cryptography")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: in a sentence.
        hint: what to do about it.
    """

    level: Level
    about: str
    what: str
    hint: str = ""


def run_doctor(options: DoctorOptions) -> int:
    """Look at everything; 0 if nothing is broken, 1 otherwise."""
    given = [*options.server, *([options.old_server] if options.old_server else [])]
    broken = False

    def tell(finding: Finding) -> None:
        nonlocal broken
        broken = broken or finding.level == "error"
        if options.json:
            print(json.dumps({"event": "finding", **vars(finding)}), flush=True)
            return
        lines = [f"{MARKS[finding.level]}  {finding.about}: {finding.what}"]
        if finding.hint:
            lines.append(f"{HANGING}{finding.hint}")
        for line in lines:
            print_wrapped(line, sys.stdout, HANGING)

    async def examine() -> None:
        for finding in (*_versions(), *_names(), *_addresses(), *_codecs()):
            tell(finding)
        servers = ice_servers_from_environment()
        if given:
            for url in urls(given):
                async for finding in _server(url, options, ssl_context, servers):
                    tell(finding)
        else:
            tell(
                Finding(
                    "warning", "server", "not looked at", "give its URL: --server ws://HOST:8888"
                )
            )
        async for finding in _ice(servers):
            tell(finding)

    def report(code: str, message: str) -> None:
        print_wrapped(f"trio-rtc doctor: {message}", sys.stderr)

    try:
        ssl_context = client_context(options.ca)
    except CallError as error:
        report(error.code, str(error))
        return 2
    if options.old_server:
        report("deprecated", "write --server before the URL, as for all commands")
    status = run(examine, report, interrupted=lambda number: 128 + number)
    return status or int(broken)


def _versions() -> Iterable[Finding]:
    yield Finding("ok", "Python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("ok", "packages", ", ".join(f"{name} {version(name)}" for name in PACKAGES))


def _names() -> Iterable[Finding]:
    missing = [purpose for purpose in USES if not can(purpose)]
    for purpose in missing:
        yield Finding(
            "warning",
            "aiortc",
            USES[purpose].without,
            "this release has changed; the bounds in pyproject.toml tell which are known",
        )
    if not missing:
        yield Finding("ok", "aiortc", f"all {len(USES)} purposes that need private names hold")


def _addresses() -> Iterable[Finding]:
    addresses = host_addresses()
    if not addresses:
        yield Finding(
            "error", "addresses", "there are none", "no call is possible without a network"
        )
    elif all(address.startswith(("127.", "::1", "fe80")) for address in addresses):
        yield Finding(
            "warning",
            "addresses",
            f"{', '.join(addresses)}: of this machine or link only",
            "calls reach no other network",
        )
    else:
        yield Finding("ok", "addresses", ", ".join(addresses))


def _codecs() -> Iterable[Finding]:
    for kind in ("audio", "video"):
        names = dict.fromkeys(
            codec.mimeType.partition("/")[2]
            for codec in codecs_of(kind)
            if codec.mimeType.partition("/")[2].lower() != "rtx"
        )
        yield Finding("ok", f"{kind} codecs", ", ".join(names))


async def _server(
    url: str,
    options: DoctorOptions,
    ssl_context: ssl.SSLContext | None,
    servers: list[IceServer],
) -> AsyncIterator[Finding]:
    began = trio.current_time()
    found: Finding
    try:
        with trio.fail_after(SERVER_SECONDS):
            async with open_signaling(
                url, name=options.name, token=options.token, ssl_context=ssl_context
            ) as signaling:
                took = 1000 * (trio.current_time() - began)
                protocol = "trio-rtc.v1" if url.startswith("ws") else "the classic protocol"
                found = Finding("ok", "server", f"{url} speaks {protocol}, after {took:.0f} ms")
                if not servers:
                    servers += [
                        IceServer(one.urls, one.username, one.credential)
                        for one in signaling.ice_servers
                    ]
    except TrioRTCError as error:
        found = Finding("error", "server", str(error), _hint_for(error.code))
    except trio.TooSlowError:
        found = Finding(
            "error", "server", f"{url} does not answer within {SERVER_SECONDS:g} s",
            "a firewall, or another address",
        )  # fmt: skip
    yield found
    if found.level != "ok":
        return
    if not url.startswith(("wss:", "https:")):
        yield Finding(
            "warning", "TLS", "none: names, tokens and addresses can be read on the way",
            "give the server a certificate; pages need one for cameras",
        )  # fmt: skip
    if (apart := await _clock(url, ssl_context)) is not None:
        level: Level = "ok" if apart < CLOCK_SECONDS else "warning"
        hint = "" if level == "ok" else "tokens may count as ended; set the clock"
        yield Finding(level, "clock", f"{apart:.0f} s from that of the server", hint)


def _hint_for(code: str) -> str:
    return {
        "server_unreachable": "is it running, and is the port open?",
        "not_signaling_server": "something else answers there; a proxy, or another path?",
        "not_authorized": "it wants a token: --token, or TRIO_RTC_TOKEN",
        "forbidden": "the token is for another name: --name has the doctor sign in under that one",
        "no_place": "it is full, or too many come from your address",
    }.get(code, "")


async def _clock(url: str, ssl_context: ssl.SSLContext | None) -> float | None:
    address = re.sub("^ws", "http", url).rstrip("/") + "/healthz"
    try:
        async with httpx.AsyncClient(
            timeout=SERVER_SECONDS, trust_env=False, verify=ssl_context or True
        ) as client:
            answer = await client.get(address)
        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError, OSError):
        return None
    return abs(time.time() - told)


async def _ice(servers: list[IceServer]) -> AsyncIterator[Finding]:
    if not servers:
        yield Finding(
            "warning", "STUN and TURN", "no server is given",
            "peers behind NAT need them: TRIO_RTC_ICE_SERVERS, or the signaling server's settings",
        )  # fmt: skip
        return
    mapped: set[tuple[str, str]] = set()
    for server in servers:
        for url in server.urls if not isinstance(server.urls, str) else [server.urls]:
            single = IceServer(url, server.username, server.credential)
            async for finding in _ice_server(single, url):
                yield finding
    async for seen in _gathered(servers):
        if seen[1] == "srflx":
            mapped.add((seen[2], seen[0]))
    if mapped:
        ports = {related for related, _ in mapped}
        many = len(mapped) > len(ports)
        yield Finding(
            "warning" if many else "ok",
            "NAT",
            "another port for each server: two such peers need TURN"
            if many
            else "there is one, or none, and it keeps its ports",
        )


async def _ice_server(server: IceServer, url: str) -> AsyncIterator[Finding]:
    began = trio.current_time()
    wanted = "relay" if url.startswith("turn") else "srflx"
    async for address, kind, _ in _gathered([server]):
        if kind == wanted:
            took = 1000 * (trio.current_time() - began)
            yield Finding("ok", url, f"gives {address} ({kind}) after {took:.0f} ms")
            return
    hint = "its user name and credential, or its port, may be wrong" if wanted == "relay" else (
        "it does not answer, or there is no NAT and nothing to tell"
    )  # fmt: skip
    yield Finding("warning", url, f"gives no {wanted} candidate in {ICE_SECONDS:g} s", hint)


async def _gathered(
    servers: Iterable[IceServer],
) -> AsyncIterator[tuple[str, str, str]]:
    """Candidates: the address, the type, and what it is related to."""
    found: list[tuple[str, str, str]] = []
    with trio.move_on_after(ICE_SECONDS):
        async with open_peer_connection(ice_servers=servers) as connection:
            await connection.create_data_channel("doctor")
            await connection.set_local_description()
            async for event in connection:
                if not isinstance(event, IceCandidateEvent):
                    continue
                if event.candidate.is_end:
                    break
                words = event.candidate.candidate.split()
                related = re.search(r"raddr (\S+) rport (\d+)", event.candidate.candidate)
                base = ":".join(related.groups()) if related else ""
                found.append((f"{words[4]}:{words[5]}", words[7], base))
    for one in found:
        yield one
