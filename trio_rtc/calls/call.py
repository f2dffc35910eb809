"""A call as programs see it: channels, tracks, and an end."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from types import MappingProxyType
from typing import NoReturn, Protocol, TypeVar

import trio

from ..errors import CallError
from ..rtc import AudioTrack, DataChannel, MediaTrack, PeerConnection, TrackSender, VideoTrack
from ..signaling import Peer
from ..wire import channel_protocols
from .lifecycle import CallEnd
from .options import CallStats, StepName
from .takers import UNACCEPTED, Takers, TracksOfKind

logger = logging.getLogger("trio_rtc.call")

T = TypeVar("T")


class Controls(Protocol):
    """What a call can have done by its tasks."""

    async def hang_up(self, reason: str) -> None: ...
    async def renegotiate(self) -> bool: ...
    async def restart(self) -> bool: ...


class Call:
    """A connected call, from `open_call` or in a handler of `serve_calls`.

    Attributes:
        peer: who is at the other end.
        channels: the data channels that the other side opens, as an async iterator. It ends
            with the call. Up to 1024 wait to be taken; what comes above that is closed. Those of
            files and forwarded sockets are not among them: they wait for `receive_files` and
            `serve_forward`, and are closed after 30 s if the program never calls these.
        tracks: the media tracks that the other side sends, as an async iterator. It ends with
            the call. Up to 1024 wait; what comes above that is dropped.
        video_tracks: the same for those of video alone. From its first use on, ``tracks`` does
            not have them.
        audio_tracks: the same for those of sound.
        end: why the call is over; None while it is not.
    """

    def __init__(self, peer: Peer, controls: Controls, open_timeout: float) -> None:
        self.peer = peer
        self.end: CallEnd | None = None
        self._ended = trio.Event()
        self._open_timeout = open_timeout
        self._controls = controls
        self._connection: PeerConnection
        self._incoming_channels = Takers[DataChannel](
            lambda channel: channel.protocol, UNACCEPTED, reserved=channel_protocols.OWN
        )
        self._incoming_tracks = Takers[MediaTrack](lambda track: track.kind, UNACCEPTED)
        self.channels = self._incoming_channels.rest
        self.tracks = self._incoming_tracks.rest
        self.video_tracks = TracksOfKind[VideoTrack](self._incoming_tracks, "video")
        self.audio_tracks = TracksOfKind[AudioTrack](self._incoming_tracks, "audio")
        self._refusing = False
        self._open_channels: list[DataChannel] = []
        self._steps: dict[StepName, float] = {}

    @property
    def setup_seconds(self) -> float:
        """How long it took from the start of the call until it was connected."""
        return self._steps["connected"]

    async def open_channel(
        self,
        label: str,
        *,
        ordered: bool = True,
        max_packet_life_time: int | None = None,
        max_retransmits: int | None = None,
        protocol: str = "",
    ) -> DataChannel:
        """Open a data channel and wait until messages can be sent.

        That is at once in a call that has data channels: the other side hears of the channel
        before it hears of what is sent. An unordered one takes a round trip.

        Args:
            label: a name for it, which need not be unique.
            ordered: whether messages arrive in the order in which they were sent.
            max_packet_life_time: milliseconds after which a message is given up, or
            max_retransmits: the times that it is sent again. Without either none is lost.
            protocol: the name of what is spoken in it, as the application likes.

        Raises:
            CallError: ``call_ended``; ``no_data_channels``: the other side takes none;
                ``channel_timeout``: it did not open in time.
        """
        with self._unless_over():
            channel = await self._connection.create_data_channel(
                label,
                ordered=ordered,
                max_packet_life_time=max_packet_life_time,
                max_retransmits=max_retransmits,
                protocol=protocol,
            )
        self._adopt(channel)
        opened = False
        try:
            with trio.move_on_after(self._open_timeout):
                await self._ensure_data_section()
                # Ended since then or not: there may be something to receive.
                await channel._wait_opened()
                opened = True
        except trio.BrokenResourceError as error:
            raise CallError(
                f"the call was over before the channel {label!r} was open", code="call_ended"
            ) from error
        finally:
            if not opened:
                # It may have been forgotten with others that were closed.
                self._open_channels = [c for c in self._open_channels if c is not channel]
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await channel.aclose()
        if not opened:
            raise CallError(
                f"the channel {label!r} to {self.peer} was not open within "
                f"{self._open_timeout:g} s",
                code="channel_timeout",
                fault="network",
            )
        return channel

    def _check_not_over(self) -> None:
        if self.end is not None:
            raise CallError(f"the call is over: {self.end}", code="call_ended", fault="local")

    @contextmanager
    def _unless_over(self) -> Iterator[None]:
        """What needs the connection, which may be closed before it is known why."""
        self._check_not_over()
        try:
            yield
        except CallError as error:
            if error.code != "connection_closed":
                raise
            raise CallError("the call is over", code="call_ended", fault="local") from error

    async def _ensure_data_section(self) -> None:
        if not self._has_data_section():
            await self._controls.renegotiate()
            if not self._has_data_section():
                raise CallError(
                    f"{self.peer} takes no data channels in this call", code="no_data_channels"
                )

    def _has_data_section(self) -> bool:
        description = self._connection.remote_description
        sdp = description.sdp if description else ""
        section = re.search(r"^m=application (\d+).*?(?=^m=|\Z)", sdp, re.DOTALL | re.MULTILINE)
        # Port 0 rejects a section, unless it only says that there is no port beside the bundle's.
        return section is not None and (section[1] != "0" or "a=bundle-only" in section[0])

    @property
    def senders(self) -> Sequence[TrackSender]:
        """What we send in this call, also from its start: those whose tracks have not ended.

        At the end of the call it keeps those that there were.
        """
        return self._connection.senders

    async def add_track(self, track: MediaTrack) -> TrackSender:
        """Send a track to the other side, from now on.

        Returns once the other side has agreed; what flows already goes on meanwhile. What it
        returns can put another track in its place, or stop it.

        Raises:
            CallError: ``call_ended``; ``negotiation_failed``: the other side does not take part.
        """
        with self._unless_over():
            sender = await self._connection.add_track(track)
        if not await self._controls.renegotiate() or sender.was_refused:
            self._check_not_over()
            raise CallError(
                f"{self.peer} does not take a track in this call", code="negotiation_failed"
            )
        return sender

    async def restart(self) -> None:
        """Look for another way to the other side, as after a change of the network.

        Everything goes on over the old way until the new one stands, and then over that. When
        the connection is lost, this happens by itself.

        Raises:
            CallError: ``call_ended``; ``restart_failed``: there is no other way. The old one is
                kept.
        """
        self._check_not_over()
        if not await self._controls.restart():
            self._check_not_over()
            raise CallError(
                f"no other way to {self.peer} was found", code="restart_failed", fault="network"
            )

    async def stats(self) -> CallStats:
        """What can be known of the call now. Takes a round trip to the other side.

        Raises:
            CallError: ``connection_closed``: the call is over.
        """
        stats = await self._connection.get_stats()
        return CallStats(
            **{field.name: getattr(stats, field.name) for field in fields(stats)},
            steps=MappingProxyType(dict(self._steps)),
        )

    async def hang_up(self, reason: str = "") -> None:
        """End the call once everything that channels have accepted is delivered.

        Does nothing if the call is over. ``reason`` is told to the other side if that is one
        of ours; others only learn that the call is over.

        Raises:
            UnicodeEncodeError: ``reason`` is no text, and the call goes on.
        """
        reason.encode()
        if self.end is None:
            await self._controls.hang_up(reason)
        else:
            await trio.lowlevel.checkpoint()

    async def wait_ended(self) -> CallEnd:
        """Wait until the call is over, and tell why."""
        await self._ended.wait()
        assert self.end is not None
        return self.end

    # What follows is called by the tasks of the call.

    async def _raise_when_over(self) -> NoReturn:
        """For who serves the call until its end.

        Raises:
            CallError: ``call_ended``.
        """
        end = await self.wait_ended()
        raise CallError(f"the call is over: {end}", code="call_ended", fault="remote")

    def _adopt(self, channel: DataChannel) -> None:
        self._open_channels = [old for old in self._open_channels if not old.closed]
        self._open_channels.append(channel)

    async def _close_channels(self) -> None:
        async with trio.open_nursery() as nursery:
            for channel in self._open_channels:
                nursery.start_soon(channel._close)

    async def _take_channel(self, protocol: str) -> DataChannel:
        """The next channel of this protocol, which ``channels`` does not have from now on.

        Raises:
            CallError: ``call_ended``: there will be none.
        """
        try:
            return await self._incoming_channels.take(protocol)
        except trio.EndOfChannel:
            raise CallError(
                f"the call is over: {self.end}", code="call_ended", fault="remote"
            ) from None

    def _channel_arrived(self, channel: DataChannel) -> bool:
        """Let the program have a channel; whether it is one that nobody has asked for so far."""
        if not self._give(self._incoming_channels, channel):
            channel._start_closing()
            return False
        self._adopt(channel)
        return not self._incoming_channels.is_taken(channel)

    def _refuse_untaken(self, channel: DataChannel) -> None:
        """Close it, so that the other side does not wait, if still nobody asks for such ones."""
        for one in self._incoming_channels.give_up(channel):
            logger.warning("nothing here takes the channel %r of %s", one.label, self.peer)
            one._start_closing()

    def _track_arrived(self, track: MediaTrack) -> None:
        self._give(self._incoming_tracks, track)

    def _give(self, takers: Takers[T], arrived: T) -> bool:
        """Let the program have what has arrived; False if there is no room, or no taker."""
        try:
            takers.give(arrived)
        except trio.WouldBlock:
            if not self._refusing:
                self._refusing = True
                logger.warning("%s opens more than is taken: what comes now is refused", self.peer)
            return False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        self._refusing = False
        return True

    def _finish(self, end: CallEnd) -> None:
        if self.end is None:
            self.end = end
            if end.reason == "peer_hung_up":
                for channel in self._open_channels:
                    channel._peer_has_hung_up()
            self._incoming_channels.close()
            self._incoming_tracks.close()
            self._ended.set()
