"""What is kept for a PeerJS server until it has proven to have it."""

from __future__ import annotations

from trio_rtc.peerjs.outgoing import About, Kept, Outgoing
from trio_rtc.signaling.client_session import TRIES

BOB, CAROL = ("bob", "dc_1"), ("carol", "dc_2")


def kept(text: str, about: About | None = None, *, is_offer: bool = False) -> Kept:
    return Kept(text.encode(), about, is_offer)


def send(outgoing: Outgoing, count: int = 99) -> list[str]:
    sent: list[str] = []
    while outgoing.unsent and len(sent) < count:
        message = outgoing.next()
        outgoing.sent(message)
        sent.append(message.message.decode())
    return sent


def filled(*texts: str) -> Outgoing:
    outgoing = Outgoing()
    for text in texts:
        outgoing.put(kept(text))
    return outgoing


def test_what_is_not_proven_is_said_again_before_the_rest() -> None:
    outgoing = filled("a", "b", "c")
    assert send(outgoing, 2) == ["a", "b"]
    outgoing.put(kept("d"))
    outgoing.repeat()
    assert send(outgoing) == ["a", "b", "c", "d"]


def test_a_pong_proves_what_was_sent_before_its_ping() -> None:
    outgoing = filled("a", "b", "c")
    send(outgoing, 1)
    mark = outgoing.mark()
    send(outgoing, 1)
    outgoing.prove(mark)
    assert (len(outgoing), outgoing.unproven, outgoing.unsent) == (2, 1, 1)
    outgoing.repeat()
    # A pong of the connection before says nothing new.
    outgoing.prove(mark)
    assert send(outgoing) == ["b", "c"]
    outgoing.prove(outgoing.mark())
    assert len(outgoing) == 0


def test_what_ends_each_connection_is_given_up_after_some() -> None:
    outgoing = filled("a", "b", "c")
    assert send(outgoing, 1) == ["a"]
    outgoing.prove(outgoing.mark())
    assert send(outgoing, 1) == ["b"]
    for _ in range(TRIES - 1):
        assert outgoing.repeat() is None
        assert send(outgoing, 1) == ["b"]
    given_up = outgoing.repeat()
    assert given_up is not None
    assert given_up.message == b"b"
    assert send(outgoing) == ["c"]


def test_what_gets_through_begins_the_count_anew() -> None:
    outgoing = filled("a", "b")
    for _ in range(TRIES - 1):
        send(outgoing)
        assert outgoing.repeat() is None
    send(outgoing, 1)
    outgoing.prove(outgoing.mark())
    for _ in range(TRIES - 1):
        assert send(outgoing) == ["b"]
        assert outgoing.repeat() is None


def test_what_breaks_off_while_it_is_sent_comes_next_again() -> None:
    outgoing = filled("a", "b")
    outgoing.next()
    outgoing.repeat()
    assert send(outgoing) == ["a", "b"]


def test_an_offer_that_is_answered_is_not_said_again() -> None:
    outgoing = Outgoing()
    outgoing.put(kept("offer", BOB, is_offer=True))
    outgoing.put(kept("candidate", BOB))
    outgoing.put(kept("other offer", CAROL, is_offer=True))
    send(outgoing)
    outgoing.answered(BOB)
    outgoing.repeat()
    assert send(outgoing) == ["candidate", "other offer"]


def test_of_a_connection_that_stands_only_what_was_not_sent() -> None:
    outgoing = Outgoing()
    for text in ("sent", "not yet"):
        outgoing.put(kept(text, BOB))
    send(outgoing, 1)
    outgoing.drop_sent(BOB)
    outgoing.repeat()
    assert send(outgoing) == ["not yet"]


def test_of_a_connection_that_is_over_nothing_is_said() -> None:
    outgoing = filled("to all")
    for about in (BOB, CAROL, BOB):
        outgoing.put(kept(about[0], about))
    first = outgoing.next()
    outgoing.drop(BOB)
    outgoing.sent(first)
    assert send(outgoing) == ["carol"]
    # What goes out while it is dropped takes nothing else along.
    outgoing.put(kept("bob", BOB))
    outgoing.put(kept("carol", CAROL))
    bob = outgoing.next()
    outgoing.drop(BOB)
    outgoing.sent(bob)
    assert send(outgoing) == ["carol"]
