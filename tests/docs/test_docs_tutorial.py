"""The steps of the tutorial are taken, in order, by the programs that stand in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import av
import pytest
import trio

import trio_rtc

from ..waiting import until
from .pages import blocks_of, output_of, reworded, serving_server, texts_of

PAGES = ("index", "call", "page", "channels", "pictures", "filter")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    kinds = {language for language, _ in blocks_of(f"tutorial/{page}.md")}
    assert kinds <= {"python", "text", "console", "ini"}


async def meet(answering: str, *calling: str, lines: int = 0) -> list[str]:
    """What the callers print, one after the other, while the one who answers does so.

    The last text is what that one has printed, once it has so many lines, if anything.
    """
    printed = []
    async with serving_server() as url, trio.open_nursery() as nursery:

        async def answer() -> None:
            await output_of(reworded(answering, url), print=lambda *what: said.append(what))

        said: list[tuple[object, ...]] = []
        nursery.start_soon(answer)
        for program in calling:
            printed.append(await output_of(reworded(program, url)))
        await until(lambda: len(said) >= lines)
        nursery.cancel_scope.cancel()
    if said:
        printed.append("".join(" ".join(map(str, what)) + "\n" for what in said))
    return printed


async def test_a_call() -> None:
    bob, alice = texts_of("tutorial/call.md", "python")
    of_alice, of_bob = texts_of("tutorial/call.md", "text")
    assert await meet(bob, alice, lines=of_bob.count("\n")) == [of_alice, of_bob]


async def test_a_page_calls() -> None:
    """What a page does: a chat, and files on channels of their own, which this one closes."""
    (bob,) = texts_of("tutorial/page.md", "python")
    async with serving_server() as url, trio.open_nursery() as nursery:
        nursery.start_soon(output_of, reworded(bob, url))
        async with trio_rtc.open_signaling(url, name="page") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob") as call:
                files = await call.open_channel("files")
                chat = await call.open_channel("chat")
                await chat.send("hello")
                assert await chat.receive() == "HELLO"
                with pytest.raises(trio.EndOfChannel):
                    await files.receive()
        nursery.cancel_scope.cancel()


async def test_channels() -> None:
    bob, alice, nobody = texts_of("tutorial/channels.md", "python")
    # Who came first has the lower id.
    printed = [re.sub(r"bob \(\d\)", "bob (2)", text) for text in await meet(bob, alice, nobody)]
    assert printed == texts_of("tutorial/channels.md", "text")


async def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bob, alice, recorder = texts_of("tutorial/pictures.md", "python")
    assert await meet(bob, alice, recorder) == [*texts_of("tutorial/pictures.md", "text"), ""]
    with av.open(str(tmp_path / "bob.mp4")) as film:
        assert {stream.type for stream in film.streams} == {"video", "audio"}


async def test_the_filter_and_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, test = texts_of("tutorial/filter.md", "python")
    # With what the guide's tests are run.
    assert texts_of("tutorial/filter.md", "ini") == texts_of("testing.md", "ini")
    last = "trio.run(main)\n"
    assert program.endswith(f"\n{last}")
    guarded = program.removesuffix(last) + f'if __name__ == "__main__":\n    {last}'
    await trio.Path(tmp_path / "filter.py").write_text(guarded)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    exec(test, names)
    await names["test_bright_becomes_dark"]()
