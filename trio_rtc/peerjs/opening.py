"""`open_peerjs`: sign in to a PeerJS server, and out."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Unpack

import trio

from ..calls.options import ConnectionKeywords
from ..errors import SignalingError
from ..keywords import spelled_out
from ..rtc import ice_servers_from_environment
from ..signaling.address import Servers
from ..signaling.tokens import GiveToken, give
from ..tasks import open_background_nursery, require_trio
from ..wire.binarypack import MAX_BYTES
from ..wire.peerjs import DEFAULT_KEY, is_valid_id
from ..world import world
from .address import base_url, fetch_id, socket_url
from .connection_options import Options
from .peer import PeerJSPeer
from .server_connection import ServerConnection

FLUSH_SECONDS = 1.0
"""How long what was said last may take to go out."""


@spelled_out(ConnectionKeywords, Options)
@asynccontextmanager
async def open_peerjs(
    url: str | Sequence[str],
    id: str | None = None,  # noqa: A002
    *,
    token: str | GiveToken | None = None,
    key: str = DEFAULT_KEY,
    ssl_context: ssl.SSLContext | None = None,
    max_message_bytes: int = MAX_BYTES,
    lost_timeout: float = 15.0,
    **options: Unpack[ConnectionKeywords],
) -> AsyncIterator[PeerJSPeer]:
    """Sign in to a PeerJS server, ours or PeerJS's own, and sign out at the end of the block.

    A connection to the server that is lost is made again for up to a minute; those between the
    peers go on without it.

    Args:
        url: where the server is, with its path: ``http://host:port/`` or ``https://…``. Or the
            URLs of several that are a cluster: another one is tried when the one in use does not
            let us in within a few seconds, and the connection goes on there.
        id: what others connect to: letters and digits, with single ``-``, ``_`` or spaces
            between. By default the server makes one up.
        token: what proves that the id is ours when the connection is made again; by default a
            random one. A server that wants authorization wants it here. It may be a function,
            async or not, that gives one for each connection, so that one that has ended is not
            the end of all.
        key: the server's; PeerJS's own default if there is no other.
        ssl_context: how to verify the server, instead of by the system's authorities.
        max_message_bytes: what a value that comes may take in memory, on ``binary`` connections:
            4 MiB. Each item of an array and a map counts 64 bytes and its own.
        lost_timeout: seconds until a connection that is disconnected is given up.
        **options: these, as for `open_call`:
        ice_servers: STUN and TURN servers, as for `open_call`; by default those of the
            environment.
        ice_transport_policy: ``"relay"`` uses TURN servers only.
        connect_timeout: seconds until a connection has to be there.
        silence_timeout: seconds in which nothing comes from the other side, until a connection
            counts as disconnected.
        close_timeout: seconds for what is on its way when it is closed.
        max_frame_pixels: the largest picture that is decoded, as for `open_call`.
        max_unread_bytes: what a connection keeps for its reader, as for `open_call`.

    Raises:
        SignalingError: ``bad_url``, ``bad_id``; ``server_unreachable``: nothing answers there;
            ``not_peerjs_server``: something else does; ``id_taken``; ``invalid_key``;
            ``refused``: the server says why; ``bad_token``: the function gave no text. If there
            are several servers, each is named with what it said.
        BadIceServer: one of ``ice_servers`` is none.
        ValueError: a timeout is no number of seconds, or ``silence_timeout`` is 0.
    """
    require_trio()
    if options.get("ice_servers") is None:
        options["ice_servers"] = ice_servers_from_environment()
    chosen = Options.of(
        "open_peerjs",
        ConnectionKeywords,
        options,
        max_message_bytes=max_message_bytes,
        lost_timeout=lost_timeout,
    )
    servers = Servers([base_url(one) for one in ([url] if isinstance(url, str) else url)])
    if not len(servers):
        raise SignalingError("no server is given", code="bad_url", fault="local")
    if id is None:
        id = await fetch_id(servers, key, ssl_context)  # noqa: A001
    elif not is_valid_id(id):
        raise SignalingError(
            f"{id[:40]!r} is no id: letters and digits, with single - _ or spaces between them",
            code="bad_id",
            fault="local",
        )
    fresh = token if callable(token) else None
    first = await give(token) if callable(token) else token or world().random_hex(16)
    peer = PeerJSPeer(id, chosen)
    server = ServerConnection(
        servers, partial(socket_url, key, id), first, fresh, ssl_context, peer._receive
    )
    peer._server = server
    async with open_background_nursery() as nursery:
        await nursery.start(server.run)
        nursery.start_soon(peer._follow)
        yield peer
        with trio.move_on_after(FLUSH_SECONDS):
            await server.flush()
