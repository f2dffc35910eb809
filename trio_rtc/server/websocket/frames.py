"""An open WebSocket (RFC 6455) as a server speaks it: it is fed, and does not read itself.

The protocol is `websockets`' own, which does no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import BytesLike

from ...wire.close_codes import REASONS, CloseCode
from ...wire.rate import TokenBucket
from ..context import Context
from ..http.accepted import Accepted
from .sending import SendBuffer, StartTask
from .text_frames import TextFrames, text_frame
from .unsent import Unsent

CLOSE_SECONDS: Final = 2.0
"""How long a client may take to close its side."""

#: Frames may have no content, so that few bytes are many of them: parsing stops after so many
#: bytes to see whether they come too fast.
_PARSE_BYTES = 2 * 1024

#: From here on the codes are ours.
_OWN_CODES: Final = 4000


class _Protocol(ServerProtocol):
    """It gives reasons that programs can go by."""

    def fail(self, code: int, reason: str = "") -> None:
        super().fail(code, reason if code >= _OWN_CODES else REASONS.get(code, reason))


class Receiver(Protocol):
    """Who hears what comes on an open connection."""

    def receive(self, messages: list[str]) -> None:
        """Messages have come, at least one."""

    def disconnected(self) -> None:
        """No more will come."""


class WebSocket:
    """An open connection. What does not wait may be called by any task.

    Args:
        start_task: has something done that takes time.
        on_closing: called whenever this begins to close, or gets less time for it.

    Attributes:
        accepted: what it is spoken on.
        bucket: what frames of the client cost; a dialect may put that of a peer here.
        log: whom records are about, as fields; a dialect puts them here.
        deadline: when the connection has to be closed.
        scope: of the task that serves it, if there is one now.
    """

    __slots__ = (
        "_account",
        "_awaits_pong",
        "_closing",
        "_flush_batch",
        "_fragments",
        "_frames",
        "_kept",
        "_messages",
        "_on_closing",
        "_protocol",
        "_reader",
        "_receiver",
        "_sending",
        "_statistics",
        "_texts",
        "_unsent_limit",
        "accepted",
        "bucket",
        "deadline",
        "log",
        "scope",
    )

    def __init__(
        self,
        accepted: Accepted,
        context: Context,
        start_task: StartTask,
        on_closing: Callable[[WebSocket], None],
    ):
        limits = context.limits
        self.accepted = accepted
        self.bucket = TokenBucket(
            limits.messages_per_second, limits.messages_burst, trio.current_time()
        )
        self.log: dict[str, object] = {"connection": accepted.number, "address": accepted.address}
        self.deadline = math.inf
        self.scope: trio.CancelScope | None = None
        self._protocol = _Protocol(state=State.OPEN, max_size=limits.body_bytes)
        self._frames = TextFrames(limits.body_bytes)
        self._texts: list[bytes] = []
        self._flush_batch = context.flush_batch
        self._reader = context.reader
        self._statistics = context.statistics
        self._on_closing = on_closing
        self._account = context.memory.open()
        self._kept = 0
        self._sending = SendBuffer(
            accepted.stream,
            start_task,
            self._account,
            piece_seconds=limits.send_seconds,
            on_stuck=self._stuck,
        )
        # What a mailbox holds may all have to be sent again; JSON makes it longer.
        self._unsent_limit = 2 * limits.mailbox_bytes + 1024 * 1024
        self._messages: list[str] = []
        self._fragments: bytearray | None = None
        self._receiver: Receiver | None = None
        self._awaits_pong = False
        self._closing = False

    @property
    def is_open(self) -> bool:
        """Whether what has come is to be heard: until we close, even if the client has closed."""
        return not self._closing

    @property
    def is_midway(self) -> bool:
        """Whether what comes next belongs to a message of which a part is there."""
        return self._kept > 0

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client to take them."""
        return self._sending.size

    def send_from(self, unsent: Unsent) -> None:
        """Send what there is of this, and will be, with each `flush`."""
        self._sending.more = unsent

    @property
    def awaits_pong(self) -> bool:
        """Whether a `ping` has not been answered yet."""
        return self._awaits_pong

    def send(self, message: bytes) -> None:
        """Send a text message, with the next `flush`; nothing if the connection is not open."""
        if self._protocol.state is State.OPEN:
            self._texts.append(text_frame(message))

    def flush(self) -> None:
        """Have sent what there is to send."""
        if self._texts or self._protocol.writes:
            self._add()
        if not (size := self._sending.flush()):
            return
        if size > self._unsent_limit:
            self._stuck()
        elif not self._account.allows(0):
            self._stuck("memory_bytes")

    def _add(self) -> None:
        # No text follows a close; where it stands beside a ping or a pong is all the same.
        if self._texts:
            texts, self._texts = self._texts, []
            for text in texts:
                self._sending.add(text)
        for chunk in self._protocol.data_to_send():
            # One that is empty stands for the end, which `finish` sees to.
            if chunk:
                self._sending.add(chunk)

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        if self._protocol.state is State.OPEN:
            self._awaits_pong = True
            self._protocol.send_ping(b"")
            self.flush()

    def close(self, code: int, reason: str) -> None:
        """Begin to close in order: what the client still sends is dropped, until it closes too."""
        if self._protocol.state is State.OPEN:
            self._add()
            self._sending.begin_last()
            self._protocol.send_close(code, reason)
        self._begin_to_close()

    def fail(self, code: int, reason: str) -> None:
        """Close because of the client: nothing of what it still sends is even looked at."""
        if not self._protocol.eof_sent:
            self._add()
            self._sending.begin_last()
            if (more := self._sending.more) is not None:
                more.stop()
            self._protocol.fail(code, reason)
        self._begin_to_close()

    def _begin_to_close(self) -> None:
        if not self._closing:
            self._closing = True
            self._messages.clear()
            self._end_by(trio.current_time() + CLOSE_SECONDS)
        self.flush()

    def _stuck(self, limit: str = "send_seconds") -> None:
        """Nothing can be sent, not even a reason."""
        self._statistics.over_limit[limit] += 1
        self._sending.give_up()
        self._closing = True
        self._end_by(trio.current_time())

    def _end_by(self, deadline: float) -> None:
        self.deadline = min(self.deadline, deadline)
        self._on_closing(self)

    async def receive(self) -> str | None:
        """The next message; None if no more will come. For as long as nobody listens."""
        while not self._messages:
            if self._protocol.state is not State.OPEN:
                return None
            await self.read()
        return self._messages.pop(0)

    def listen(self, receiver: Receiver) -> None:
        """Have somebody hear what comes, and what has come already."""
        self._receiver = receiver
        with self._flush_batch:
            self._receive()

    def ignore(self) -> None:
        """Have nobody hear what comes any more."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.disconnected()

    def _receive(self) -> None:
        if self._messages and self._receiver is not None:
            messages, self._messages = self._messages, []
            self._receiver.receive(messages)
        if self._protocol.state is not State.OPEN and self._receiver is not None:
            self._begin_to_close()

    async def read(self) -> None:
        """Wait for what comes, and take it in."""
        try:
            data = await self.accepted.receive(self._reader)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        with self._flush_batch:
            self.feed(data)

    def feed(self, data: bytes) -> None:
        """Take in what has come; nothing is the end. To be called within a batch of flushes."""
        if not data:
            self._protocol.receive_eof()
        now = trio.current_time()
        for is_text, content in self._frames.cut(data):
            if not is_text:
                self._parse(content, now)
            elif not self._closing and self._protocol.state is State.OPEN:
                if self.bucket.take(1, now):
                    self._take(content)
                else:
                    self._too_fast()
        if fault := self._protocol.parser_exc:
            self._protocol.parser_exc = None
            # From Python 3.12 on, its traceback keeps this frame, which keeps it: a cycle.
            fault.__traceback__ = None
            if isinstance(fault, PayloadTooBig):
                self._statistics.over_limit["body_bytes"] += 1
            elif not isinstance(fault, EOFError):
                self._statistics.malformed += 1
        frames = self._frames
        # Seldom is anything kept: after whole frames the parser has nothing left.
        if self._kept or frames.rest or frames.to_parser:
            self._count_kept()
        self._receive()

    def _count_kept(self) -> None:
        """Look whether there is place for what has come of a message that is not whole."""
        kept = len(self._frames.rest) + len(self._protocol.reader.buffer)
        if self._fragments is not None:
            kept += len(self._fragments)
        if kept == self._kept:
            return
        if not self._closing and not self._account.allows(kept - self._kept):
            self._statistics.over_limit["memory_bytes"] += 1
            self._frames.rest.clear()
            self._fragments, kept = None, 0
            self.fail(CloseCode.TRY_AGAIN_LATER, "")
        self._account.add(kept - self._kept)
        self._kept = kept

    def _parse(self, data: bytes, now: float) -> None:
        for start in range(0, len(data), _PARSE_BYTES):
            self._protocol.receive_data(data[start : start + _PARSE_BYTES])
            if frames := self._protocol.events_received():
                if not self.bucket.take(len(frames), now):
                    self._too_fast()
                self._take_frames(frames)
        # There may be an answer to a ping, or to a close.
        self._flush_batch.mark(self)

    def _too_fast(self) -> None:
        self._statistics.over_limit["messages_per_second"] += 1
        self.fail(CloseCode.TOO_FAST, REASONS[CloseCode.TOO_FAST])

    def _take_frames(self, frames: Sequence[Event]) -> None:
        for frame in frames:
            if self._closing:
                return
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
                self._take_fragment(frame)
            elif frame.opcode is Opcode.PONG:
                self._awaits_pong = False
            elif frame.opcode is Opcode.BINARY:
                self._statistics.malformed += 1
                self.fail(CloseCode.NOT_TEXT, "")

    def _take_fragment(self, frame: Frame) -> None:
        if self._fragments is None and frame.fin:
            self._take(frame.data)
            return
        self._fragments = self._fragments or bytearray()
        self._fragments += frame.data
        if frame.fin:
            data, self._fragments = self._fragments, None
            self._take(data)

    def _take(self, text: BytesLike) -> None:
        if self._closing:
            return
        try:
            self._messages.append(str(text, "utf-8"))
        except UnicodeDecodeError:
            self._statistics.malformed += 1
            self.fail(CloseCode.NOT_UTF8, "")

    def ended(self) -> None:
        """The connection has been closed: nothing is kept for it any more."""
        self._frames.rest.clear()
        self._sending.end()
        # It is a generator that knows the protocol, which knows it: the collector would have to
        # look for them.
        self._protocol.parser.close()
        self._account.close()

    async def finish(self) -> None:
        """Close, and wait until the client has done so too, or has had its time for it."""
        self.ignore()
        self.close(CloseCode.LEFT, "")
        while not self._protocol.eof_sent and self._protocol.state is not State.CLOSED:
            await self.read()
        await self._sending.drain()
        if self._protocol.close_rcvd is None:
            await self.accepted.linger(self._reader)
