"""Making calls and taking them: `open_call` and `serve_calls`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn, Unpack

import trio

from ..errors import CallError, NegotiationError, SignalingLost, TrioRTCError
from ..faults import FaultLog, caught, comes_of_an_end, reason_of
from ..keywords import spelled_out
from ..rtc import (
    BundlePolicy,
    Kind,
)
from ..signaling import EventsDropped, MessageReceived, Peer, PeerLeft, Signaling, Subscription
from ..tasks import require_trio
from ..wire.end_reasons import BUSY
from ..wire.messages import (
    Bye,
    IceCandidate,
    Message,
    SessionDescription,
    decode,
    is_of_call,
)
from .admission import MAX_CALLS, CallAdmission, Place
from .call import Call
from .conductor import Conductor
from .hang_up import Declining
from .incoming_offer import Accept, CallerGone, NotAccepted, PendingCandidates, ring
from .options import CallKeywords, CallOptions

logger = logging.getLogger("trio_rtc.call")

Handler = Callable[[Call], Awaitable[object]]
"""Answers a call, which is hung up when it returns or raises."""


@spelled_out(CallKeywords, CallOptions)
@asynccontextmanager
async def open_call(
    signaling: Signaling,
    peer: Peer | int | str,
    *,
    receive: Iterable[Kind] = ("audio", "video"),
    bundle_policy: BundlePolicy = "max-bundle",
    **options: Unpack[CallKeywords],
) -> AsyncIterator[Call]:
    """Call a peer; the block begins when the call is connected, and hangs up at its end.

    If the peer calls us at the same moment, both sides get the same one call.

    Args:
        signaling: the session in which to call, and which the call's messages take.
        peer: whom to call: a `Peer`, an id or a name.
        receive: media that the other side may send, whether or not we send any.
        bundle_policy: ``"max-bundle"`` needs one way for everything, and is ready soonest.
            ``"balanced"`` can also call those that want a way for each medium, as GStreamer's
            ``webrtcbin`` does by default (W3C WebRTC, section 4.2.5).
        **options: these, as for `serve_calls`:
        tracks: what to send: local media (`open_media`), or tracks of another call. Or a function
            of the `Call` that gives them, or opens them for the time of the call, such as
            ``lambda call: open_media(video="film.mp4")``. ``call.peer`` is known to it.
        codecs: what media may be encoded with, in the order of preference, such as ``"H264"``
            and ``"opus"``; of a kind of media that none of them is for, everything there is.
        ice_servers: STUN and TURN servers: URLs, or `IceServer` where one wants credentials.
            All are asked. By default those of the environment variable
            ``TRIO_RTC_ICE_SERVERS``: URLs with spaces between them, or a JSON array as browsers
            take it; without that, those that the signaling server tells of.
        ice_transport_policy: ``"relay"`` uses TURN servers only, and shows the other side none
            of our addresses.
        ice_gathering: the UDP ports, interfaces and advertised addresses of host candidates
            (`IceGatherOptions`). By default those of the environment variables
            ``TRIO_RTC_UDP_PORTS``, ``TRIO_RTC_UDP_MUX``, ``TRIO_RTC_ICE_TCP``,
            ``TRIO_RTC_INTERFACES`` and ``TRIO_RTC_ADVERTISE``.
        connect_timeout: seconds until the call has to be connected; also until an offer in a
            call that stands has to be answered.
        silence_timeout: seconds in which nothing at all comes from the other side, until the
            call counts as disconnected.
        restart_timeout: seconds in which we then look for another way to the other side before
            the call ends as ``connection_lost``; 0 ends it at once.
        close_timeout: seconds for what is on its way when the call is hung up.
        max_frame_pixels: width times height of the largest picture that is decoded, and a
            quarter of what all tracks of the call may have together. What is over it is left
            out, with a warning, and counted in `TrackStats.frames_refused`.
        max_unread_bytes: what the other side may have sent on all data channels together before
            it is read; a channel that brings more is closed.
        simulcast: whether a browser that offers a track in several layers (RFC 8853) is to send
            them all, as `open_relay` can use; otherwise it sends the first one.
        trace: called with each `CallStep`, in this thread; it must not block.
        code: a short secret that the other side has got from us by another way, or we from it.
            Only who knows it is connected, whatever the signaling server does. There is one
            guess.
        certificate: ours, if others are to know us by it; without it, one is made for each call.
        trusted_keys: the fingerprints (`PeerCertificate.fingerprint`) of which the other side's
            certificate has to have one.

    Raises:
        UnknownPeer: no such peer is signed in.
        BadIceServer: one of ``ice_servers`` is none.
        ValueError: a timeout is no number of seconds, or ``silence_timeout`` is 0.
        MediaError: ``unknown_codec``: one of ``codecs`` is none.
        CallError: ``connect_timeout``, ``connection_lost`` (no path between the two),
            ``connection_closed``, ``peer_hung_up``, ``peer_left``, ``superseded``;
            ``wrong_code``, ``code_used``, ``not_authenticated``, ``not_trusted``: the other side
            is not the one we asked for, or says that of us.
        NegotiationError: what the peer answered cannot be used; ``not_bundled``: it needs
            another ``bundle_policy``.
        SignalingError: the messages of the set-up could not be sent, ``busy``: there is a
            call with this peer already.
    """
    chosen = CallOptions.of(
        "open_call", CallKeywords, options, receive=receive, bundle_policy=bundle_policy
    )
    found = signaling.find_peer(peer)
    with signaling.subscribe(found, wanted=is_of_call) as subscription:
        async with Conductor(signaling, subscription, found, chosen).run() as call:
            yield call


@spelled_out(CallKeywords, CallOptions)
async def serve_calls(
    handler: Handler,
    signaling: Signaling,
    *,
    max_calls: int = MAX_CALLS,
    accept: Accept | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[CallKeywords],
) -> NoReturn:
    """Answer every call, and run ``handler(call)`` in a task of its own for each.

    The call is hung up when its handler returns. An exception of a handler is logged and ends
    its call only; so does whatever goes wrong while a call is set up and kept, be it that the
    system has no more files. Messages that are not about calls are left to whoever iterates over
    ``signaling``.

    The arguments are those of `open_call`. ``tracks`` go to every caller who offers to
    receive media of their kind. ``max_calls`` is how many calls there may be at once, of which up
    to 64 are being set up: who calls above that is declined, and has a `CallError` ``busy``.

    ``accept(peer)`` is awaited before a call is answered, if it is given: it rings, so to speak. A
    call is declined when that is false, or takes longer than ``connect_timeout``. It is cancelled
    when the caller gives up.

    A ``code`` is good for the first who tries it. If that one does not know it, or goes away before
    that is seen, this ends with a `CallError`; if it does, all others are declined as
    ``code_used``.

    Raises:
        ValueError: as for `open_call`, or ``max_calls`` is below 1.
        CallError: ``wrong_code``: somebody has tried the ``code``, in vain.
        SignalingLost: the session with the server has ended, and the last call too.
        SignalingError: ``busy``: somebody serves the calls of this session already.
    """
    chosen = CallOptions.of("serve_calls", CallKeywords, options)
    require_trio()
    admission = CallAdmission(max_calls, logger.warning)
    faults = FaultLog(logger)
    pending = PendingCandidates()
    with signaling.subscribe(wanted=is_of_call) as subscription:
        async with trio.open_nursery() as nursery:
            declining = Declining(signaling, nursery)
            task_status.started()
            try:
                async for event in subscription:
                    if isinstance(event, PeerLeft):
                        pending.take(event.peer)
                    if isinstance(event, EventsDropped):
                        logger.warning("%d messages about calls came too fast", event.count)
                    if not isinstance(event, MessageReceived):
                        continue
                    message = _read(signaling, event, declining)
                    if isinstance(message, SessionDescription) and message.type == "offer":
                        place = admission.admit()
                        if place is None:
                            pending.take(event.peer)
                            declining.start(event.peer, Bye(reason=BUSY, call=message.call))
                            continue
                        # Before any other task runs: it may be about to call this peer.
                        subscribed = ExitStack()
                        heard = subscribed.enter_context(
                            signaling.subscribe(event.peer, wanted=is_of_call)
                        )
                        first: list[Message] = [*pending.take(event.peer), message]
                        subscribed.callback(place.leave)
                        call = _Answered(
                            handler,
                            accept,
                            signaling,
                            event.peer,
                            chosen,
                            place,
                            faults,
                            declining,
                            nursery,
                        )
                        nursery.start_soon(call.serve, subscribed, heard, first)
                    elif isinstance(message, IceCandidate):
                        pending.add(event.peer, message)
                    elif message is not None:
                        pending.take(event.peer)
                        logger.debug("%s speaks of a call that is over", event.peer)
            except SignalingLost as error:
                # Calls need no server once they stand: they may end in their own time.
                lost = error
    if chosen.code is not None and chosen.code.failure is not None:
        raise chosen.code.failure
    raise lost


def _code_failure(error: Exception, peer: Peer) -> CallError:
    if isinstance(error, CallError) and error.code in ("wrong_code", "code_used"):
        return error
    failure = CallError(
        f"{peer} has tried the code, and was gone before it was right; it cannot be used again",
        code="wrong_code",
    )
    failure.__cause__ = error
    return failure


def _read(signaling: Signaling, event: MessageReceived, declining: Declining) -> Message | None:
    try:
        return decode(event.data)
    except NegotiationError as error:
        declining.warnings.warn("%s: %s", event.peer, error, code=error.code)
        if error.code == "bad_description":
            declining.start(event.peer, Bye())
        return None


@dataclass
class _Answered:
    """The task of a call that we answer."""

    handler: Handler
    accept: Accept | None
    signaling: Signaling
    peer: Peer
    options: CallOptions
    place: Place
    faults: FaultLog
    declining: Declining
    everything: trio.Nursery

    async def serve(
        self, subscribed: ExitStack, subscription: Subscription, said: Sequence[Message]
    ) -> None:
        with subscribed, caught(self._report):
            if self.accept is not None:
                said = [*said, *await self._ring(self.accept, subscription, said)]
            conductor = Conductor(self.signaling, subscription, self.peer, self.options, said)
            async with conductor.run() as call:
                self.place.connected()
                await _handle(self.handler, call)

    async def _ring(
        self, accept: Accept, subscription: Subscription, said: Sequence[Message]
    ) -> Sequence[Message]:
        offer = said[-1]
        assert isinstance(offer, SessionDescription)
        try:
            return await ring(
                accept, self.peer, subscription, offer.call, self.options.connect_timeout
            )
        except CallerGone:
            raise
        except Exception as error:
            why = "" if isinstance(error, NotAccepted) else reason_of(error)
            self.declining.start(self.peer, Bye(reason=why, call=offer.call))
            raise

    def _report(self, error: Exception) -> None:
        code = self.options.code
        if isinstance(error, NotAccepted | CallerGone):
            logger.info("the call of %s was not answered: %s", self.peer, error)
        elif code is not None and code.used and not code.right:
            code.failure = _code_failure(error, self.peer)
            self.everything.cancel_scope.cancel()
        elif isinstance(error, TrioRTCError):
            logger.warning(
                "the call of %s failed: %s", self.peer, error, extra={"code": error.code}
            )
        else:
            self.faults.report(f"the call of {self.peer}", error)


async def _handle(handler: Handler, call: Call) -> None:
    try:
        await handler(call)
    except Exception as error:
        if call.end is not None and comes_of_an_end(error):
            logger.info("the call with %s ended under its handler: %s", call.peer, call.end)
        else:
            logger.exception("the handler of the call with %s failed", call.peer)
