"""Two connections go on with one session at the same time: the later one has it in the end."""

from __future__ import annotations

import pytest

from trio_rtc.wire.close_codes import CloseCode

from ..native_client import NativeClient, connect, join
from .held_redis import HeldRedis, two_servers


async def resume(client: NativeClient, session: str, attempt: int) -> None:
    await client.say(type="resume", session=session, received=0, attempt=attempt)


@pytest.mark.parametrize("order", ["the earlier", "the later"])
async def test_the_later_one_goes_on(held_redis: HeldRedis, order: str) -> None:
    async with two_servers() as (one, other):
        first = await join(one, "alice")
        session = first.session
        earlier, later = await connect(other), await connect(one)
        held_redis.is_held = True
        await resume(earlier, session, 1)
        await held_redis.do("other", "f")
        # It has found the session as it was, and asks for it. Meanwhile:
        await resume(later, session, 2)
        steps = [("other", "x"), ("one", "n")]
        for server, operation in steps if order == "the earlier" else reversed(steps):
            await held_redis.do(server, operation)
        held_redis.let_go()
        assert await later.hear() == {"type": "resumed", "received": 0}
        if order == "the earlier":
            assert await earlier.hear() == {"type": "resumed", "received": 0}
            assert (await earlier.closed())[0] == CloseCode.SUPERSEDED
        else:
            assert (await earlier.refusal())[1] == CloseCode.SUPERSEDED
        assert (await first.closed())[0] == CloseCode.SUPERSEDED
        # It is the one that there is, for all.
        await later.say(type="send", seq=1, to=first.id, data="x")
        assert (await later.hear())["data"] == "x"
        assert one.statistics.cluster_lost + other.statistics.cluster_lost == 0
        for client in (first, earlier, later):
            await client.aclose()
