"""What one call does ends none beside it, whatever it is; and there are only so many."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio

from trio_rtc.calls import admission, hang_up
from trio_rtc.calls.admission import CallAdmission
from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.calls.conductor import Conductor
from trio_rtc.calls.incoming_offer import MAX_PENDING_PEERS, PendingCandidates
from trio_rtc.calls.negotiation import MAX_PENDING_CANDIDATES
from trio_rtc.errors import CallError
from trio_rtc.faults import FaultLog, caught, reason_of
from trio_rtc.rtc import PeerConnection
from trio_rtc.signaling import Peer
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import IceCandidate, SessionDescription, encode

from ..rtc.virtual import in_virtual_time
from .both_sides import serving

resource = pytest.importorskip("resource", reason="there are no limits of files to set")


class Unforeseen(Exception):
    pass


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*args: object) -> NoReturn:
        raise error

    return fail


@contextmanager
def failing(owner: object, name: str, error: Exception) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, raising(error))
        yield


EMFILE = OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize(
    ("error", "code", "match"),
    [
        (EMFILE, "busy", "is busy"),
        (MemoryError(), "busy", "is busy"),
        (OSError(errno.EIO, "broken"), "peer_hung_up", "declined the call: internal_error"),
        (Unforeseen("a bug"), "peer_hung_up", "declined the call: internal_error"),
        (ExceptionGroup("two", [EMFILE, MemoryError()]), "busy", "is busy"),
        (ExceptionGroup("two", [EMFILE, Unforeseen()]), "busy", "is busy"),
        (ExceptionGroup("one", [Unforeseen()]), "peer_hung_up", "internal_error"),
    ],
)
@in_virtual_time
async def test_an_error_while_a_call_is_set_up_ends_only_that(
    error: Exception, code: str, match: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = MemoryHub()
    async with serving(hub) as (alice, _), open_call(alice, "bob") as standing:
        carol = hub.sign_in("carol")
        # The answer fails; an offer does not apply a description first.
        with (
            failing(PeerConnection, "set_remote_description", error),
            pytest.raises(CallError, match=match) as raised,
        ):
            async with open_call(carol, "bob"):
                pass
        assert (raised.value.code, raised.value.fault) == (code, "remote")
        [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert record.exc_info is not None
        assert "carol" in record.getMessage()
        # Those beside it, and those after it, are as they were.
        assert standing.end is None
        async with open_call(carol, "bob"):
            pass


@in_virtual_time
async def test_an_error_in_a_call_that_stands_ends_only_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = MemoryHub()
    async with serving(hub) as (alice, _), open_call(alice, "bob") as standing:
        carol = hub.sign_in("carol")
        async with open_call(carol, "bob") as call:
            act = Conductor._act

            async def fail_where_it_answers(self: Conductor, action: object) -> bool:
                if not self._session._calling:
                    raise Unforeseen("a bug")
                return await act(self, action)  # type: ignore[arg-type]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Conductor, "_act", fail_where_it_answers)
                await carol.send("bob", encode(SessionDescription(type="offer", sdp="")))
                end = await call.wait_ended()
        assert str(end) == "peer_hung_up: internal_error"
        assert "the call of carol" in caplog.text
        assert standing.end is None
        async with open_call(carol, "bob"):
            pass


@in_virtual_time
async def test_cancelling_while_a_call_fails() -> None:
    hub = MemoryHub()
    failed = trio.Event()

    async def fail(*args: object) -> NoReturn:
        failed.set()
        try:
            await trio.sleep_forever()
        finally:
            raise Unforeseen

    with trio.fail_after(30), pytest.MonkeyPatch.context() as patch:
        patch.setattr(PeerConnection, "set_remote_description", fail)
        async with serving(hub) as (alice, _):
            await alice.send("bob", encode(SessionDescription(type="offer", sdp="")))
            await failed.wait()
            # The way out of the block cancels the server: nothing comes out of that.


@contextmanager
def no_files() -> Iterator[None]:
    """As few files as there are now, and none is free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        highest = max(int(link.name) for link in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        with pytest.raises(OSError, match="open files"):
            while True:
                files.enter_context(Path("/dev/null").open("rb"))
        yield


@pytest.mark.skipif(sys.platform == "win32", reason="files are counted in another way")
async def test_running_out_of_files(caplog: pytest.LogCaptureFixture) -> None:
    # With real sockets: those of a simulated network are no files.
    hub = MemoryHub()
    async with serving(hub) as (alice, _), open_call(alice, "bob") as standing:
        ends = hub.sign_in("carol")
        with no_files():
            for _ in range(20):
                await ends.send("bob", offer())
                await hub.wait_for("bob bye")
                hub.log.clear()
        assert standing.end is None
        assert any(r.levelno == logging.ERROR for r in caplog.records)
        async with open_call(ends, "bob"):
            pass


def offer() -> bytes:
    """Somebody's who will never say more."""
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
        "a=sctp-port:5000\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=setup:actpass\r\n"
    )
    return encode(SessionDescription(type="offer", sdp=sdp))


@in_virtual_time
async def test_who_calls_above_the_limit_is_declined(caplog: pytest.LogCaptureFixture) -> None:
    hub = MemoryHub()
    async with serving(hub, max_calls=2) as (alice, _), open_call(alice, "bob") as first:
        carol, dave = hub.sign_in("carol"), hub.sign_in("dave")
        async with open_call(carol, "bob"):
            for _ in range(3):
                with pytest.raises(CallError, match=r"bob \(2\) is busy$") as raised:
                    async with open_call(dave, "bob"):
                        pass
                assert (raised.value.code, raised.value.fault) == ("busy", "remote")
            # Said once, as long as it lasts.
            assert caplog.text.count("declined as busy") == 1
        async with open_call(dave, "bob") as call:
            channel = await call.open_channel("chat")
            await channel.send("there is a place again")
        assert first.end is None


@in_virtual_time
async def test_those_being_set_up_have_a_limit_of_their_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admission, "MAX_SETTING_UP", 2)
    hub = MemoryHub()
    async with serving(hub, connect_timeout=2.0) as (alice, _):
        strangers = [hub.sign_in(f"stranger {number}") for number in range(3)]
        for stranger in strangers:
            await stranger.send("bob", offer())
        await hub.wait_for("bob bye")
        assert "2 calls are being set up" in caplog.text
        # Until their time is over.
        connected = False
        while not connected:
            with suppress(CallError):
                async with open_call(alice, "bob"):
                    connected = True
            await trio.sleep(0.05)


@in_virtual_time
async def test_a_caller_that_cannot_be_declined_holds_up_nobody() -> None:
    hub = MemoryHub()

    async def never(sender: object, data: bytes) -> None:
        if data == b"BYE":
            await trio.sleep_forever()

    hub.delay = never
    async with serving(hub) as (alice, _):
        carol = hub.sign_in("carol")
        for _ in range(hang_up.MAX_DECLINING + 10):
            await carol.send("bob", b'{"type": "offer"}')
        async with open_call(alice, "bob"):
            pass


@in_virtual_time
async def test_candidates_without_an_offer_do_no_harm() -> None:
    hub = MemoryHub()
    async with serving(hub) as (alice, _):
        for number in range(5):
            other = hub.sign_in(f"other {number}")
            await other.send("bob", b'{"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host"}')
        async with open_call(alice, "bob"):
            pass


def test_candidates_without_an_offer_are_few() -> None:
    pending = PendingCandidates()
    peers = [Peer(number, str(number)) for number in range(MAX_PENDING_PEERS + 1)]
    candidates = [
        IceCandidate(candidate=f"candidate:{number}")
        for number in range(MAX_PENDING_CANDIDATES + 1)
    ]
    for peer in peers[:-1]:
        pending.add(peer, candidates[0])
    for candidate in candidates[1:]:
        # Who is known has room, and there is an end to it.
        pending.add(peers[1], candidate)
    assert pending.take(peers[1]) == candidates[:-1]
    assert pending.take(peers[1]) == []
    for peer in (peers[1], peers[-1]):
        pending.add(peer, candidates[0])
    # The first one has made room.
    assert [len(pending.take(peer)) for peer in peers] == [0] + [1] * MAX_PENDING_PEERS


def test_places() -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match="max_calls is 0"):
        CallAdmission(0, said.append)
    counted = CallAdmission(2, said.append)
    first, second = counted.admit(), counted.admit()
    assert first is not None
    assert second is not None
    assert counted.admit() is None
    assert counted.admit() is None
    assert said == ["there are 2 calls: who calls now is declined as busy"]
    first.connected()
    first.connected()
    assert (counted.calls, counted.setting_up) == (2, 1)
    first.leave()
    second.leave()
    assert (counted.calls, counted.setting_up) == (0, 0)


@in_virtual_time
async def test_a_limit_that_is_none() -> None:
    bob = MemoryHub().sign_in("bob")
    with pytest.raises(ValueError, match="max_calls"):
        await serve_calls(nobody, bob, max_calls=0)


async def nobody(call: Call) -> None:
    raise AssertionError(call)


def test_what_is_caught() -> None:
    errors: list[Exception] = []
    group = ExceptionGroup("some", [Unforeseen()])
    with caught(errors.append):
        raise group
    with pytest.raises(BaseExceptionGroup) as raised, caught(errors.append):
        raise BaseExceptionGroup("both", [Unforeseen(), KeyboardInterrupt()])
    assert [type(part) for part in raised.value.exceptions] == [KeyboardInterrupt]
    assert [type(error) for error in errors] == [ExceptionGroup, ExceptionGroup]
    with pytest.raises(SystemExit), caught(errors.append):
        raise SystemExit
    assert reason_of(CallError("", code="peer_left")) == "peer_left"


async def test_errors_that_are_repeated_are_not_all_logged(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    faults = FaultLog(logging.getLogger("trio_rtc.call"))

    def errors() -> int:
        return sum(record.levelno == logging.ERROR for record in caplog.records)

    for _ in range(20):
        faults.report("the call of carol", EMFILE)
    assert errors() == 5
    faults.report("the call of carol", Unforeseen())
    assert errors() == 6
    await trio.sleep(1)
    faults.report("the call of carol", EMFILE)
    assert errors() == 7


async def test_warnings_that_others_cause_are_not_all_logged(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub = MemoryHub()
    bob = hub.sign_in("bob")
    mallory = hub.sign_in("mallory")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_calls, nobody, bob)
        for _ in range(100):
            await mallory.send("bob", b'{"candidate": 3}')
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    said = [record for record in caplog.records if "malformed" in record.getMessage()]
    assert len(said) == 100
    assert sum(record.levelno == logging.WARNING for record in said) == 5
    assert {getattr(record, "code", "") for record in said} == {"bad_candidate"}
