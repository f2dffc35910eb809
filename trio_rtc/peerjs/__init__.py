"""A peer for pages with PeerJS: data and media connections over a PeerJS server."""

from .connections import DataConnection as DataConnection
from .connections import MediaConnection as MediaConnection
from .opening import open_peerjs as open_peerjs
from .peer import PeerJSPeer as PeerJSPeer
from .serving import serve_peerjs as serve_peerjs
