"""Codes and certificates against a signaling server that lies, by the thousand. Without I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from trio_rtc.calls.authentication import Authentication, OneTimeCode, parse_fingerprint
from trio_rtc.errors import CallError
from trio_rtc.wire.messages import Authenticate, SessionDescription

CALL = "0123456789abcdef"


def fingerprint(random: random.Random) -> str:
    return random.randbytes(32).hex()


def sdp(*fingerprints: str, algorithm: str = "sha-256") -> str:
    lines = [
        f"a=fingerprint:{algorithm} {bytes.fromhex(one).hex(':').upper()}" for one in fingerprints
    ]
    return "\r\n".join(["v=0", *lines, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", ""])


@dataclass
class Party:
    """One of two peers, and what has become of its call."""

    name: str
    machine: Authentication
    answered: bool = False
    connected: bool = False
    error: CallError | None = None


@dataclass
class Exchange:
    """Alice calls Bob over a server that may change, keep, double and make up everything."""

    seed: int
    alice_code: str = "7-guitarist-paperweight"
    bob_code: str = "7-guitarist-paperweight"
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.code = OneTimeCode(self.bob_code)
        self.alice = self.party("alice", OneTimeCode(self.alice_code))
        self.bob = self.party("bob", self.code)

    def party(self, name: str, code: OneTimeCode | None) -> Party:
        other = {"alice": "bob", "bob": "alice"}.get(name, "somebody")
        return Party(
            name,
            Authentication(other, fingerprint(self.random), code, None, self.random.randbytes(32)),
        )

    def offer(self) -> SessionDescription:
        machine = self.alice.machine
        return SessionDescription(
            type="offer", sdp=sdp(machine.own), call=CALL, share=machine.share(CALL)
        )

    def to_bob(self, message: SessionDescription | Authenticate) -> Authenticate | None:
        return self._deliver(self.bob, message)

    def to_alice(self, message: SessionDescription | Authenticate) -> Authenticate | None:
        return self._deliver(self.alice, message)

    def _deliver(
        self, party: Party, message: SessionDescription | Authenticate
    ) -> Authenticate | None:
        """As the conductor does it; nothing happens after an error."""
        if party.error is not None:
            return None
        try:
            if isinstance(message, Authenticate):
                reply = party.machine.receive(message)
            elif message.type == "offer":
                self._offer = message
                reply = party.machine.begin(message)
            else:
                party.machine.described(message)
                party.connected = True
                return None
            if party is self.bob and reply is None and party.machine.done:
                party.machine.described(self._offer)
                party.answered = party.connected = True
        except CallError as error:
            party.error = error
            return None
        return reply

    def answer(self) -> SessionDescription:
        return SessionDescription(type="answer", sdp=sdp(self.bob.machine.own), call=CALL)


def run(exchange: Exchange) -> None:
    """A server that does what it should."""
    challenge = exchange.to_bob(exchange.offer())
    proof = exchange.to_alice(challenge) if challenge else None
    if proof:
        exchange.to_bob(proof)
    if exchange.bob.answered:
        exchange.to_alice(exchange.answer())


def test_both_know_the_code() -> None:
    exchange = Exchange(1)
    run(exchange)
    assert exchange.alice.connected
    assert exchange.bob.connected


@pytest.mark.parametrize("text", ["7 Guitarist  PAPERWEIGHT", " 7-guitarist-paperweight\n"])
def test_a_code_as_people_type_it(text: str) -> None:
    exchange = Exchange(1, alice_code=text)
    run(exchange)
    assert exchange.alice.connected


def test_another_code_is_one_guess() -> None:
    exchange = Exchange(1, alice_code="7-guitarist-butterfly")
    run(exchange)
    assert exchange.alice.error is not None
    assert exchange.alice.error.code == "wrong_code"
    assert exchange.code.used
    assert not exchange.code.right
    # The right one comes too late.
    late = Party("late", Authentication("carol", "0" * 64, exchange.code, None, bytes(32)))
    with pytest.raises(CallError) as caught:
        late.machine.begin(Exchange(2).offer())
    assert caught.value.code == "code_used"


def replace_fingerprint(message: SessionDescription, other: str) -> SessionDescription:
    return msgspec.structs.replace(message, sdp=sdp(other))


# What a server may do. Each ends without a call, or leaves the right one as it is.

Attack = Callable[[Exchange], None]


def swap_in_the_offer(exchange: Exchange) -> None:
    evil = fingerprint(exchange.random)
    challenge = exchange.to_bob(replace_fingerprint(exchange.offer(), evil))
    assert challenge is not None
    proof = exchange.to_alice(challenge)
    assert proof is None
    exchange.to_bob(Authenticate(call=CALL, tag=exchange.random.randbytes(64).hex()))
    exchange.to_alice(exchange.answer())


def swap_in_the_challenge(exchange: Exchange) -> None:
    evil = fingerprint(exchange.random)
    challenge = exchange.to_bob(exchange.offer())
    assert challenge is not None
    exchange.to_alice(msgspec.structs.replace(challenge, fingerprint=evil))
    exchange.to_bob(Authenticate(call=CALL, tag=challenge.tag))
    exchange.to_alice(replace_fingerprint(exchange.answer(), evil))


def swap_in_the_answer(exchange: Exchange) -> None:
    """After the code was right: Alice does not connect, and Bob's answer goes nowhere."""
    challenge = exchange.to_bob(exchange.offer())
    assert challenge is not None
    proof = exchange.to_alice(challenge)
    assert proof is not None
    exchange.to_alice(replace_fingerprint(exchange.answer(), fingerprint(exchange.random)))
    exchange.bob.error = exchange.alice.error


def add_to_the_answer(exchange: Exchange) -> None:
    challenge = exchange.to_bob(exchange.offer())
    assert challenge is not None
    exchange.to_alice(challenge)
    both = sdp(exchange.bob.machine.own, fingerprint(exchange.random))
    exchange.to_alice(SessionDescription(type="answer", sdp=both, call=CALL))
    exchange.bob.error = exchange.alice.error


def other_hash_in_the_answer(exchange: Exchange) -> None:
    challenge = exchange.to_bob(exchange.offer())
    assert challenge is not None
    exchange.to_alice(challenge)
    other = sdp(fingerprint(exchange.random), algorithm="sha-512")
    exchange.to_alice(SessionDescription(type="answer", sdp=other, call=CALL))
    exchange.bob.error = exchange.alice.error


def answer_first(exchange: Exchange) -> None:
    offer = exchange.offer()
    exchange.to_alice(exchange.answer())
    exchange.to_bob(offer)
    exchange.to_bob(Authenticate(call=CALL, tag=""))


def leave_out_the_share(exchange: Exchange) -> None:
    exchange.to_bob(msgspec.structs.replace(exchange.offer(), share=None))
    exchange.to_alice(exchange.answer())


def replay_another_call(exchange: Exchange) -> None:
    """A proof of yesterday, with the same code even."""
    other = Exchange(exchange.seed + 10_000)
    challenge = other.to_bob(other.offer())
    assert challenge is not None
    proof = other.to_alice(challenge)
    assert proof is not None
    exchange.to_bob(exchange.offer())
    exchange.to_bob(proof)
    exchange.to_alice(challenge)


def reflect(exchange: Exchange) -> None:
    """Each hears itself."""
    offer = exchange.offer()
    challenge = exchange.to_bob(offer)
    assert challenge is not None
    exchange.to_bob(challenge)
    exchange.to_alice(
        Authenticate(
            call=CALL, tag=challenge.tag, share=offer.share, fingerprint=exchange.alice.machine.own
        )
    )


def guess_as_alice(exchange: Exchange) -> None:
    guess = exchange.party("eve", OneTimeCode(f"7-{exchange.random.random()}"))
    offer = SessionDescription(
        type="offer", sdp=sdp(guess.machine.own), call=CALL, share=guess.machine.share(CALL)
    )
    challenge = exchange.to_bob(offer)
    assert challenge is not None
    with pytest.raises(CallError):
        guess.machine.receive(challenge)
    exchange.to_bob(Authenticate(call=CALL, tag=exchange.random.randbytes(64).hex()))
    exchange.to_alice(exchange.answer())


def guess_as_bob(exchange: Exchange) -> None:
    guess = exchange.party("eve", OneTimeCode(f"7-{exchange.random.random()}"))
    challenge = guess.machine.begin(exchange.offer())
    assert challenge is not None
    assert exchange.to_alice(challenge) is None
    exchange.to_bob(Authenticate(call=CALL, tag=challenge.tag))


def nonsense(exchange: Exchange) -> None:
    offer = exchange.offer()
    broken = exchange.random.choice(["", "zz", "00" * 32, "ff" * 31, "é"])
    exchange.to_bob(msgspec.structs.replace(offer, share=broken))
    exchange.to_alice(Authenticate(call=CALL, tag=broken, share=broken, fingerprint=broken))


ATTACKS: list[Attack] = [
    swap_in_the_offer,
    swap_in_the_challenge,
    swap_in_the_answer,
    add_to_the_answer,
    other_hash_in_the_answer,
    answer_first,
    leave_out_the_share,
    replay_another_call,
    reflect,
    guess_as_alice,
    guess_as_bob,
    nonsense,
]


def test_none_of_a_thousand_calls_connects() -> None:
    connected = 0
    for number in range(1000):
        exchange = Exchange(number)
        attack = ATTACKS[number % len(ATTACKS)]
        attack(exchange)
        connected += exchange.alice.connected or exchange.bob.connected
        for party in (exchange.alice, exchange.bob):
            if party.error is not None:
                assert party.error.code in ("wrong_code", "not_authenticated"), attack
        told = [party for party in (exchange.alice, exchange.bob) if party.error is not None]
        assert told, attack
    assert connected == 0


def test_messages_in_any_order_and_twice() -> None:
    """Whatever is delivered when: nobody connects without the other's proof."""
    connected = 0
    for number in range(200):
        exchange = Exchange(number)
        pending: list[tuple[str, SessionDescription | Authenticate]] = [("bob", exchange.offer())]
        for _ in range(12):
            to, message = exchange.random.choice(pending)
            reply = (exchange.to_bob if to == "bob" else exchange.to_alice)(message)
            if reply is not None:
                pending.append(("alice" if to == "bob" else "bob", reply))
            if exchange.bob.answered:
                pending.append(("alice", exchange.answer()))
        assert not exchange.alice.connected or exchange.bob.answered
        connected += exchange.alice.connected
    assert connected


def test_a_certificate_that_is_trusted() -> None:
    own, other = "a" * 64, "b" * 64
    machine = Authentication("bob", own, None, frozenset([other]), bytes(32))
    offer = SessionDescription(type="offer", sdp=sdp(other), call=CALL)
    assert machine.begin(offer) is None
    assert machine.described(offer) == offer
    with pytest.raises(CallError) as caught:
        machine.described(SessionDescription(type="offer", sdp=sdp("c" * 64), call=CALL))
    assert caught.value.code == "not_trusted"
    with pytest.raises(CallError):
        machine.described(SessionDescription(type="offer", sdp="v=0\r\n", call=CALL))


def test_one_of_several_that_are_trusted_stays_the_one() -> None:
    machine = Authentication("bob", "a" * 64, None, frozenset(["b" * 64, "c" * 64]), bytes(32))
    machine.described(SessionDescription(type="answer", sdp=sdp("b" * 64)))
    with pytest.raises(CallError) as caught:
        machine.described(SessionDescription(type="offer", sdp=sdp("c" * 64)))
    assert caught.value.code == "not_authenticated"


def test_hashes_of_other_kinds_are_left_out() -> None:
    machine = Authentication("bob", "a" * 64, None, frozenset(["b" * 64]), bytes(32))
    text = sdp("b" * 64) + "a=fingerprint:sha-512 00:11\r\n"
    seen = machine.described(SessionDescription(type="answer", sdp=text)).sdp
    assert "sha-256 BB:" in seen
    assert "sha-512" not in seen


def test_fingerprints_in_all_their_forms() -> None:
    digits = "0f" * 32
    for text in [digits, digits.upper(), "sha-256 " + bytes.fromhex(digits).hex(":").upper()]:
        assert parse_fingerprint(text) == digits
    for text in ["", "sha-1 00", digits[:-1], "sha-512 " + digits]:
        with pytest.raises(ValueError, match="not the SHA-256"):
            parse_fingerprint(text)
