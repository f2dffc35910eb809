"""A timer that is mostly restarted."""

from __future__ import annotations

import asyncio

from trio_rtc.rtc.backend.sctp.timer import Timer


def test_a_timer_that_is_restarted_and_cancelled() -> None:
    async def use() -> None:
        loop = asyncio.get_running_loop()
        expired = asyncio.Event()
        timer = Timer(loop, expired.set)
        timer.start(3600)
        timer.start(0)  # Sooner than before.
        await asyncio.wait_for(expired.wait(), 30)
        expired.clear()
        timer.start(0)
        timer.cancel()
        # What is due comes with the next turn of the loop.
        for _ in range(3):
            await asyncio.sleep(0)
        assert not expired.is_set()
        timer.start(0)
        timer.start(0.02)  # Later than before.
        await asyncio.wait_for(expired.wait(), 30)
        timer.start(3600)
        timer.close()

    asyncio.run(use())
