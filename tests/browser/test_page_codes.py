"""Calls with a code between the page's module and Python, whoever calls, in either browser."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc import Call, CallError

from .browsers import open_house, visiting

CODE = "7-guitarist-paperweight"

MODULE = """
const { openSignaling, Calls } = await import("/trio-rtc.js");
window.signaling = await openSignaling(url, { name: "page" });
window.calls = new Calls(signaling);
calls.addEventListener("call", ({ detail }) => {
  window.call = detail;
  detail.addEventListener("channel", ({ detail: channel }) => {
    channel.onmessage = ({ data }) => channel.send(`the page heard ${data}`);
  });
  detail.accept([], { code });
});
"""


@pytest.mark.parametrize("right", [True, False])
async def test_a_page_and_python_know_a_code(
    chromium: str, maybe_firefox: str | None, right: bool
) -> None:
    typed = "7 Guitarist paperweight" if right else "7-guitarist-butterfly"
    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            visiting(house, maybe_firefox) as page,
            trio_rtc.open_signaling(house.ws_url, name="python") as signaling,
            trio.open_nursery() as nursery,
        ):
            await page.run(MODULE, url=house.ws_url, code=typed)
            whom = await signaling.wait_for_peer("page")
            # Python calls.
            if right:
                async with trio_rtc.open_call(signaling, whom, receive=(), code=CODE) as call:
                    channel = await call.open_channel("chat")
                    await channel.send("it")
                    assert await channel.receive() == "the page heard it"
                    # The certificate stays the same.
                    await call.restart()
            else:
                with pytest.raises(CallError) as caught:
                    async with trio_rtc.open_call(signaling, whom, receive=(), code=CODE):
                        pass
                assert caught.value.code == "wrong_code"
            await page.until("call.end")
            # The page calls.
            failed: list[CallError] = []
            told = trio.Event()

            async def echo(call: Call) -> None:
                async for channel in call.channels:
                    async for message in channel:
                        await channel.send(message)

            async def serve(task_status: trio.TaskStatus[None]) -> None:
                try:
                    await trio_rtc.serve_calls(echo, signaling, code=CODE, task_status=task_status)
                except CallError as error:
                    failed.append(error)
                    told.set()

            await nursery.start(serve)
            said = await page.run(
                """
                const find = () =>
                  [...signaling.peers.values()].find(({name}) => name === "python");
                const peer = await until(find);
                window.call = calls.call(peer, { code });
                const channel = call.openChannel("chat");
                channel.onopen = () => channel.send("hello");
                channel.onmessage = ({ data }) => (window.heard = data);
                return await until(() => window.heard ?? call.end?.reason);
                """,
                code=typed,
            )
            assert said == ("hello" if right else "wrong_code")
            if not right:
                await told.wait()
                assert failed[0].code == "wrong_code"
            nursery.cancel_scope.cancel()
