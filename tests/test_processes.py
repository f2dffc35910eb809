"""Processes of the tests that end when more was expected of them: what they printed is told."""

from __future__ import annotations

import subprocess

import pytest
import trio
import trio.testing

from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import BYE

from .interop.foreign import Foreign, relaying
from .processes import Command, ProcessEnded, python

DIES = "print('my last words', flush=True); raise SystemExit('of this')"
HEARS_A_LINE = "input(); "


async def expect(running: Command, what: str) -> None:
    match what:
        case "an event":
            await running.event("ready")
        case "a line":
            await running.line("ready")
        case "an error":
            await running.error("of that")
        case "to hear us":
            while True:
                await running.type("hello\n")


@pytest.mark.parametrize("what", ["an event", "a line", "an error", "to hear us"])
async def test_one_that_has_ended(what: str) -> None:
    async with python("-c", DIES, stdin=subprocess.PIPE) as running:
        with pytest.raises(ProcessEnded, match=r"(?s)ended with 1, .*my last words\nof this"):
            await expect(running, what)


async def test_a_peer_that_dies_fails_its_test() -> None:
    hub = MemoryHub()
    with pytest.RaisesGroup(
        pytest.RaisesExc(ProcessEnded, match="my last words"), flatten_subgroups=True
    ):
        async with (
            python("-c", HEARS_A_LINE + DIES, stdin=subprocess.PIPE) as running,
            relaying(hub, "it", "alice", running) as foreign,
        ):
            await foreign.do("die")
            await trio.sleep_forever()


@pytest.mark.parametrize("said", [BYE, b"{}"])
async def test_a_peer_that_is_gone_is_told_no_goodbye(said: bytes) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with python("-c", DIES, stdin=subprocess.PIPE) as running:
        foreign = Foreign(running, hub.sign_in("gone"))
        await running.exit_status()
        failed = False
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                nonlocal failed
                try:
                    await foreign.hear()
                except ProcessEnded:
                    failed = True

            nursery.start_soon(hear)
            await alice.send("gone", said)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
    assert failed == (said != BYE)
