"""The signaling server. It starts without a media stack."""

from .limits import ServerLimits as ServerLimits
from .peerjs_admission import PeerJSSettings as PeerJSSettings
from .serve import serve_signaling as serve_signaling
from .serve import serve_signaling_listeners as serve_signaling_listeners
