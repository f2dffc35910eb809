"""What the page on voice programs shows is run as it stands there, and so is the example."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

import trio_rtc
from trio_rtc import Voice

from ..calls.both_sides import open_both
from ..rtc.media.test_voice import is_loud, pitch_of, speak, until_loud, wave
from ..rtc.virtual import in_virtual_time
from .pages import ROOT, blocks_of, function_of

BLOCKS = blocks_of("voice.md")
function = partial(function_of, BLOCKS)
PROGRAM = ROOT / "examples" / "voice_bot.py"


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "console"}


@in_virtual_time
async def test_the_parrot_repeats_what_it_hears() -> None:
    async with (
        open_both(receive=("audio",)) as ends,
        trio_rtc.open_voice(ends.alice) as voice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(function("parrot"), ends.bob)
        await voice.play(wave(1.5, pitch=700))
        await until_loud(voice)
        blocks = [await anext(voice) for _ in range(20)]
        assert pitch_of(b"".join(blocks), voice.rate) == pytest.approx(700, abs=15)
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_story_is_told_or_interrupted() -> None:
    tell = function("tell")
    async with (
        open_both(receive=("audio",)) as ends,
        trio_rtc.open_voice(ends.alice) as alice,
        trio_rtc.open_voice(ends.bob) as bob,
        trio.open_nursery() as nursery,
    ):
        assert await tell(alice, [wave(0.1)] * 3) == 0.0
        nursery.start_soon(speak, bob)
        assert await tell(alice, [wave(0.1)] * 1000) > 0
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A server, and the example signed in to it."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio_rtc.serve_signaling, 0, host="localhost")
        listeners = await nursery.start(serve)
        url = f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
        command = [sys.executable, str(PROGRAM), "--server", url]
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, capture_stdout=True)
        )
        yield url
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        nursery.cancel_scope.cancel()


async def test_the_example_answers_and_is_interrupted() -> None:
    with trio.fail_after(200):
        async with (
            serving() as url,
            trio_rtc.open_signaling(url, name="me") as signaling,
            trio_rtc.open_call(
                signaling, await signaling.wait_for_peer("voice"), receive=("audio",)
            ) as call,
            trio_rtc.open_voice(call) as voice,
        ):
            # Long enough for an answer of six seconds.
            await voice.play(wave(3.0))
            await until_loud(voice)
            blocks = [await anext(voice) for _ in range(20)]
            assert pitch_of(b"".join(blocks), voice.rate) == pytest.approx(262, abs=15)
            await until_silent_while_speaking(voice)


async def until_silent_while_speaking(voice: Voice) -> None:
    """Interrupt, and wait for half a second of silence, long before the answer's end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, voice)
        heard = silent = 0
        async for block in voice:
            heard += 1
            silent = 0 if is_loud(block) else silent + 1
            if silent == 25:
                break
        # The answer has 300 blocks, and a busy machine takes some time to hear us.
        assert heard < 200
        nursery.cancel_scope.cancel()


def test_what_the_page_says_of_the_program() -> None:
    (block,) = (text for language, text in BLOCKS if language == "console")
    assert f"python examples/{PROGRAM.name} &" in block
    done = subprocess.run([sys.executable, str(PROGRAM), "--help"], capture_output=True, text=True)
    assert "in tones" in done.stdout
    assert done.returncode == 0
