"""Calls with a code between the page's module and Python, whoever calls, in either browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import trio_rtc
from trio_rtc import Call, CallError

from ..processes import command
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
    with trio.fail_after(200):
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


async def test_a_link_brings_files_from_a_terminal(
    chromium: str, maybe_firefox: str | None, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("42")
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as phone:
            words = ["send", "--json", "--server", house.ws_url, str(tmp_path / "report.txt")]
            async with command(*words) as sender:
                link = (await sender.event("code"))["link"]
                assert link.startswith(house.url)
                await phone.run("location.hash = hash", hash=link.partition("#")[2])
                await phone.until("$('#code-form').elements.code.value")
                await phone.click("#code-form button")
                await phone.until("$('#files a')?.download === 'report.txt'")
                assert await sender.exit_status() == 0, sender.errors
            # It is still there when the sender has gone.
            await phone.until("callState() === ''")
            assert await phone.run("return $('#files a').textContent") == "report.txt, 2 bytes"


async def test_a_code_that_is_wrong_or_of_nobody(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("42")
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            phone = await house.visitor()
            type_code = """
            $("#code-form").elements.code.value = code;
            $("#code-form").requestSubmit();
            """
            await phone.run(type_code, code="nonsense")
            await phone.until("notices().some((one) => one.includes('no code'))")
            words = ["send", "--json", "--server", house.ws_url, str(tmp_path / "report.txt")]
            async with command(*words) as sender:
                number = (await sender.event("code"))["code"].split("-")[0]
                await phone.run(type_code, code=f"{number}-wrong-words")
                await phone.until("notices().some((one) => one.includes('cannot be used again'))")
                assert await sender.exit_status() == 3
