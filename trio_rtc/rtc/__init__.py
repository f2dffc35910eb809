"""aiortc behind a Trio face. It does not know how messages travel between peers."""

from .channel_stream import ChannelStream as ChannelStream
from .data_channel import DataChannel as DataChannel
from .events import ConnectionState as ConnectionState
from .events import ConnectionStateEvent as ConnectionStateEvent
from .events import DataChannelEvent as DataChannelEvent
from .events import IceCandidateEvent as IceCandidateEvent
from .events import IceConnectionStateEvent as IceConnectionStateEvent
from .events import TrackEvent as TrackEvent
from .generated import open_track as open_track
from .http import ChannelTransport as ChannelTransport
from .ice_server import IceServer as IceServer
from .ice_server import as_ice_servers as as_ice_servers
from .ice_server import ice_servers_from_environment as ice_servers_from_environment
from .media import Kind as Kind
from .media import MediaTrack as MediaTrack
from .media import Recorder as Recorder
from .media import open_media as open_media
from .media import record_media as record_media
from .peer_connection import IceTransportPolicy as IceTransportPolicy
from .peer_connection import PeerConnection as PeerConnection
from .peer_connection import open_peer_connection as open_peer_connection
from .statistics import CandidateStats as CandidateStats
from .statistics import ChannelStats as ChannelStats
from .statistics import ConnectionStats as ConnectionStats
from .statistics import TrackStats as TrackStats
from .track_sender import TrackSender as TrackSender
