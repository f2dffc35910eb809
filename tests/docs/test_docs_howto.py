"""What the pages on single tasks show is done as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import ssl
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

import trio_rtc
from trio_rtc.cli.server_settings import ServerSettings
from trio_rtc.server.authorize import jwt_tokens
from trio_rtc.testing import MemoryHub

from ..calls.both_sides import open_both
from ..ports import free_port
from ..rtc.media.test_voice import until_loud, wave
from ..rtc.virtual import in_virtual_time
from ..waiting import until
from .console_blocks import run_console
from .pages import ROOT, blocks_of, function_of, output_of, reworded, serving_server, texts_of

PAGES = sorted(path.stem for path in (ROOT / "docs" / "howto").glob("*.md"))
DEPLOY = ROOT / "examples" / "deploy"

#: Blocks of configurations, each a part of a file that is tested as a whole.
PARTS = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "ini": "turnserver.conf"}

#: Blocks that programs of others would have to be there for: they are for reading.
READ_ONLY = ("text",)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    kinds = {language for language, _ in blocks_of(f"howto/{page}.md")}
    assert kinds <= {"python", "console", "toml", *PARTS, *READ_ONLY, "yaml"}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("ports", "systemd")])
def test_the_commands(page: str, tmp_path: Path) -> None:
    for block in texts_of(f"howto/{page}.md", "console"):
        run_console(block, tmp_path)


def test_the_variables_of_ports() -> None:
    (block,) = texts_of("howto/ports.md", "console")
    module = "trio_rtc.rtc.ice_gather_options"
    read = f"from {module} import gather_options_from_environment as read; print(read())"
    done = run_console(block + f"$ {sys.executable} -c '{read}'\n", ROOT)
    assert "50100" in done
    assert "203.0.113.7" in done
    assert "172.17.0.0/16" in done


def test_the_commands_of_root_are_those_of_the_guide() -> None:
    (block,) = texts_of("howto/systemd.md", "console")
    guide = (ROOT / "docs" / "server.md").read_text()
    assert all(line in guide for line in block.splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_parts_of_configurations_are_those_that_are_tested(page: str) -> None:
    for language, text in blocks_of(f"howto/{page}.md"):
        if language in PARTS and page != "testing":
            whole = [line.strip() for line in (DEPLOY / PARTS[language]).read_text().splitlines()]
            assert [line for line in text.splitlines() if line.strip() not in whole] == []


@pytest.mark.parametrize("page", ["tls", "proxies"])
def test_settings_are_settings(page: str) -> None:
    for block in texts_of(f"howto/{page}.md", "toml"):
        assert tomllib.loads(block).keys() <= ServerSettings.__annotations__.keys()


def test_files_that_are_named_are_there() -> None:
    for page in PAGES:
        text = (ROOT / "docs" / "howto" / f"{page}.md").read_text()
        for name in re.findall(r"\]\((\.\./\.\./[^)#]+)\)", text):
            assert (ROOT / "docs" / "howto" / name).exists(), name


@pytest.mark.parametrize("page", ["nat", "ports"])
async def test_calls_with_options(page: str) -> None:
    """Of a range of ports, and with a relay that is not there, which delays nothing."""
    blocks = blocks_of(f"howto/{page}.md")
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def stay(call: trio_rtc.Call) -> None:
        await call.wait_ended()

    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            if page == "nat":
                nursery.start_soon(trio_rtc.serve_calls, stay, bob)
                await function_of(blocks, "call_through")(alice)
            else:
                nursery.start_soon(function_of(blocks, "answer_in_a_container"), stay, bob)
                async with trio_rtc.open_call(alice, "bob") as call:
                    candidate = (await call.stats()).remote_candidate
                    assert candidate is not None
                    assert 50000 <= candidate.port <= 50100
            nursery.cancel_scope.cancel()


async def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    authority = trustme.CA()
    authority.cert_pem.write_to_path("certificate.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    (program,) = texts_of("howto/tls.md", "python")
    async with serving_server(ssl_context=context) as url:
        assert await output_of(reworded(program, url)) == "signed in as alice\n"


async def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await trio.Path("jwt_key").write_text("k" * 64)
    (program,) = texts_of("howto/tokens.md", "python")
    create = texts_of("howto/tokens.md", "console")[1].removeprefix("$ trio-rtc ")
    command = [sys.executable, "-m", "trio_rtc", *shlex.split(create)]
    token = (await trio.run_process(command, capture_stdout=True)).stdout.decode().strip()
    async with serving_server(authorize=jwt_tokens("k" * 64, ["HS256"])) as url:
        async with trio_rtc.open_signaling(url, name="alice", token=token) as signaling:
            assert (signaling.name, signaling.room) == ("alice", "den")
        (expected,) = texts_of("howto/tokens.md", "text")
        assert await output_of(reworded(program, url)) == expected


async def test_a_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = texts_of("howto/obs.md", "python")

    def recorded() -> bool:
        return any(path.stat().st_size for path in tmp_path.glob("studio-*.mkv"))

    async with serving_server() as url, trio.open_nursery() as nursery:
        nursery.start_soon(output_of, reworded(program, url))
        async with trio_rtc.open_signaling(url, name="watcher") as signaling:
            await signaling.wait_for_peer("studio")
        endpoint = f"{url.replace('ws', 'http')}/whip/studio"
        async with (
            trio_rtc.open_media(video="pattern") as tracks,
            trio_rtc.open_whip(endpoint, tracks=tracks),
        ):
            await until(recorded)
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_conversation() -> None:
    converse = function_of(blocks_of("howto/voice.md"), "converse")
    heard: list[int] = []

    async def transcribe(pcm: bytes) -> str:
        heard.append(len(pcm))
        return "said"

    async def answer(text: str) -> Any:
        yield text

    async def speak(sentence: str) -> bytes:
        return wave(0.3, pitch=500)

    async with (
        open_both(receive=("audio",)) as ends,
        trio_rtc.open_voice(ends.alice) as voice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(converse, ends.bob, transcribe, answer, speak)
        await voice.play(wave(1.0, pitch=700))
        await until_loud(voice)
        assert heard[0] > 16000
        nursery.cancel_scope.cancel()


async def test_a_server_in_a_program() -> None:
    program, rule, _ = texts_of("howto/embedding.md", "python")
    expected, _ = texts_of("howto/embedding.md", "text")
    assert await output_of(program) == expected
    names: dict[str, Any] = {}
    exec(rule, names)
    async with serving_server(authorize=names["by_room"]) as url:
        async with trio_rtc.open_signaling(url, name="cook", token="secret of the kitchen") as one:
            assert one.room == "kitchen"
        with pytest.raises(trio_rtc.SignalingError):
            async with trio_rtc.open_signaling(url, name="cook", token="another"):
                pass


async def test_an_asgi_application() -> None:
    if "CI" not in os.environ:
        pytest.importorskip(
            "hypercorn", reason="Hypercorn is not installed (pip install -e .[test])"
        )
    from hypercorn import Config
    from hypercorn.trio import serve

    names: dict[str, Any] = {}
    exec(texts_of("howto/embedding.md", "python")[-1], names)
    names["PORT"] = free_port()
    port = free_port()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    over = trio.Event()
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, names["app"], config, shutdown_trigger=over.wait))
            async with trio_rtc.open_signaling(f"ws://localhost:{names['PORT']}", name="a") as one:
                assert one.name == "a"
            over.set()


async def echoing(url: str, task_status: trio.TaskStatus[None]) -> None:
    async def echo(call: trio_rtc.Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                await channel.send(message)

    async with trio_rtc.open_signaling(url, name="bob") as signaling:
        await trio_rtc.serve_calls(echo, signaling, task_status=task_status)


@pytest.mark.parametrize("number", [0, 1], ids=["anyio", "asyncio"])
async def test_other_ways_to_run(number: int) -> None:
    program = texts_of("howto/asyncio.md", "python")[number]
    (expected,) = texts_of("howto/asyncio.md", "text")
    with trio.fail_after(200):
        async with serving_server() as url, trio.open_nursery() as nursery:
            await nursery.start(echoing, url)
            body = reworded(program, url)
            if number == 0:
                ran = body.replace('anyio.run(main, backend="trio")', "trio.run(main)")
                assert await output_of(ran) == expected
            else:
                printed: list[str] = []
                names = {"print": lambda *what: printed.append(" ".join(map(str, what)) + "\n")}
                await trio.to_thread.run_sync(exec, body, names)
                assert printed == [expected]
            nursery.cancel_scope.cancel()
