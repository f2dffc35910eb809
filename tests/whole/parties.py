"""Parties who call each other, and note what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio

import trio_rtc
from trio_rtc.testing import Host

from .notes import Notes, read_notes, write_notes
from .plans import CallPlan, NotesPlan

#: What a party may meet when its network fails it, or the other side goes.
EXPECTED = (
    trio_rtc.CallError,
    trio_rtc.UnknownPeer,
    trio_rtc.SignalingError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.EndOfChannel,
)


ONE_PACKET = 1000
"""Bytes of a message that needs no more than a packet."""


@dataclass
class Side:
    """One side of a call.

    Attributes:
        sent: the messages on each channel that have been sent.
        received: those that have come.
        confirmed: the channels that were closed with all that was sent confirmed.
        end: why the call is over, for this side.
        problem: what it met.
        longest: seconds until a message that fits into a packet had come back, at most.
    """

    sent: dict[str, list[str]] = field(default_factory=dict)
    received: dict[str, list[str]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    end: str = ""
    problem: str = ""
    has_stood: bool = False
    longest: float = 0.0


@dataclass
class Outcome:
    """What came of all: of calls by their numbers, a callee has none of a call it did not see."""

    callers: dict[int, Side] = field(default_factory=dict)
    callees: dict[int, Side] = field(default_factory=dict)
    notes: dict[tuple[str, str], Notes] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)


def message(call: int, channel: int, number: int, size: int) -> bytes:
    """One that is like no other, but as long as it is to be."""
    mark = f"{call}/{channel}/{number}/".encode()
    return (mark + bytes(size))[: max(size, len(mark))]


def fingerprint(data: bytes | str) -> str:
    """What stands for a message in an outcome."""
    assert isinstance(data, bytes)
    return f"{data[:12].decode(errors='replace')} {hashlib.sha256(data).hexdigest()[:12]}"


class Party:
    """Somebody with a host.

    ``done`` is set once it has made its calls.

    Args:
        name: of it, on the server as well.
        host: where it runs.
        url: of the server.
        outcome: where it notes what comes of its calls.
        options: of its calls.
    """

    def __init__(self, name: str, host: Host, url: str, outcome: Outcome, options: dict[str, Any]):
        self.name = name
        self.host = host
        self._url = url
        self._outcome = outcome
        self._options = options
        self.done = trio.Event()
        self.current: trio_rtc.Call | None = None

    async def run(
        self,
        calls: list[tuple[int, CallPlan, str]],
        notes: list[tuple[NotesPlan, str]],
        stop: trio.Event,
    ) -> None:
        """Sign in, take calls, make these, and send these notes."""
        while not stop.is_set():
            try:
                async with trio_rtc.open_signaling(self._url, name=self.name) as signaling:
                    await self._take_part(signaling, calls, notes, stop)
                    return
            except trio_rtc.SignalingError:
                # A server that has started again knows nobody.
                calls, notes = [], []
                self._outcome.lost.add(self.name)
                self.done.set()
                await trio.sleep(1)

    async def _take_part(
        self,
        signaling: trio_rtc.Signaling,
        calls: list[tuple[int, CallPlan, str]],
        notes: list[tuple[NotesPlan, str]],
        stop: trio.Event,
    ) -> None:
        async with trio.open_nursery() as nursery:
            has_made = trio.Event()
            nursery.start_soon(self._serve, signaling, has_made)
            nursery.start_soon(read_notes, signaling, self._outcome.notes)
            async with trio.open_nursery() as making:
                for number, plan, peer in calls:
                    making.start_soon(self._make, signaling, number, plan, peer)
                for written, reader in notes:
                    making.start_soon(write_notes, signaling, reader, written, self._outcome.notes)
            has_made.set()
            self.done.set()
            await stop.wait()
            nursery.cancel_scope.cancel()

    async def _serve(self, signaling: trio_rtc.Signaling, has_made: trio.Event) -> None:
        try:
            await trio_rtc.serve_calls(self._answer, signaling, **self._options)
        except trio_rtc.SignalingLost:
            # The calls that we have made need no server either.
            await has_made.wait()
            raise

    # As a caller.

    async def _make(
        self, signaling: trio_rtc.Signaling, number: int, plan: CallPlan, peer: str
    ) -> None:
        side = self._outcome.callers[number] = Side()
        await trio.sleep(plan.at)
        with trio.CancelScope() as scope:
            await self._guard(side, self._call, signaling, number, plan, peer, side, scope)

    async def _call(
        self,
        signaling: trio_rtc.Signaling,
        number: int,
        plan: CallPlan,
        peer: str,
        side: Side,
        scope: trio.CancelScope,
    ) -> None:
        with trio.fail_after(60):
            await signaling.wait_for_peer(peer)
        if plan.ending == "give up":
            scope.deadline = trio.current_time() + plan.lasts
        async with trio_rtc.open_call(signaling, peer, receive=(), **self._options) as call:
            side.has_stood = True
            self.current = call
            try:
                async with trio.open_nursery() as answering:
                    # Where both call at once it is one call, and each may open channels.
                    answering.start_soon(self._take_channels, call, side, answering)
                    async with trio.open_nursery() as nursery:
                        for place, sizes in enumerate(plan.channels):
                            label = f"{number} {place} {plan.ending}"
                            talk = (call, side, label, number, place, sizes, plan.pause)
                            nursery.start_soon(self._guard, side, self._talk, *talk)
                        nursery.start_soon(self._end_by_plan, call, plan, scope)
                    answering.cancel_scope.cancel()
            finally:
                if call.end is not None:
                    side.end = call.end.reason
            if plan.ending == "they hang up":
                with trio.move_on_after(120):
                    await call.wait_ended()
        assert call.end is not None
        side.end = call.end.reason

    async def _end_by_plan(
        self, call: trio_rtc.Call, plan: CallPlan, scope: trio.CancelScope
    ) -> None:
        if plan.ending != "cancel":
            return
        await trio.sleep(plan.lasts)
        scope.cancel()

    async def _talk(
        self,
        call: trio_rtc.Call,
        side: Side,
        label: str,
        number: int,
        place: int,
        sizes: tuple[int, ...],
        pause: float,
    ) -> None:
        sent, received = side.sent.setdefault(label, []), side.received.setdefault(label, [])
        channel = await call.open_channel(label)
        async with channel:
            for count, size in enumerate(sizes):
                data, began = message(number, place, count, size), trio.current_time()
                sent.append(fingerprint(data))
                await channel.send(data)
                received.append(fingerprint(await channel.receive()))
                if size <= ONE_PACKET:
                    side.longest = max(side.longest, trio.current_time() - began)
                await trio.sleep(pause)
        side.confirmed.add(label)

    # As a callee.

    async def _answer(self, call: trio_rtc.Call) -> None:
        side = Side(has_stood=True)
        self.current = call
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_channels, call, side, nursery)
            end = await call.wait_ended()
            side.end = end.reason

    async def _take_channels(self, call: trio_rtc.Call, side: Side, nursery: trio.Nursery) -> None:
        async for channel in call.channels:
            number, _, ending = channel.label.split(" ", 2)
            self._outcome.callees[int(number)] = side
            nursery.start_soon(self._guard, side, self._echo, channel, side)
            if ending in ("they hang up", "both hang up"):
                nursery.start_soon(self._guard, side, self._hang_up_later, call)

    async def _echo(self, channel: Any, side: Side) -> None:
        received = side.received.setdefault(channel.label, [])
        async with channel:
            async for data in channel:
                received.append(fingerprint(data))
                await channel.send(data)

    async def _hang_up_later(self, call: trio_rtc.Call) -> None:
        await trio.sleep(3)
        await call.hang_up()

    async def _guard(self, side: Side, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        try:
            await fn(*args)
        except* (*EXPECTED, trio.TooSlowError) as group:
            first = group.exceptions[0]
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            side.problem = side.problem or f"{type(first).__name__}: {first}"
