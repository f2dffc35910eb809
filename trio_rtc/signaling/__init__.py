"""A client's side of signaling: sign in, see who is there, exchange messages."""

from .events import EventsDropped as EventsDropped
from .events import MessageFailed as MessageFailed
from .events import MessageReceived as MessageReceived
from .events import Peer as Peer
from .events import PeerJoined as PeerJoined
from .events import PeerLeft as PeerLeft
from .events import SignalingEvent as SignalingEvent
from .events import State as State
from .open import open_signaling as open_signaling
from .signaling import Signaling as Signaling
from .signaling import Subscription as Subscription
