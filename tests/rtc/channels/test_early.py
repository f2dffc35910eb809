"""What the other side does right after opening."""

from __future__ import annotations

import pytest
import trio

from ...calls.both_sides import open_both
from ...waiting import until


@pytest.mark.parametrize("options", [{}, {"ordered": False}])
async def test_a_channel_that_has_ended_before_its_opener_looks(
    options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_both() as ends, trio.open_nursery() as nursery:

        async def greet() -> None:
            async with await anext(aiter(ends.bob.channels)) as channel:
                await channel.send("hello")

        nursery.start_soon(greet)
        create = ends.alice._connection.create_data_channel

        async def create_and_dawdle(label: str, **options: bool) -> object:
            channel = await create(label, **options)  # type: ignore[arg-type]
            await until(lambda: channel.closed)
            return channel

        monkeypatch.setattr(ends.alice._connection, "create_data_channel", create_and_dawdle)
        channel = await ends.alice.open_channel("greet", **options)  # type: ignore[arg-type]
        assert [message async for message in channel] == ["hello"]
        with pytest.raises(trio.BrokenResourceError):
            await channel.send("too late")
