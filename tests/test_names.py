"""One rule for what peers and rooms may be called."""

from __future__ import annotations

import unicodedata

import pytest

from trio_rtc import SignalingError, open_signaling
from trio_rtc.server.authorize import Admission
from trio_rtc.wire.names import LONGEST_NAME, clean_text, is_room, problem_of

from .server.harness import memory_server, tcp_server
from .server.native_client import join

DECOMPOSED = unicodedata.normalize("NFD", "Zo\u00eb")

FAMILY = "\U0001f468\u200d\U0001f469"
GOOD = ["\u5c71\u7530\u3000\u592a\u90ce", "\u00a0x", "a\u00adb", FAMILY, "x" * LONGEST_NAME]

STEERING = ["\u202eevil", "a\u2066b\u2069", "\u200fx", "a\u061cb", "a\u2028b", "a\x85b", "a\x1bb",
            "a\tb", "\x7f"]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_everybody_may_be_called(name: str) -> None:
    assert problem_of(name) is None
    assert is_room(name)
    assert clean_text(name) == name


@pytest.mark.parametrize("name", STEERING)
def test_what_steers_is_replaced_in_names_and_refused_otherwise(name: str) -> None:
    assert problem_of(name) == "has control characters"
    assert not is_room(name)
    cleaned = clean_text(name)
    assert "_" in cleaned
    assert problem_of(cleaned) is None


@pytest.mark.parametrize(
    "text", ["e\u0301" * 300, "\u1e9b\u0323" * 200, "a" * 600, "\U0001f600" * 129]
)
def test_what_is_cut_is_good(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned.encode()) <= LONGEST_NAME
    assert problem_of(cleaned) is None
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    "text", ["", "Doe, Jane", "a\n", "\u202e", DECOMPOSED, "\udc80\ud800", "e\u0301" * 600]
)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


def test_bytes_that_are_no_text_are_cut_between_them() -> None:
    # PEP 383: each stands for one byte. Half a character at the cut is left out of text only.
    assert clean_text("\udcff" * 600) == "\udcff" * LONGEST_NAME
    assert clean_text("\udcff" + "é" * 600) == "\udcff" + "é" * 255 + "\udcc3"
    assert clean_text("x" + "é" * 600) == "x" + "é" * 255


def test_what_is_much_too_long_is_not_looked_at() -> None:
    # Whatever it is made of: composed it has a third of its characters at least.
    assert problem_of("a" * 2048) == "is 2048 bytes long, 512 are allowed"
    assert problem_of("a" * 2049) == "is longer than 512 bytes"
    assert problem_of("\x1b" * 2049) == "is longer than 512 bytes"
    assert problem_of("\x1b" * 2048) == "has control characters"


def test_commas_are_for_names_only() -> None:
    assert problem_of("Doe, Jane") is None
    assert problem_of("Doe, Jane", room=True) == "has a comma"
    assert clean_text("Doe, Jane") == "Doe_ Jane"


async def test_letters_that_are_composed_otherwise_are_the_same() -> None:
    assert Admission(name="x", room=DECOMPOSED) == Admission(name="x", room="Zo\u00eb")
    async with memory_server() as server:
        one = await join(server, DECOMPOSED, room=DECOMPOSED)
        two = await join(server, "two", room="Zo\u00eb")
        assert one.welcome["name"] == "Zo\u00eb"
        assert [peer["name"] for peer in two.welcome["peers"]] == ["Zo\u00eb"]


@pytest.mark.parametrize("room", [None, "\u5c71\u3000"])
async def test_a_client_and_a_server_agree(room: str | None) -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        for name in ["Doe, Jane", DECOMPOSED, "\u5c71\u7530\u3000\u592a\u90ce"]:
            async with (
                open_signaling(url, name=name, room=room) as one,
                open_signaling(url, name="two", room=room) as two,
            ):
                assert one.name == clean_text(name)
                # Whoever looks for it need not write it as the server does.
                assert two.find_peer(name).id == one.peer_id


@pytest.mark.parametrize("name", ["", *STEERING, "\ud800", "x" * (LONGEST_NAME + 1)])
async def test_a_client_refuses_what_it_knows_to_be_none(name: str) -> None:
    with pytest.raises(SignalingError) as error:
        async with open_signaling("ws://127.0.0.1:1", name=name):
            pass
    assert error.value.code == "bad_name"
