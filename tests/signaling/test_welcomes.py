"""Servers that say in their welcome what no server can mean."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_rtc import SignalingError, open_signaling

from .scripted_native import WELCOME, NativeScript, native_script


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messages_per_second", 0),
        ("messages_per_second", -1.5),
        ("messages_burst", 0),
        ("max_message_bytes", 0),
        ("mailbox_messages", 0),
        ("mailbox_bytes", -1),
        ("resume_seconds", -1),
        ("id", 0),
        ("peers", [{"id": -1, "name": "bob"}]),
    ],
)
async def test_a_number_that_cannot_be(field: str, value: Any) -> None:
    async def greet(server: NativeScript) -> None:
        guest = await server.guest()
        await guest.hear()
        await guest.say(**{**WELCOME, field: value})

    async with native_script() as server, trio.open_nursery() as nursery:
        nursery.start_soon(greet, server)
        with trio.fail_after(10), pytest.raises(SignalingError, match="protocol") as raised:
            async with open_signaling(server.url, name="alice"):
                pass
        assert raised.value.code == "bad_message"
