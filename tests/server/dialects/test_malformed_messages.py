"""Text that is no message of the protocol ends its connection, and nothing else."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from ..harness import memory_server
from ..native_client import connect, join, pair, serves
from ..ws_client import text

HELLO = '{"type":"hello","name":"x"}'
DEEP = 60_000

#: What is no message at any time.
NEVER = {
    "nothing": "",
    "space": "  ",
    "null": "null",
    "number": "1",
    "list": "[]",
    "text": '"hello"',
    "list_of_messages": f"[{HELLO}]",
    "cut": HELLO[:-1],
    "more": HELLO + "x",
    "two": HELLO + HELLO,
    "byte_order_mark": "\ufeff" + HELLO,
    "nul": "\x00",
    "nul_behind": HELLO + "\x00",
    "single_quotes": HELLO.replace('"', "'"),
    "comma_at_the_end": '{"type":"hello","name":"x",}',
    "comment": HELLO + "// x",
    "javascript": '{type:"hello",name:"x"}',
    "control_character": '{"type":"hello","name":"a\nb"}',
    "bad_escape": '{"type":"hello","name":"\\x41"}',
    "lone_surrogate": '{"type":"hello","name":"\\ud800"}',
    "surrogates_turned": '{"type":"hello","name":"\\udc00\\ud800"}',
    "half_an_escape": '{"type":"hello","name":"\\u12"}',
    "no_type": '{"name":"x"}',
    "empty": "{}",
    "type_is_a_number": '{"type":1,"name":"x"}',
    "type_is_null": '{"type":null,"name":"x"}',
    "type_is_a_list": '{"type":["hello"],"name":"x"}',
    "no_name": '{"type":"hello"}',
    "name_is_a_number": '{"type":"hello","name":1}',
    "name_is_null": '{"type":"hello","name":null}',
    "room_is_null": '{"type":"hello","name":"x","room":null}',
    "room_is_an_object": '{"type":"hello","name":"x","room":{}}',
    "token_is_a_number": '{"type":"hello","name":"x","token":1}',
    "deep_lists": "[" * DEEP,
    "deep_lists_closed": "[" * DEEP + "]" * DEEP,
    "deep_objects": '{"a":' * 40_000,
    "deep_objects_closed": '{"a":' * 40_000 + "1" + "}" * 40_000,
    "deep_name": '{"type":"hello","name":' + "[" * DEEP,
    "deep_unknown_field": '{"type":"hello","name":"x","y":' + "[" * DEEP + "]" * DEEP + "}",
    "deep_unknown_type": '{"type":"x","y":' + "[" * DEEP + "]" * DEEP + "}",
    "nan": '{"type":"resume","session":"x","received":NaN}',
    "infinity": '{"type":"resume","session":"x","received":Infinity}',
    "huge_integer": '{"type":"resume","session":"x","received":' + "9" * 200_000 + "}",
    "huge_exponent": '{"type":"resume","session":"x","received":1e999999999}',
    "too_large": '{"type":"resume","session":"x","received":9007199254740992}',
    "beyond_64_bits": '{"type":"resume","session":"x","received":18446744073709551616}',
    "negative": '{"type":"resume","session":"x","received":-1}',
    "fraction": '{"type":"resume","session":"x","received":0.5}',
    "leading_zero": '{"type":"resume","session":"x","received":00}',
    "plus": '{"type":"resume","session":"x","received":+1}',
    "boolean": '{"type":"resume","session":"x","received":true}',
    "digits": '{"type":"resume","session":"x","received":"1"}',
    "session_is_a_number": '{"type":"resume","session":1,"received":0}',
    "ack_of_nothing": '{"type":"ack"}',
    "ack_is_negative": '{"type":"ack","received":-1}',
}

#: What is none when a session is open.
IN_SESSION = {
    "hello_again": HELLO,
    "resume_again": '{"type":"resume","session":"x","received":0}',
    "no_seq": '{"type":"send","to":1,"data":"x"}',
    "no_to": '{"type":"send","seq":1,"data":"x"}',
    "no_data": '{"type":"send","seq":1,"to":1}',
    "data_is_null": '{"type":"send","seq":1,"to":1,"data":null}',
    "data_is_an_object": '{"type":"send","seq":1,"to":1,"data":{}}',
    "data_twice": '{"type":"send","seq":1,"to":1,"data":"x","data64":"eA=="}',
    "no_base64": '{"type":"send","seq":1,"to":1,"data64":"*"}',
    "base64_cut": '{"type":"send","seq":1,"to":1,"data64":"eA"}',
    "base64_for_urls": '{"type":"send","seq":1,"to":1,"data64":"_-__"}',
    "surrogate_in_data": '{"type":"send","seq":1,"to":1,"data":"\\ud800"}',
    "seq_0": '{"type":"send","seq":0,"to":1,"data":"x"}',
    "seq_too_large": '{"type":"send","seq":9007199254740992,"to":1,"data":"x"}',
    "to_0": '{"type":"send","seq":1,"to":0,"data":"x"}',
    "to_is_a_name": '{"type":"send","seq":1,"to":"bob","data":"x"}',
    "to_is_a_fraction": '{"type":"send","seq":1,"to":1.5,"data":"x"}',
    "to_is_huge": '{"type":"send","seq":1,"to":1e300,"data":"x"}',
}


@pytest.mark.parametrize("said", NEVER.values(), ids=NEVER)
async def test_as_the_first_message(said: str) -> None:
    async with memory_server() as server:
        client = await connect(server)
        await client.send(said)
        assert await client.refusal() == ("bad_message", 4400, "bad_message")
        assert server.statistics.malformed == 1
        assert server.statistics.joined["native"] == server.statistics.failures == 0
        await client.aclose()
        await serves(server)


@pytest.mark.parametrize("said", (NEVER | IN_SESSION).values(), ids=NEVER | IN_SESSION)
async def test_in_a_session(said: str) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.send(said)
        assert await alice.refusal() == ("bad_message", 4400, "bad_message")
        assert server.statistics.malformed == 1
        # Its session may go on with a client that knows better; nobody else has noticed.
        again = await connect(server)
        assert await again.resume(alice.session, 1) == {"type": "resumed", "received": 0}
        assert await bob.hear_all() == []
        await again.aclose()
        await serves(server)


@pytest.mark.parametrize("type_", ["send", "ack", "leave", "new", "welcome", "joined", ""])
async def test_a_connection_begins_with_a_hello_or_a_resume(type_: str) -> None:
    async with memory_server() as server:
        client = await connect(server)
        await client.say(type=type_, seq=1, to=1, data="x", received=0)
        assert await client.refusal() == ("bad_message", 4400, "bad_message")
        await client.aclose()
        await serves(server)


@pytest.mark.parametrize("type_", ["new", "Hello", "", "welcome", "x" * 200_000, "ü'\"`\\"])
async def test_a_type_that_is_unknown_is_told_and_passed_over(type_: str) -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        await alice.say(type=type_, seq=7)
        error = await alice.hear()
        assert (error["type"], error["code"]) == ("error", "unknown_type")
        assert len(error["message"]) < 200
        await alice.say(type="send", seq=1, to=bob.id, data="on")
        assert (await bob.hear())["data"] == "on"
        assert server.statistics.malformed == 1


async def test_fields_that_are_unknown_are_passed_over() -> None:
    async with memory_server() as server:
        alice = await join(server, "alice", new={"a": [1, None]}, id=99, session="mine", peers=1)
        assert alice.id == 1
        await alice.say(type="send", seq=1, to=1, data="x", new=[[[]]], code=4)
        assert (await alice.hear())["data"] == "x"
        await alice.aclose()


async def test_of_a_field_that_is_there_twice_the_last_counts() -> None:
    async with memory_server() as server:
        client = await connect(server)
        await client.send('{"type":"hello","name":"a","name":"b","room":"c","room":"d"}')
        welcome = await client.hear()
        assert (welcome["name"], welcome["room"]) == ("b", "d")
        await client.aclose()


async def test_json_may_be_written_in_any_way() -> None:
    async with memory_server() as server:
        client = await connect(server)
        await client.send('\r\n\t {"name" :"\\u0061\\/\\ud83d\\ude00" ,"type":"\\u0068ello"}\n\n')
        assert (await client.hear())["name"] == "a/\U0001f600"
        await client.send(json.dumps({"data": "ü", "to": 1, "seq": 1, "type": "send"}, indent=4))
        assert (await client.hear())["data"] == "ü"
        await client.aclose()


async def test_what_came_before_a_fault_counts_and_what_came_after_it_does_not() -> None:
    async with memory_server() as server, pair(server) as (alice, bob):
        sends = [f'{{"type":"send","seq":{n},"to":{bob.id},"data":"{n}"}}' for n in (1, 2, 3)]
        await alice.send_raw(text(sends[0]) + text(sends[1]) + text("nonsense") + text(sends[2]))
        assert await alice.refusal() == ("bad_message", 4400, "bad_message")
        assert [one["data"] for one in await bob.hear_all()] == ["1", "2"]
        again = await connect(server)
        assert await again.resume(alice.session, 1) == {"type": "resumed", "received": 2}
        await again.aclose()
        await trio.testing.wait_all_tasks_blocked()
