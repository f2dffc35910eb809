"""``trio-rtc peers``: who is signed in."""

from __future__ import annotations

import json
import sys

from ...errors import CallError
from ...signaling import open_signaling
from ...text import escaped
from ..commands.declare import urls
from ..commands.peers_options import PeersOptions
from ..run import run
from ..tls import client_context


def run_peers(options: PeersOptions) -> int:
    """Sign in, print who else is there, and sign out."""
    try:
        ssl_context = client_context(options.ca)
    except CallError as error:
        _complain(error.code, str(error))
        return 2

    async def look() -> None:
        async with open_signaling(
            urls(options.server),
            name=options.name,
            room=options.room,
            token=options.token,
            ssl_context=ssl_context,
        ) as signaling:
            for peer in signaling.peers.values():
                if options.json:
                    said = {"peer_id": peer.id, "name": peer.name, "protocol": peer.protocol}
                    print(json.dumps(said), flush=True)
                else:
                    print(
                        escaped(f"{peer.id:>6}  {peer.name}  {peer.protocol}").rstrip(), flush=True
                    )
        if not signaling.peers and sys.stdout.isatty():
            print("nobody else is there")

    return run(look, _complain, interrupted=lambda number: 128 + number)


def _complain(_: str, message: str) -> None:
    print(f"trio-rtc peers: {escaped(message)}", file=sys.stderr, flush=True)
