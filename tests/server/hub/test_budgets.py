"""What a mailbox and an account may keep, to the byte; and the names of classic clients."""

from __future__ import annotations

import pytest

from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.hub import MailboxFull, Relayed
from trio_rtc.server.hub.mailbox import PollingMailbox
from trio_rtc.server.hub.member_names import clean_name, decode_name
from trio_rtc.server.hub.memory import OVERHEAD, Memory
from trio_rtc.server.hub.presence import Presence
from trio_rtc.server.limits import ServerLimits


def test_an_account_may_have_an_eighth_of_what_is_left() -> None:
    statistics = Statistics()
    memory = Memory(900, statistics)
    account = memory.open()
    assert memory.allows(0, 100)
    assert not memory.allows(0, 101)
    assert account.allows(100)
    assert not account.allows(101)
    assert not account.take(101)
    assert (account.size, statistics.memory_bytes) == (0, 0)
    assert account.take(100)
    assert (account.size, statistics.memory_bytes) == (100, 100)
    assert not account.take(1)
    # What it has counts, and so does what others have.
    assert not memory.allows(100, 1)
    assert memory.allows(50, 38)
    assert not memory.allows(50, 45)
    assert not account.allows(1)
    # Of two parts each has as much.
    assert account.allows(38, parts=2)
    assert not account.allows(45, parts=2)
    other = memory.open()
    assert not other.take(89)
    assert other.take(88)
    account.add(-40)
    assert (account.size, statistics.memory_bytes) == (60, 148)
    account.close()
    other.close()
    assert (account.size, other.size, statistics.memory_bytes) == (0, 0, 0)


def mailbox(limits: ServerLimits, memory: int = 1_000_000) -> tuple[PollingMailbox, Statistics]:
    statistics = Statistics()
    return PollingMailbox(limits, Memory(memory, statistics).open(), lambda: None), statistics


def notice(name: str) -> Presence:
    return Presence(1, name, connected=True)


def test_notices_are_counted_by_their_names() -> None:
    box, statistics = mailbox(ServerLimits(mailbox_bytes=10, body_bytes=10))
    box.put_notice(notice("12345"))
    box.put_notice(notice("67890"))
    assert statistics.memory_bytes == 2 * (OVERHEAD + 5)
    with pytest.raises(MailboxFull, match="mailbox_bytes"):
        box.put_notice(notice("x"))
    # They take no place of messages.
    box.put_message(Relayed(1, b"0123456789"))
    assert statistics.memory_bytes == 3 * OVERHEAD + 20
    box.take()
    box.delivered()
    assert statistics.memory_bytes == 2 * OVERHEAD + 15
    box.put_notice(notice("54321"))
    with pytest.raises(MailboxFull, match="mailbox_bytes"):
        box.put_notice(notice("x"))
    box.close()
    assert statistics.memory_bytes == 0


def test_what_waits_takes_memory() -> None:
    box, statistics = mailbox(ServerLimits(), 9 * (OVERHEAD + 10))
    box.put_message(Relayed(1, b"0123456789"))
    with pytest.raises(MailboxFull, match="memory_bytes"):
        box.put_message(Relayed(1, b""))
    assert statistics.memory_bytes == OVERHEAD + 10
    with pytest.raises(MailboxFull, match="memory_bytes"):
        box.put_notice(notice("a name of some length"))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"a+b", b"a b"),
        (b"%41%6a", b"Aj"),
        (b"%00%fF", b"\x00\xff"),
        (b"100%", b"100%"),
        (b"%4", b"%4"),
        (b"%4-", b"%4-"),
        # The classic server reckons on: G is 16, Z is 35.
        (b"%0G", b"\x10"),
        (b"%0Z", b"\x23"),
        (b"%G0", b"\x00"),
        (b"%1G", b"\x10"),
        (b"%zz", b"\x33"),
        (b"%2541", b"%41"),
    ],
)
def test_what_a_query_stands_for(query: bytes, name: bytes) -> None:
    assert decode_name(query) == name


def test_bytes_that_are_no_text_stay_in_a_name() -> None:
    assert clean_name(b"Zo\xc3\xab,\xff") == "Zo\xeb_\udcff"
