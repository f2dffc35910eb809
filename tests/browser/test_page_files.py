"""Files between the page and Python, in either browser: one protocol."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import trio_rtc
from trio_rtc import Call, FileError, FileOffer, FileProgress, Signaling

from .browsers import Visitor, open_house, visiting

CHOOSE = """
const files = new DataTransfer();
for (const [name, size] of chosen)
  files.items.add(new File([Uint8Array.from({length: size}, (_, i) => i * 7 % 251)], name,
                           {lastModified: 1000}));
$("#file").files = files.files;
$("#file").dispatchEvent(new Event("change"));
"""

BLOBS = """
window.made = [];
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => (made.push(blob), make.call(URL, blob));
"""

CONTENT = bytes(i * 7 % 251 for i in range(251))


def content(size: int) -> bytes:
    return (CONTENT * (size // 251 + 1))[:size]


@asynccontextmanager
async def at_the_page(
    chromium: str, firefox: str | None
) -> AsyncIterator[tuple[Visitor, Signaling]]:
    """Somebody is at the page, and Python is at the same server."""
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            visiting(house, firefox) as alice,
            trio_rtc.open_signaling(house.ws_url, name="python") as signaling,
        ):
            await alice.signed_in("alice")
            yield alice, signaling


@asynccontextmanager
async def calling(alice: Visitor, signaling: Signaling) -> AsyncIterator[Call]:
    """Python calls, and is answered."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.click, "#answer")
        async with trio_rtc.open_call(
            signaling, await signaling.wait_for_peer("alice"), receive=()
        ) as call:
            yield call
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def in_a_call(chromium: str, firefox: str | None) -> AsyncIterator[tuple[Visitor, Call]]:
    """Python has called somebody at the page."""
    async with (
        at_the_page(chromium, firefox) as (alice, signaling),
        calling(alice, signaling) as call,
    ):
        yield alice, call


async def test_files_go_both_ways(chromium: str, maybe_firefox: str | None, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "small.txt").write_text("hello")
    (tmp_path / "large.bin").write_bytes(content(68_000_000))
    async with in_a_call(chromium, maybe_firefox) as (alice, call):
        await alice.run(CHOOSE, chosen=[["Übung.bin", 3_000_001], ["empty", 0]])
        paths = await trio_rtc.receive_files(call, tmp_path / "here")
        assert [path.name for path in paths] == ["Übung.bin", "empty"]
        assert paths[0].read_bytes() == content(3_000_001)
        assert paths[1].read_bytes() == b""
        await alice.until("$('#files').textContent.includes('Sent Übung.bin and 1 more')")
        async with trio.open_nursery() as nursery:
            await alice.run('$("#files").replaceChildren();' + BLOBS)
            sources = [tmp_path / "things", tmp_path / "large.bin"]
            nursery.start_soon(trio_rtc.send_files, call, sources)
            # It is more than what comes without a question.
            await alice.until("$('#files .question')")
            assert "68.0 MB" in await alice.run("return $('#files .detail').textContent")
            await alice.click("#files .question button")
        await alice.until("document.querySelectorAll('#files a').length === 2")
        assert await alice.run(
            """
            const [small, large] = await Promise.all(made.map((one) => one.arrayBuffer()));
            const bytes = new Uint8Array(large);
            return [new TextDecoder().decode(small), bytes.length,
                    bytes.every((byte, i) => byte === i * 7 % 251)];
            """
        ) == ["hello", 68_000_000, True]


async def test_either_side_says_no(
    chromium: str, maybe_firefox: str | None, tmp_path: Path
) -> None:
    (tmp_path / "large.bin").write_bytes(os.urandom(40_000_000))
    async with in_a_call(chromium, maybe_firefox) as (alice, call):
        async with trio.open_nursery() as nursery:

            async def send(code: str) -> None:
                with pytest.raises(FileError) as caught:
                    await trio_rtc.send_files(call, [tmp_path / "large.bin"])
                assert caught.value.code == code

            nursery.start_soon(send, "declined")
            await alice.click("#files .question button:last-child")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, "cancelled")
            await alice.click("#files .question button")
            await alice.until("$('#files progress')?.value > 1000000")
            await alice.click(".transfer button.quiet:not([hidden])")
        scope = trio.CancelScope()

        def progress(done: FileProgress) -> None:
            if done.bytes > 1_000_000:
                scope.cancel()

        (tmp_path / "here").mkdir()
        with scope:
            await alice.run(CHOOSE, chosen=[["numbers.bin", 20_000_000]])
            await trio_rtc.receive_files(call, tmp_path / "here", progress=progress)
        assert scope.cancelled_caught
        assert not list((tmp_path / "here").iterdir())
        await alice.until("notices().some((one) => one.includes('cancelled'))")


async def test_what_has_come_before_a_cut_is_not_sent_again(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(content(33_600_000))
    async with at_the_page(chromium, None) as (alice, signaling):
        await alice.run(BLOBS)
        cut = trio.Event()

        def look(done: FileProgress) -> None:
            if done.bytes > 4_000_000:
                cut.set()

        async def send(call: Call) -> None:
            with pytest.raises(FileError) as caught:
                await trio_rtc.send_files(call, [tmp_path / "large.bin"], progress=look)
            assert caught.value.code in ("interrupted", "not_taken")

        async with calling(alice, signaling) as call, trio.open_nursery() as nursery:
            nursery.start_soon(send, call)
            await alice.click("#files .question button")
            await cut.wait()
            await call.hang_up()
        await alice.until("notices().some((one) => one.includes('was not received'))")
        async with calling(alice, signaling) as call, trio.open_nursery() as nursery:
            nursery.start_soon(trio_rtc.send_files, call, [tmp_path / "large.bin"])
            await alice.until("$('#files .question')")
            assert "are here already" in await alice.run("return $('#files .detail').textContent")
            await alice.click("#files .question button")
            await alice.until("$('#files a')")
        assert await alice.run(
            """
            const bytes = new Uint8Array(await made[0].arrayBuffer());
            return [bytes.length, bytes.every((byte, i) => byte === i * 7 % 251)];
            """
        ) == [33_600_000, True]


async def test_python_keeps_what_has_come_of_a_page_before_a_cut(
    chromium: str, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    chosen = [["numbers.bin", 20_000_000]]
    kept = 0

    async def accept(offer: FileOffer) -> bool:
        nonlocal kept
        kept = offer.kept
        return True

    async with at_the_page(chromium, None) as (alice, signaling):
        async with calling(alice, signaling) as call, trio.open_nursery() as nursery:
            cut = trio.Event()

            def look(done: FileProgress) -> None:
                if done.bytes > 4_000_000:
                    cut.set()

            async def receive() -> None:
                with pytest.raises(FileError) as caught:
                    await trio_rtc.receive_files(call, tmp_path / "here", progress=look)
                assert caught.value.code == "interrupted"

            async def cut_off() -> None:
                await cut.wait()
                await call.hang_up()

            nursery.start_soon(receive)
            # The browser may take longer to say that it has chosen than to send all of it.
            nursery.start_soon(cut_off)
            await alice.run(CHOOSE, chosen=chosen)
        await alice.until("notices().some((one) => one.includes('was not sent'))")
        async with calling(alice, signaling) as call:
            await alice.run(CHOOSE, chosen=chosen)
            [path] = await trio_rtc.receive_files(call, tmp_path / "here", accept=accept)
    assert kept > 4_000_000
    assert path.read_bytes() == content(20_000_000)
    assert [one.name for one in (tmp_path / "here").iterdir()] == ["numbers.bin"]


LEAVE = """
const { openStore } = await import("/stores.js");
window.store = await openStore(70_000_000);
await store.write(new Uint8Array(5_000_000));
"""

COUNT = """
const count = async () => {
  const pages = new Set();
  for await (const name of (await navigator.storage.getDirectory()).keys())
    if (name.startsWith("received-")) pages.add(name.slice(0, 45));
  return pages.size;
};
"""

PAGES_WITH_FILES = f"{COUNT} return await count();"

NONE_LEFT = (
    f"{COUNT} while (await count()) await new Promise((resolve) => setTimeout(resolve, 20));"
)


async def test_what_a_page_leaves_behind_is_removed_when_it_is_loaded_again(
    chromium: str, maybe_firefox: str | None
) -> None:
    with trio.fail_after(110):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as alice:
            await alice.run(LEAVE)
            assert await alice.run(PAGES_WITH_FILES) == 1
            await alice.reload()
            await alice.run(NONE_LEFT)


async def test_what_is_of_a_page_that_is_there_stays(chromium: str) -> None:
    with trio.fail_after(110):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await bob.run(LEAVE)
            await alice.run(LEAVE)
            await alice.reload()
            await alice.run("await (await import('/stores.js')).removeLeftovers()")
            assert await bob.run(PAGES_WITH_FILES) == 1
            assert (
                await bob.run("await store.flush(); return (await store.finish()).blob.size")
                == 5_000_000
            )


async def test_what_cannot_be_taken_is_said(chromium: str, tmp_path: Path) -> None:
    async with in_a_call(chromium, None) as (alice, call):
        await alice.run(CHOOSE, chosen=[["con.txt", 5]])
        with pytest.raises(FileError) as caught:
            await trio_rtc.receive_files(call, tmp_path)
        assert caught.value.code == "bad_name"
        await alice.until("notices().some((one) => one.includes('names a device'))")


PICK = """
window.picked = {};
const root = await navigator.storage.getDirectory();
window.showSaveFilePicker = async ({suggestedName}) => {
  if (!picked.asked) {
    picked.asked = true;
    throw new DOMException("nothing was chosen", "AbortError");
  }
  picked.file = suggestedName;
  return root.getFileHandle("saved", {create: true});
};
window.showDirectoryPicker = async () => root.getDirectoryHandle("folder", {create: true});
"""

LOOK = """
let place = await navigator.storage.getDirectory();
for (const name of path.slice(0, -1)) place = await place.getDirectoryHandle(name);
return (await (await place.getFileHandle(path.at(-1))).getFile()).size;
"""


async def test_large_files_are_saved_where_somebody_wants_them(
    chromium: str, tmp_path: Path
) -> None:
    (tmp_path / "things" / "deep").mkdir(parents=True)
    (tmp_path / "large.bin").write_bytes(bytes(33_600_000))
    (tmp_path / "things" / "deep" / "one.bin").write_bytes(bytes(33_600_000))
    (tmp_path / "things" / "two").write_bytes(b"2")
    async with in_a_call(chromium, None) as (alice, call):
        await alice.run(PICK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio_rtc.send_files, call, [tmp_path / "large.bin"])
            # Who chooses no place is asked again.
            await alice.click("#files .question button")
            await alice.until("picked.asked")
            await alice.click("#files .question button")
        await alice.until("$('#files').textContent.includes('Saved large.bin, 33.6 MB')")
        assert await alice.run("return picked.file") == "large.bin"
        assert await alice.run(LOOK, path=["saved"]) == 33_600_000
        for _ in range(2):
            await alice.run("$('#files').replaceChildren()")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio_rtc.send_files, call, [tmp_path / "things"])
                await alice.click("#files .question button")
            await alice.until("$('#files').textContent.includes('Saved ')")
        # What is there already stays as it is.
        for name in ("one.bin", "one (2).bin"):
            path = ["folder", "things", "deep", name]
            assert await alice.run(LOOK, path=path) == 33_600_000
        assert await alice.run(LOOK, path=["folder", "things", "two (2)"]) == 1
        assert alice.errors == []
