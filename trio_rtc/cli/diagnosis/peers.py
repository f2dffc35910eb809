"""``trio-rtc peers``: who is signed in."""

from __future__ import annotations

import json
import ssl
import sys

from ...text import escaped
from ..calling.server_session import open_session, run_session
from ..commands.peers_options import PeersOptions
from ..terminal.wrapping import print_wrapped


def run_peers(options: PeersOptions) -> int:
    """Sign in, print who else is there, and sign out."""

    async def look(context: ssl.SSLContext | None) -> None:
        async with open_session(options, context) as signaling:
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

    return run_session(options.ca, look, _complain)


def _complain(_: str, message: str) -> None:
    print_wrapped(f"trio-rtc peers: {message}", sys.stderr)
