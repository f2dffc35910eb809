"""Random networks, and random programs of those on them: what happens in a run of a seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, Literal, get_args

from trio_rtc.testing import Link
from trio_rtc.testing.network.nat import Behaviour

SIZES: Final = (1, 100, 1200, 16_384)
"""Bytes of messages; there is a large one, too."""

LARGE: Final = (30_000, 30_000, 30_000, 100_000)
"""Bytes of a large one. Most of the time of a seed is for its packets."""

BEARABLE_SECONDS: Final = 8.0
"""An outage that calls are to outlive; they are given up after 20 s."""

Ending = Literal["hang up", "leave", "cancel", "they hang up", "both hang up", "give up"]
Disturbance = Literal[
    "unplug",
    "move",
    "forget",
    "restart server",
    "crash server",
    "part",
    "lossy",
    "restart ice",
    "silent turn",
    "leave",
]

ENDINGS: Final = get_args(Ending)[:5]
DISTURBANCES: Final = get_args(Disturbance)[:8]
"""The others are extras."""


@dataclass(frozen=True)
class CallPlan:
    """A call that somebody makes.

    Attributes:
        at: when, in seconds since the party has begun.
        caller: who makes it, by number.
        callee: whom.
        channels: bytes of the messages that go each way on each channel.
        lasts: seconds over which its messages are spread, or from when it stands until it is
            cancelled; until it is given up, from its offer.
        ending: how.
    """

    at: float
    caller: int
    callee: int
    channels: tuple[tuple[int, ...], ...]
    lasts: float
    ending: Ending

    @property
    def pause(self) -> float:
        """Seconds between two messages of a channel."""
        if self.ending in ("cancel", "give up"):
            return 0.0
        return self.lasts / max(len(sizes) for sizes in self.channels)


@dataclass(frozen=True)
class NotesPlan:
    """Messages that somebody sends over signaling alone."""

    at: float
    sender: int
    receiver: int
    count: int
    pause: float


@dataclass(frozen=True)
class DisturbancePlan:
    """Something that happens to the network."""

    at: float
    kind: Disturbance
    party: int
    seconds: float


@dataclass
class Plan:
    """A run.

    Attributes:
        parties: how each is connected: its links, and the options of its router, if it has one.
        calls: in the order of their times.
        disturbances: the same.
        notes: what is sent over signaling.
    """

    parties: list[tuple[Link, dict[str, Any] | None]] = field(default_factory=list)
    calls: list[CallPlan] = field(default_factory=list)
    disturbances: list[DisturbancePlan] = field(default_factory=list)
    notes: list[NotesPlan] = field(default_factory=list)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happens to the network but losses."""
        return not self.disturbances

    @property
    def is_easy(self) -> bool:
        """Whether losses are no reason to fail."""
        return all(link.loss * link.burst < 0.05 for link, _ in self.parties)

    @property
    def is_crossing(self) -> bool:
        """Whether two who call each other at once are all that there is."""
        if len(self.calls) != 2:
            return False
        one, other = self.calls
        crosses = (one.caller, one.callee, one.at) == (other.callee, other.caller, other.at)
        return crosses and "give up" not in (one.ending, other.ending)

    @property
    def is_bearable(self) -> bool:
        """Whether calls outlive all that happens.

        What passes sooner than they are given up is a matter of signaling; and where there is none,
        they need none.
        """
        passes = all(
            each.kind in ("move", "forget", "restart ice")
            or (each.kind in ("unplug", "leave") and each.seconds <= BEARABLE_SECONDS)
            for each in self.disturbances
        )
        return passes or self.happens("restart server", "crash server")

    @property
    def is_a_move(self) -> bool:
        """Whether one call, over links that lose nothing, is moved and nothing else happens."""
        one = len(self.calls) == 1 and len(self.disturbances) == 1 and not self.notes
        links = [link for link, _ in self.parties]
        return (
            one
            and self.happens("move")
            and all(not link.loss and not link.reordering for link in links)
            and self.calls[0].ending in ("hang up", "leave")
        )

    @property
    def round_trip(self) -> float:
        """Seconds from one party to another and back, on the longest way, and of no more bytes."""
        slowest = max(link.delay + link.jitter for link, _ in self.parties)
        return 4 * slowest + 4 * 0.01

    def happens(self, *kinds: Disturbance) -> bool:
        """Whether something happens, and nothing but what is of these kinds."""
        return bool(self.disturbances) and all(each.kind in kinds for each in self.disturbances)


def random_link(random: Random) -> Link:
    """A link as people have them."""
    return Link(
        delay=random.choice([0.001, 0.01, 0.04, 0.12]),
        jitter=random.choice([0.0, 0.0, 0.005, 0.03]),
        loss=random.choice([0.0, 0.0, 0.0, 0.01, 0.03]),
        burst=random.choice([1.0, 1.0, 2.0]),
        reordering=random.choice([0.0, 0.0, 0.02]),
        duplication=random.choice([0.0, 0.0, 0.02]),
        rate=random.choice([float("inf"), 20e6, 2e6]),
        mtu=random.choice([1500, 1500, 1400, 1280]),
    )


def random_router(random: Random) -> dict[str, Any] | None:
    """A router of any kind, or none."""
    if random.random() < 0.5:
        return None
    return {
        "mapping": random.choice(get_args(Behaviour)),
        "filtering": random.choice(get_args(Behaviour)),
        "keeps_ports": random.random() < 0.5,
        "udp": random.random() < 0.9,
    }


def random_plan(seed: int) -> Plan:
    """That of a seed."""
    random = Random(f"{seed} plan")
    plan = Plan()
    count = random.choice([2, 2, 2, 3, 4])
    large = Random(f"{seed} large").choice(LARGE)
    plan.parties = [(random_link(random), random_router(random)) for _ in range(count)]
    for _ in range(random.choice([1, 1, 2, 3])):
        caller, callee = random.sample(range(count), 2)
        channels = tuple(
            tuple(random.choice((*SIZES, large)) for _ in range(random.randint(1, 6)))
            for _ in range(random.choice([1, 1, 2]))
        )
        plan.calls.append(
            CallPlan(
                at=random.choice([0.0, 0.0, 0.05, 1.0, 7.0]),
                caller=caller,
                callee=callee,
                channels=channels,
                lasts=random.choice([0.0, 1.0, 10.0, 40.0]),
                ending=random.choice(ENDINGS),
            )
        )
    if random.random() < 0.5:
        for _ in range(random.choice([1, 1, 2])):
            plan.disturbances.append(
                DisturbancePlan(
                    at=random.choice([0.3, 1.0, 3.0, 8.0, 12.0]),
                    kind=random.choice(DISTURBANCES),
                    party=random.randrange(count),
                    seconds=random.choice([0.5, 2.0, 8.0, 30.0]),
                )
            )
    _add_extras(plan, Random(f"{seed} extras"))
    _add_notes(plan, Random(f"{seed} notes"))
    kind = (only := Random(f"{seed} only")).random()
    if kind < 0.06:
        _have_one_move(plan, only)
    elif kind < 0.14:
        _have_losses(plan)
    elif kind < 0.18:
        _lose_the_server(plan, only)
    elif kind < 0.22:
        _cancel_while_restarting(plan)
    elif kind < 0.26:
        _cut_notes(plan, only)
    plan.calls.sort(key=lambda call: call.at)
    plan.disturbances.sort(key=lambda each: each.at)
    return plan


def _add_extras(plan: Plan, random: Random) -> None:
    """What has chance of its own, so that the rest of a seed stays what it was."""
    if random.random() < 0.2:
        newcomer = len(plan.parties)
        callee = random.randrange(newcomer)
        plan.parties.append((random_link(random), random_router(random)))
        plan.calls.append(replace(random.choice(plan.calls), caller=newcomer, callee=callee))
    if random.random() < 0.2:
        # Two call each other at once.
        call = random.choice(plan.calls)
        plan.calls.append(replace(call, caller=call.callee, callee=call.caller))
    if random.random() < 0.15:
        number = random.randrange(len(plan.calls))
        lasts = random.choice([0.0, 0.01, 0.05, 0.2, 0.5])
        plan.calls[number] = replace(plan.calls[number], ending="give up", lasts=lasts)
    if random.random() < 0.1:
        at, seconds = random.choice([0.0, 1.0, 8.0]), random.choice([2.0, 30.0])
        plan.disturbances.append(DisturbancePlan(at, "silent turn", 0, seconds))


def _have_one_move(plan: Plan, random: Random) -> None:
    """One call over links that lose nothing, which says something all the time, and a move."""
    plan.parties = [
        (replace(link, loss=0.0, reordering=0.0), router) for link, router in plan.parties[:2]
    ]
    channels = ((100,) * 60,)
    plan.calls = [CallPlan(0.0, 0, 1, channels, lasts=9.0, ending="hang up")]
    plan.disturbances = [DisturbancePlan(4.0, "move", random.randrange(2), 0.0)]
    plan.notes.clear()


def _have_losses(plan: Plan) -> None:
    """A short call over links that lose a lot."""
    plan.parties = [(replace(link, loss=0.045, burst=1.0), router) for link, router in plan.parties]
    del plan.parties[2:]
    plan.calls = [CallPlan(0.0, 0, 1, ((1,),), lasts=0.0, ending="hang up")]
    plan.disturbances.clear()
    plan.notes.clear()


def _lose_the_server(plan: Plan, random: Random) -> None:
    """A call, and the server goes and comes while it stands."""
    plan.calls = [CallPlan(0.0, 0, 1, ((100,) * 10,), lasts=12.0, ending="hang up")]
    kind: Disturbance = random.choice(["restart server", "crash server"])
    plan.disturbances = [DisturbancePlan(5.0, kind, 0, random.choice([0.5, 2.0, 30.0]))]
    plan.notes.clear()


def _cancel_while_restarting(plan: Plan) -> None:
    """A call that is cancelled while the other side does not answer to its restart of ICE."""
    plan.calls = [CallPlan(0.0, 0, 1, ((100,),), lasts=5.0, ending="cancel")]
    plan.disturbances = [
        DisturbancePlan(3.0, "unplug", 1, 8.0),
        DisturbancePlan(3.5, "restart ice", 0, 0.0),
    ]


def _cut_notes(plan: Plan, random: Random) -> None:
    """Notes from one to another, one of whom is heard by nobody for a while."""
    plan.notes = [NotesPlan(0.0, 0, 1, 40, 0.1)]
    party, seconds = random.randrange(2), random.choice([0.5, 2.0, 8.0])
    plan.disturbances = [DisturbancePlan(2.5, "unplug", party, seconds)]


def _add_notes(plan: Plan, random: Random) -> None:
    """Messages over signaling, and who leaves its network while they are sent."""
    if random.random() < 0.35:
        for _ in range(random.choice([1, 2])):
            sender, receiver = random.sample(range(len(plan.parties)), 2)
            at, pause = random.choice([0.0, 1.0]), random.choice([0.0, 0.05, 0.3, 1.0])
            count = random.randint(5, 40)
            if all((sender, receiver) != (each.sender, each.receiver) for each in plan.notes):
                plan.notes.append(NotesPlan(at, sender, receiver, count, pause))
    if random.random() < 0.05:
        # A call is given up that was not heard, and the server of its relays does not answer.
        number, at = random.randrange(len(plan.calls)), random.choice([2.0, 3.0])
        call = replace(plan.calls[number], at=at, ending="give up", lasts=1.5)
        plan.calls[number] = call
        plan.disturbances.append(DisturbancePlan(at - 0.1, "unplug", call.callee, 8.0))
        plan.disturbances.append(DisturbancePlan(at + 1.2, "silent turn", 0, 8.0))
    if random.random() < 0.1:
        party, at = random.randrange(len(plan.parties)), random.choice([0.3, 1.0, 3.0, 8.0])
        seconds = random.choice([0.5, 2.0, 8.0, 30.0])
        plan.disturbances.append(DisturbancePlan(at, "leave", party, seconds))
