"""What calls can do with which stack: the table of the tests and of the documentation.

A cell is "yes", "yes (N times)", or the reason why it cannot be, which is a limit of that stack.
"""

from __future__ import annotations

STACKS = ("Chromium", "Firefox", "libwebrtc", "libdatachannel", "werift", "GStreamer")

WE_CALL, IT_CALLS = "we call", "it calls"
ROLES = (WE_CALL, IT_CALLS)

CONNECT = "connect"
CHANNEL_LATER = "a channel later, from either side"
OUR_TRACK = "a track of ours later"
ITS_TRACK = "a track of the other side later"
SECOND_TRACK = "a second track of one kind"
MANY_TRACKS = "a track removed and added, over and over"
SCREEN = "a screen share on and off, by the other side"
BOTH_AT_ONCE = "a track from both sides at once"
RESTART = "a restart"
MOVE = "a change of our address"
WE_CLOSE = "we hang up"
IT_CLOSES = "the other side closes"

FEATURES = (
    CONNECT, CHANNEL_LATER, RESTART, MOVE, OUR_TRACK, ITS_TRACK, SECOND_TRACK, MANY_TRACKS, SCREEN,
    BOTH_AT_ONCE, WE_CLOSE, IT_CLOSES,
)  # fmt: skip

YES = "yes"

NO_RESTART = "it does not restart ICE"
NOT_ALWAYS = "not always: it may answer with its old credentials"
#: In webrtcbin 1.22 "transceiver direction changes are not implemented".
NO_REMOVAL = "its webrtcbin changes no direction"

#: Where it is not "yes", by feature and stack; for both roles, or for each.
LIMITS: dict[tuple[str, str], str | dict[str, str]] = {
    **{(feature, stack): NO_RESTART for feature in (RESTART, MOVE) for stack in (
        "libdatachannel", "GStreamer")},
    **{(feature, "werift"): {IT_CALLS: NOT_ALWAYS} for feature in (RESTART, MOVE)},
    (SCREEN, "GStreamer"): NO_REMOVAL,
}  # fmt: skip

#: Whose sections keep the direction that they begin with: each track has one of its own.
NO_OTHER_DIRECTION = ("libdatachannel", "GStreamer")

#: Those that send beside each track of ours, in its section.
SEND_BESIDE = ("GStreamer",)

#: Those that call with a channel at once: they begin without media, and werift 0.25 crashes when it
#: opens one in a section that we have offered.
NEED_A_CHANNEL = ("libdatachannel", "werift", "GStreamer")

#: How often a track comes and goes.
TIMES = 100


def cell(feature: str, stack: str, role: str) -> str:
    """What there is to say of a feature with a stack, in a role."""
    limit = LIMITS.get((feature, stack))
    if isinstance(limit, dict):
        limit = limit.get(role)
    if limit is not None:
        return limit
    return f"{YES} ({TIMES} times)" if feature == MANY_TRACKS else YES


def markdown() -> list[str]:
    """The lines of the table, as the documentation prints it."""
    lines = [f"| | {' | '.join(STACKS)} |", "|---|" + "---|" * len(STACKS)]
    for feature in FEATURES:
        cells = []
        for stack in STACKS:
            ours, theirs = (cell(feature, stack, role) for role in ROLES)
            same = ours == theirs
            cells.append(ours if same else f"{WE_CALL}: {ours}; {IT_CALLS}: {theirs}")
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    return lines
