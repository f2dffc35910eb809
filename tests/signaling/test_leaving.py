"""The end of a native session, and resumes, as a server that plays by a script sees them."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from trio_rtc.signaling import open_signaling

from ..rtc.virtual import in_virtual_time
from .scripted_native import native_script


@in_virtual_time
async def test_a_session_that_is_gone_after_a_leave_was_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with native_script() as server, trio.open_nursery() as nursery:

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            assert (await guest.hear())["type"] == "leave"
            # Its close is lost on the way.
            guest.vanish()
            guest = await server.guest()
            assert (await guest.hear())["type"] == "resume"
            await guest.say(type="error", code="session_lost", message="there is no such session")
            await guest.close(4404, "session_lost")

        nursery.start_soon(play)
        with caplog.at_level(logging.WARNING):
            async with open_signaling(server.url, name="alice"):
                pass
        assert not [record for record in caplog.records if record.name == "trio_rtc.signaling"]


@in_virtual_time
async def test_a_session_that_is_gone_before_the_leave_was_not_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with native_script() as server, trio.open_nursery() as nursery:
        left = trio.Event()

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            guest.vanish()
            guest = await server.guest()
            assert (await guest.hear())["type"] == "resume"
            left.set()
            await trio.testing.wait_all_tasks_blocked(0.1)
            await guest.say(type="error", code="session_lost", message="there is no such session")
            await guest.close(4404, "session_lost")

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice"):
            await left.wait()
    assert "not left in an orderly way: there is no such session" in caplog.text


@in_virtual_time
async def test_attempts_to_resume_are_counted() -> None:
    async with native_script() as server, trio.open_nursery() as nursery:
        attempts: list[int] = []
        done = trio.Event()

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            guest.vanish()
            for resumes in (False, True, False, True):
                guest = await server.guest()
                attempts.append((await guest.hear())["attempt"])
                if resumes:
                    await guest.say(type="resumed", received=0)
                if len(attempts) < 4:
                    guest.vanish()
            done.set()
            assert (await guest.hear())["type"] == "leave"
            await guest.close(1000, "left")

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice"):
            await done.wait()
        assert attempts == [1, 2, 3, 4]
