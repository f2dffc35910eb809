"""Simulcast packets: those of all layers of a track, as they leave their receive buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

from aiortc import MediaStreamTrack
from av.packet import Packet

from ..encoded.encoded_format import EncodedFormat
from ..receiving.pictures.frame_size import BadPicture, coded_size
from ..receiving.remote_packets import KeyframeAsking, RemotePackets
from ..receiving.stream_ids import StreamIds
from ..tracks import Source
from .layer_rates import LayerRates
from .layered_reader import LayeredReader

SHORTEST: Final = Fraction(1, 1000)
"""Seconds between the last picture of one layer and the first of another."""


class SimulcastPackets(RemotePackets):
    """The packets of a track that comes in several layers.

    Args:
        track: aiortc's.
        frames: the same track, decoded: always the highest layer that comes.
        rids: the names of its layers.
    """

    shortest: Final = SHORTEST

    def __init__(self, track: MediaStreamTrack, frames: Source, rids: Sequence[str]):
        super().__init__(track, frames)
        # Which layer somebody is to begin with is known when there is somebody.
        self.forget_beginning()
        self.stream_ids = StreamIds(rids)
        self._rates = LayerRates()
        self._layers = {rid: LayerPackets(self, rid) for rid in rids}

    def layer(self, rid: str | None) -> LayerPackets:
        assert rid is not None
        return self._layers[rid]

    @property
    def best(self) -> str | None:
        """The highest layer that comes."""
        current = self._rates.current()
        return current[-1].rid if current else None

    def subscribe(self, limit: int) -> LayeredReader:
        reader = LayeredReader(self, limit)
        self.add(reader)
        return reader

    def ask_key(self) -> None:
        for reader in tuple(self._readers):
            reader.ask_key()

    def ask_layer(self, rid: str) -> None:
        """Ask the other side for a keyframe of a layer."""
        self._layers[rid].asking.ask()

    def take(self, rid: str, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet of a layer to those who read it."""
        self.encoded = encoded
        now = self._loop.time()
        self._rates.add(rid, packet.size, _pixels(encoded.name, packet), now)
        if not self.enabled:
            self._leave_gap()
            return
        layers = self._rates.current()
        for reader in tuple(self._readers):
            assert isinstance(reader, LayeredReader)
            reader.put_layer(rid, packet, layers, now)

    def _end(self) -> None:
        for layer in self._layers.values():
            layer.asking.close()
        super()._end()


class LayerPackets:
    """Where the packets of one layer go.

    Attributes:
        asking: brings requests for its keyframes to the other side.
    """

    def __init__(self, whole: SimulcastPackets, rid: str):
        self._whole = whole
        self._rid = rid
        self.asking = KeyframeAsking()

    @property
    def on_key_wanted(self) -> Callable[[], None]:
        """Called when the other side is to be asked for a keyframe."""
        return self.asking.on_wanted

    @on_key_wanted.setter
    def on_key_wanted(self, call: Callable[[], None]) -> None:
        self.asking.on_wanted = call

    @property
    def are_wanted(self) -> bool:
        """Always: who reads what is chosen by what all of them take."""
        return True

    @property
    def frames_are_wanted(self) -> bool:
        """Whether this is the layer that is decoded, if one is."""
        return self._whole.frames_are_wanted and self._whole.best == self._rid

    def feed(self, packet: Packet[Any], encoded: EncodedFormat) -> None:
        """Give a packet to those who read."""
        if packet.is_keyframe:
            self.asking.arrive()
        self._whole.take(self._rid, packet, encoded)


def _pixels(codec: str, packet: Packet[Any]) -> int | None:
    if not packet.is_keyframe:
        return None
    try:
        size = coded_size(codec, bytes(packet))
    except BadPicture:
        return None
    return None if size is None else size[0] * size[1]
