"""Media file writer, in threads: encoding holds up nobody.

aiortc 1.16's recorder encodes on its loop, which is in the thread of Trio as a rule.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
from av import AudioFrame, VideoFrame
from av.packet import Packet

from .formats import Encoding, Format, plain_name


class Writer:
    """One file, whose streams are named before anything is written.

    Its methods take their time. Each stream may be written by a thread of its own.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be written.
    """

    def __init__(
        self, path: Path, format_: Format, streams: Iterable[tuple[Encoding, tuple[int, int]]]
    ):
        self.path = path
        # The container takes one thread at a time; encoders do not wait for each other.
        self._one = threading.Lock()
        self._container = av.open(format_.ffmpeg_name(path), "w", options=dict(format_.options))
        try:
            self.streams = [encoding.add_to(self._container, size) for encoding, size in streams]
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise

    def write(self, stream: Any, frames: Iterable[VideoFrame | AudioFrame]) -> None:
        """Encode frames, and write what comes of them."""
        for frame in frames:
            self._mux(stream.encode(frame))

    def end(self, stream: Any) -> None:
        """Write what the encoder has kept."""
        self._mux(stream.encode(None))

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        if packets:
            with self._one:
                self._container.mux(packets)

    def close(self) -> None:
        with self._one:
            self._container.close()


def merge(files: Sequence[Path], target: Path) -> None:
    """Write the streams of several files, as they are, into one.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be written.
    """
    with ExitStack() as stack:
        sources = [stack.enter_context(av.open(plain_name(file))) for file in files]
        container = stack.enter_context(av.open(plain_name(target), "w"))
        copies: dict[Any, Any] = {
            stream: container.add_stream_from_template(stream)
            for source in sources
            for stream in source.streams
        }
        for _, _, packet in heapq.merge(*map(_packets, range(len(sources)), sources)):
            packet.stream = copies[packet.stream]
            container.mux(packet)


def _packets(number: int, source: Any) -> Iterator[tuple[float, tuple[int, int], Packet[Any]]]:
    for count, packet in enumerate(source.demux()):
        if packet.dts is not None:
            yield float(packet.dts * packet.time_base), (number, count), packet
