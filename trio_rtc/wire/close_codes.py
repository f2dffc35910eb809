"""WebSocket close codes: why a connection was closed, and whether another one would fare better.

Those from 4000 on are ours (RFC 6455, section 7.4.2), and most of them 4000 and the status of HTTP
that says the same. Python's clients go by this list, and so does the page, whose own copy of it
has to give the same answers (``tests/data/vectors/close_codes.json``).
"""

from __future__ import annotations

from typing import Final


class CloseCode:
    """What a close frame says; the reason that goes with it is in `REASONS`."""

    LEFT: Final = 1000
    GOING_AWAY: Final = 1001
    PROTOCOL_ERROR: Final = 1002
    NOT_TEXT: Final = 1003
    #: There was a close frame without a code, and none at all (RFC 6455, section 7.4.1).
    NO_CODE: Final = 1005
    NO_CLOSE: Final = 1006
    NOT_UTF8: Final = 1007
    POLICY_VIOLATION: Final = 1008
    MESSAGE_TOO_BIG: Final = 1009
    INTERNAL_ERROR: Final = 1011
    SERVICE_RESTART: Final = 1012
    TRY_AGAIN_LATER: Final = 1013
    BAD_MESSAGE: Final = 4400
    NOT_AUTHORIZED: Final = 4401
    FORBIDDEN: Final = 4403
    SESSION_LOST: Final = 4404
    TIMEOUT: Final = 4408
    SUPERSEDED: Final = 4409
    TOO_FAST: Final = 4429
    NO_PLACE: Final = 4503


#: What our server writes beside the code, for programs to go by.
REASONS: Final[dict[int, str]] = {
    CloseCode.LEFT: "left",
    CloseCode.GOING_AWAY: "server_shutdown",
    CloseCode.PROTOCOL_ERROR: "protocol_error",
    CloseCode.NOT_TEXT: "not_text",
    CloseCode.NOT_UTF8: "not_utf8",
    CloseCode.MESSAGE_TOO_BIG: "message_too_big",
    CloseCode.INTERNAL_ERROR: "internal_error",
    CloseCode.TRY_AGAIN_LATER: "try_again_later",
    CloseCode.BAD_MESSAGE: "bad_message",
    CloseCode.NOT_AUTHORIZED: "not_authorized",
    CloseCode.FORBIDDEN: "forbidden",
    CloseCode.SESSION_LOST: "session_lost",
    CloseCode.TIMEOUT: "timeout",
    CloseCode.SUPERSEDED: "superseded",
    CloseCode.TOO_FAST: "too_fast",
    CloseCode.NO_PLACE: "no_place",
}

UNRESPONSIVE: Final = "no_pong"
"""The reason of a `CloseCode.TIMEOUT` for a client that has answered no ping."""

#: Closes after which another connection would fare no better, and the code of the error that
#: comes of them. 1000 is the end for one who leaves; otherwise something on the way has closed in
#: order.
FINAL: Final[dict[int, str]] = {
    code: REASONS[code]
    for code in (
        CloseCode.BAD_MESSAGE,
        CloseCode.NOT_AUTHORIZED,
        CloseCode.FORBIDDEN,
        CloseCode.SESSION_LOST,
        CloseCode.SUPERSEDED,
        CloseCode.NO_PLACE,
    )
}

#: Closes by which a PeerJS server refuses if it has said nothing else: it was done, or gives no
#: reason, or has a rule against it (RFC 6455, section 7.4.1).
REFUSING: Final = {CloseCode.LEFT, CloseCode.NO_CODE, CloseCode.POLICY_VIOLATION}

#: Closes that say nothing about a client, even after an error was told: the server ends, or fails,
#: or is too slow.
PASSING: Final = {
    CloseCode.GOING_AWAY,
    CloseCode.INTERNAL_ERROR,
    CloseCode.SERVICE_RESTART,
    CloseCode.TRY_AGAIN_LATER,
    CloseCode.TIMEOUT,
    CloseCode.TOO_FAST,
}

#: The same for PeerJS, which knows no sessions: who has lost its place asks for another one.
PEERJS_FINAL: Final[dict[int, str]] = {
    CloseCode.BAD_MESSAGE: "refused",
    CloseCode.NOT_AUTHORIZED: "refused",
    CloseCode.FORBIDDEN: "refused",
    CloseCode.SUPERSEDED: REASONS[CloseCode.SUPERSEDED],
    CloseCode.NO_PLACE: "refused",
}
