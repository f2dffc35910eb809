"""The signaling server. It starts without a media stack."""

from .cluster.cluster_settings import ClusterSettings as ClusterSettings
from .cluster.redis_address import RedisAddress as RedisAddress
from .cluster.redis_address import parse_redis_address as parse_redis_address
from .counters import Statistics as Statistics
from .dialects.peerjs.peerjs_admission import PeerJSSettings as PeerJSSettings
from .http.requests import Request as Request
from .http.responses import Response as Response
from .limits import ServerLimits as ServerLimits
from .serve import serve_signaling as serve_signaling
from .serve import serve_signaling_listeners as serve_signaling_listeners
from .turn import TurnCredentials as TurnCredentials
