"""The signaling server. It starts without a media stack."""

from .dialects.peerjs.peerjs_admission import PeerJSSettings as PeerJSSettings
from .limits import ServerLimits as ServerLimits
from .serve import serve_signaling as serve_signaling
from .serve import serve_signaling_listeners as serve_signaling_listeners
