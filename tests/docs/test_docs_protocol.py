"""docs/protocol.md says what the code does, and a client made from it can speak with a server."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio

from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import shared_secret
from trio_rtc.server.turn import TurnCredentials
from trio_rtc.server.websocket.frames import CLOSE_SECONDS
from trio_rtc.signaling import MessageReceived, open_signaling
from trio_rtc.wire import messages, session
from trio_rtc.wire import native as protocol
from trio_rtc.wire.close_codes import REASONS, UNRESPONSIVE, CloseCode

from .. import independent_client
from ..independent_client import Ended, IndependentClient
from ..server.harness import tcp_server

PAGE = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^##+ (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.S | re.M))
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
ROWS = re.compile(r"^\| (.+?) \| (.+?) \|", re.M)

CLIENT = {str(kind.__struct_config__.tag): kind for kind in get_args(protocol.FromClient)}
SERVER = {str(kind.__struct_config__.tag): kind for kind in get_args(protocol.FromServer)}
IN_CALLS = {
    "description": messages.SessionDescription,
    "candidate": messages.IceCandidate,
    "authenticate": messages.Authenticate,
    "bye": messages.Bye,
}
STRUCTS: dict[str, type[msgspec.Struct]] = CLIENT | SERVER | IN_CALLS


def first_column(section: str) -> list[str]:
    """What stands as code in the first column of a section's tables."""
    return [name for cell, _ in ROWS.findall(SECTIONS[section]) for name in codes(cell)]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def examples() -> Iterator[tuple[str, str]]:
    for name, text in SECTIONS.items():
        for language, block in BLOCKS.findall(text):
            if language == "json":
                for line in block.splitlines():
                    yield name, line


def test_each_message_has_a_section() -> None:
    parts = {"Messages of a client": CLIENT, "Messages of a server": SERVER}
    for title, kinds in parts.items():
        part = re.search(rf"^## {title}\n(.*?)(?=^## )", PAGE, re.S | re.M)
        assert part
        listed = re.findall(r"^### (\w+)", part[1], re.M)
        assert sorted(listed) == sorted(kinds.keys() - {"ack"})


@pytest.mark.parametrize(("name", "struct"), STRUCTS.items(), ids=STRUCTS)
def test_each_field_is_in_its_table(name: str, struct: type[msgspec.Struct]) -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(struct)]
    if struct.__struct_config__.tag:
        fields.append("type")
    listed = first_column(name)
    if name not in IN_CALLS:
        # Of these the heading is the type.
        listed.append("type")
    assert sorted(listed) == sorted(fields)
    rows = {names[0]: kind for cell, kind in ROWS.findall(SECTIONS[name]) if (names := codes(cell))}
    for field in msgspec.structs.fields(struct):
        # Of data and data64 one is there, which the text says.
        if field.encode_name not in ("data", "data64"):
            assert ("may be missing" in rows[field.encode_name]) is not field.required


def test_objects_within_messages() -> None:
    for struct in (protocol.PeerEntry, protocol.IceServerEntry):
        for field in msgspec.structs.fields(struct):
            assert f"`{field.encode_name}`" in SECTIONS["welcome"]


@pytest.mark.parametrize(("name", "text"), list(examples()))
def test_each_example_is_such_a_message(name: str, text: str) -> None:
    message: Any
    if name in IN_CALLS:
        message = messages.decode(text.encode())
        encoded = messages.encode(message)
    else:
        decode = protocol.decode_from_client if name in CLIENT else protocol.decode_from_server
        message = decode(text)
        encoded = protocol.encode(message)
    assert type(message) is STRUCTS[name]
    assert json.loads(encoded) == json.loads(text)


def test_there_is_an_example_of_each() -> None:
    assert {name for name, _ in examples()} == set(STRUCTS)


def test_the_conversation_is_made_of_messages() -> None:
    ((_, block),) = BLOCKS.findall(SECTIONS["A session from beginning to end"])
    for line in block.splitlines():
        decode = {"C": protocol.decode_from_client, "S": protocol.decode_from_server}.get(line[0])
        if decode is not None:
            assert json.loads(protocol.encode(decode(line[2:]))) == json.loads(line[2:])


def test_the_close_codes() -> None:
    table = {
        int(code): set(codes(reason))
        for code, reason in ROWS.findall(SECTIONS["Closes"])
        if code.isdigit()
    }
    expected = {code: {reason} for code, reason in REASONS.items()}
    expected[CloseCode.TIMEOUT].add(UNRESPONSIVE)
    assert table == expected


def test_the_codes_of_errors() -> None:
    more = {
        "unknown_type",
        "token_refused",
        "sequence_gap",
        "peers",
        "peers_per_address",
        "joins_per_second",
        "rooms",
    }
    told = {reason for code, reason in REASONS.items() if code >= 4000} | {"server_shutdown"}
    silent = {"too_fast", "no_place"}
    assert set(first_column("Errors")) == told - silent | more
    assert {"unknown_peer", "mailbox_full"} <= set(codes(SECTIONS["failed"]))


def test_the_figures() -> None:
    limits, largest = ServerLimits(), 2**53 - 1
    assert f"{largest}" in SECTIONS["Connection"]
    assert f"{session.ACK_MESSAGES} messages or {session.ACK_BYTES // 1024} KiB" in PAGE
    assert session.ACK_SECONDS == 1
    for number in (
        limits.body_bytes, limits.messages_per_second, limits.messages_burst, limits.peers,
        limits.peers_per_address, limits.joins_per_second, limits.joins_burst, limits.rooms,
        limits.mailbox_messages, limits.connections_per_address,
    ):  # fmt: skip
        assert f"{number}" in SECTIONS["Limits"]
    assert limits.mailbox_bytes == 4 * 1024**2
    assert f"{limits.handshake_seconds:.0f} s of the handshake" in SECTIONS["Time"]
    assert f"{limits.ping_seconds:.0f} s after the connection" in SECTIONS["Time"]
    assert f"within {limits.pong_seconds:.0f} s" in SECTIONS["Time"]
    assert f"within {limits.send_seconds:.0f} s" in SECTIONS["Time"]
    assert f"within {CLOSE_SECONDS:.0f} s" in SECTIONS["Time"]
    assert limits.ping_seconds + limits.pong_seconds == 40
    assert limits.head_bytes == 16 * 1024
    assert limits.header_count == 100


def test_the_independent_client_is_independent() -> None:
    source = Path(independent_client.__file__).read_text()
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        str(node.module).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported == {"__future__", "base64", "collections", "json", "trio", "typing",
                        "websockets"}  # fmt: skip


async def test_two_independent_clients_converse() -> None:
    turn = TurnCredentials("secret", ["turn:turn.example.org:3478"])
    with trio.fail_after(200):
        async with tcp_server(authorize=shared_secret("s"), turn=turn) as port:
            alice, bob = IndependentClient(port), IndependentClient(port)
            await alice.join(name="alice", room="den", token="s")
            await bob.join(name="bob", room="den", token="s")
            assert bob.peers == {alice.welcome["id"]: "alice"}
            to_bob = await alice.wait_for("bob")
            assert alice.ice_servers[0]["urls"] == ["turn:turn.example.org:3478"]
            contents = [
                b"",
                b"hello",
                "ü\u2028\U0001f600".encode(),
                bytes(range(256)),
                b"x" * 200_000,
            ]
            for content in contents:
                await alice.send(to_bob, content)
                assert await bob.receive() == (alice.welcome["id"], content)
            await alice.wait_failed(await alice.send(999, b"nobody"))
            ended = await bob.leave()
            assert (ended.code, ended.reason) == (1000, "left")
            while alice.peers:
                await alice._hear()
            await alice.leave()


@pytest.mark.parametrize("seed", range(3))
async def test_they_lose_connections_and_nothing_else(seed: int) -> None:
    dice = random.Random(seed)
    with trio.fail_after(200):
        async with tcp_server() as port:
            alice, bob = IndependentClient(port), IndependentClient(port)
            await alice.join(name="alice")
            await bob.join(name="bob")
            to_bob, to_alice = await alice.wait_for("bob"), alice.welcome["id"]
            for number in range(100):
                await alice.send(to_bob, b"%d" % number)
                await bob.send(to_alice, b"%d" % number)
                for client in (alice, bob):
                    if dice.random() < 0.1:
                        await client.cut()
                        await client.resume()
            for client in (alice, bob):
                contents = [(await client.receive())[1] for _ in range(100)]
                assert contents == [b"%d" % number for number in range(100)]
            for client in (alice, bob):
                await client.wait_acknowledged()
                await client.leave()


async def test_it_is_told_why_it_may_not_join() -> None:
    with trio.fail_after(200):
        async with tcp_server(authorize=shared_secret("s")) as port:
            client = IndependentClient(port)
            with pytest.raises(Ended) as caught:
                await client.join(name="alice", token="t")
            assert (caught.value.code, caught.value.error) == (4401, "not_authorized")
            await client.cut()


async def test_it_converses_with_the_client_of_this_package() -> None:
    with trio.fail_after(200):
        async with tcp_server() as port:
            theirs = IndependentClient(port)
            await theirs.join(name="theirs")
            async with open_signaling(f"ws://127.0.0.1:{port}", name="ours") as ours:
                to_ours = await theirs.wait_for("ours")
                await theirs.send(to_ours, b"\xff\x00")
                async for event in ours:
                    if isinstance(event, MessageReceived):
                        assert (event.peer.name, event.data) == ("theirs", b"\xff\x00")
                        break
                await ours.send(await ours.wait_for_peer("theirs"), b"an answer")
                assert await theirs.receive() == (to_ours, b"an answer")
            await theirs.leave()
