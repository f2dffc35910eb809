"""WebRTC for Trio: data channels, media and signaling as structured concurrency.

The public names are loaded when they are first used (PEP 562), so that a signaling server
starts without a media stack.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    __version__: str

    from .calls.call import Call as Call
    from .calls.calling import open_call as open_call
    from .calls.calling import serve_calls as serve_calls
    from .calls.channel_serving import serve_channels as serve_channels
    from .calls.lifecycle import CallEnd as CallEnd
    from .calls.options import CallStats as CallStats
    from .calls.options import CallStep as CallStep
    from .errors import BadIceServer as BadIceServer
    from .errors import CallError as CallError
    from .errors import FileError as FileError
    from .errors import ForwardError as ForwardError
    from .errors import MediaError as MediaError
    from .errors import MessageTooLarge as MessageTooLarge
    from .errors import NegotiationError as NegotiationError
    from .errors import SignalingError as SignalingError
    from .errors import SignalingLost as SignalingLost
    from .errors import TrioRTCError as TrioRTCError
    from .errors import UnknownPeer as UnknownPeer
    from .files import FileOffer as FileOffer
    from .files import FileProgress as FileProgress
    from .files import receive_files as receive_files
    from .files import send_files as send_files
    from .forwarding import forward_to as forward_to
    from .forwarding import serve_forward as serve_forward
    from .relaying import Relay as Relay
    from .relaying import open_relay as open_relay
    from .relaying import relay as relay
    from .relaying import relay_host as relay_host
    from .relaying import serve_relay as serve_relay
    from .rtc import AudioFrames as AudioFrames
    from .rtc import AudioTrack as AudioTrack
    from .rtc import CandidateStats as CandidateStats
    from .rtc import ChannelStats as ChannelStats
    from .rtc import ChannelStream as ChannelStream
    from .rtc import ChannelTransport as ChannelTransport
    from .rtc import ConnectionStats as ConnectionStats
    from .rtc import DataChannel as DataChannel
    from .rtc import EnergyDetector as EnergyDetector
    from .rtc import Frames as Frames
    from .rtc import IceGatherOptions as IceGatherOptions
    from .rtc import IceServer as IceServer
    from .rtc import MediaTrack as MediaTrack
    from .rtc import PeerCertificate as PeerCertificate
    from .rtc import PeerConnection as PeerConnection
    from .rtc import Recorder as Recorder
    from .rtc import TrackPackets as TrackPackets
    from .rtc import TrackSender as TrackSender
    from .rtc import TrackStats as TrackStats
    from .rtc import VideoFrames as VideoFrames
    from .rtc import VideoTrack as VideoTrack
    from .rtc import Voice as Voice
    from .rtc import forward_rtp as forward_rtp
    from .rtc import open_media as open_media
    from .rtc import open_peer_connection as open_peer_connection
    from .rtc import open_track as open_track
    from .rtc import open_voice as open_voice
    from .rtc import record_media as record_media
    from .server import ServerLimits as ServerLimits
    from .server import serve_signaling as serve_signaling
    from .signaling import EventsDropped as EventsDropped
    from .signaling import MessageFailed as MessageFailed
    from .signaling import MessageReceived as MessageReceived
    from .signaling import Peer as Peer
    from .signaling import PeerJoined as PeerJoined
    from .signaling import PeerLeft as PeerLeft
    from .signaling import Signaling as Signaling
    from .signaling import SignalingEvent as SignalingEvent
    from .signaling import open_signaling as open_signaling
    from .whip import open_whep as open_whep
    from .whip import open_whip as open_whip
    from .wire.messages import IceCandidate as IceCandidate
    from .wire.messages import SessionDescription as SessionDescription

_HOMES: Final = {
    "calls.call": ("Call",),
    "calls.lifecycle": ("CallEnd",),
    "calls.options": ("CallStats", "CallStep"),
    "calls.calling": ("open_call", "serve_calls"),
    "calls.channel_serving": ("serve_channels",),
    "errors": (
        "BadIceServer",
        "CallError",
        "FileError",
        "ForwardError",
        "MediaError",
        "MessageTooLarge",
        "NegotiationError",
        "SignalingError",
        "SignalingLost",
        "TrioRTCError",
        "UnknownPeer",
    ),
    "forwarding": ("forward_to", "serve_forward"),
    "files": ("FileOffer", "FileProgress", "receive_files", "send_files"),
    "whip": ("open_whep", "open_whip"),
    "wire.messages": ("IceCandidate", "SessionDescription"),
    "relaying": ("Relay", "open_relay", "relay", "relay_host", "serve_relay"),
    "rtc": (
        "AudioFrames",
        "AudioTrack",
        "CandidateStats",
        "ChannelStats",
        "ChannelStream",
        "ChannelTransport",
        "ConnectionStats",
        "DataChannel",
        "EnergyDetector",
        "Frames",
        "IceGatherOptions",
        "IceServer",
        "MediaTrack",
        "PeerCertificate",
        "PeerConnection",
        "Recorder",
        "TrackPackets",
        "TrackSender",
        "TrackStats",
        "VideoFrames",
        "VideoTrack",
        "Voice",
        "forward_rtp",
        "open_media",
        "open_peer_connection",
        "open_track",
        "open_voice",
        "record_media",
    ),
    "server": ("ServerLimits", "serve_signaling"),
    "signaling": (
        "EventsDropped",
        "MessageFailed",
        "MessageReceived",
        "Peer",
        "PeerJoined",
        "PeerLeft",
        "Signaling",
        "SignalingEvent",
        "open_signaling",
    ),
}
_HOME: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name in _HOME:
        value = getattr(_load(f".{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(home: str) -> ModuleType:
    # Not at the top, where a command would take longer to see to interrupts itself.
    from trio.lowlevel import enable_ki_protection

    @enable_ki_protection
    def load() -> ModuleType:
        try:
            return import_module(home, __name__)
        except ModuleNotFoundError as error:
            raise ImportError(needs_the_rest(error), name=error.name) from error

    # A KeyboardInterrupt in the middle may be lost: Python's lock of an import has a callback, in
    # which it is only printed. In a program that runs Trio already it waits for the end.
    return load()


def _version() -> str:
    # Reading a distribution's metadata takes longer than importing all of this.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("trio-rtc")
    except PackageNotFoundError:
        return version("trio-rtc-server")


def needs_the_rest(error: ModuleNotFoundError) -> str:
    """What to do about a module that is not there: a server is installed without some."""
    return f"{error.name} is not installed: all that trio-rtc needs comes by pip install trio-rtc"


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])
