"""What those who come from elsewhere are shown, and told, is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final

import pytest
import trio

import trio_rtc
from trio_rtc import peerjs
from trio_rtc.peerjs import DataConnection, open_peerjs
from trio_rtc.rtc import DataChannelEvent

from ..peerjs.conftest import chromium as chromium
from ..peerjs.pages import open_stage
from .console_blocks import run_console
from .pages import ROOT, blocks_of, output_of, reworded, serving_server, texts_of

PAGES = sorted(path.stem for path in (ROOT / "docs" / "from").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    kinds = [language for language, _ in blocks_of(f"from/{page}.md")]
    assert set(kinds) <= {"python", "text", "console", "javascript"}
    assert "javascript" not in kinds or page == "peerjs"


@pytest.mark.parametrize("page", ["aiortc", "conductor"])
async def test_programs_by_themselves(page: str) -> None:
    (program,) = texts_of(f"from/{page}.md", "python")
    (expected,) = texts_of(f"from/{page}.md", "text")
    assert await output_of(program, DataChannelEvent=DataChannelEvent) == expected


def test_what_the_tables_of_conductor_say_here_is_in_the_transcript() -> None:
    text = (ROOT / "docs" / "from" / "conductor.md").read_text()
    (transcript,) = texts_of("from/conductor.md", "text")
    said: dict[str, list[str]] = {}
    party = ""
    for line in transcript.splitlines():
        if line.startswith(" "):
            said[party].append(line.strip())
        else:
            party = line
            said[party] = []
    for party, heading in (("alice", "Alice, here"), ("bob", "Bob, here")):
        table = text.partition(f"| {heading} |\n")[2].partition("\n\n")[0]
        here = [cell for row in table.splitlines()[1:] for cell in row.split("|")[3:4]]
        steps = [step for cell in here for step in re.findall(r"`([^`]+)`", cell)]
        assert [step for step in steps if "candidate" not in step] == said[party]


#: Whatever its header declares, and what its window's thread is told to do.
CONDUCTOR: Final = """
    StartLogin DisconnectFromServer ConnectToPeer DisconnectFromCurrentPeer Close UIThreadCallback
    SEND_MESSAGE_TO_PEER PEER_CONNECTION_CLOSED NEW_TRACK_ADDED TRACK_REMOVED
    MEDIA_CHANNELS_INITIALIZED
    OnSignedIn OnDisconnected OnPeerConnected OnPeerDisconnected OnMessageFromPeer OnMessageSent
    OnServerConnectionFailure
    OnSignalingChange OnAddTrack OnRemoveTrack OnDataChannel OnRenegotiationNeeded
    OnIceConnectionChange OnIceConnectionReceivingChange OnIceGatheringChange OnIceCandidate
    OnSuccess OnFailure
    Conductor ~Conductor connection_active InitializePeerConnection CreatePeerConnection
    DeletePeerConnection AddTracks EnsureStreamingUI SendMessage
    ReinitializePeerConnectionForLoopback
"""


def test_each_callback_of_the_classic_client_has_a_line_and_something_beside_it() -> None:
    text = (ROOT / "docs" / "from" / "conductor.md").read_text()
    tables, _, logs = text.partition("## One call, seen from both")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", tables, re.M)
    names = CONDUCTOR.split()
    assert [name for name, does, _ in rows if does != "it does"] == names
    assert all(does.strip() and here.strip() for _, does, here in rows)
    steps = " ".join(re.findall(r"^\| \d+ \| ([^|]*) \|", logs, re.M))
    called = set(re.findall(r"`(\w+)`", steps))
    assert len(called) > 10
    assert called <= set(names)


def test_the_classic_server(tmp_path: Path) -> None:
    (block,) = texts_of("from/peerconnection.md", "console")
    run_console(block, tmp_path)


async def test_the_classic_client() -> None:
    (program,) = texts_of("from/peerconnection.md", "python")
    async with (
        serving_server() as url,
        trio_rtc.open_signaling(url, name="alice") as alice,
    ):
        printed = await output_of(reworded(program, url))
        assert printed == f"signed in as python\n{alice.peer_id} alice\n"


async def test_the_robot_among_pages() -> None:
    (program,) = texts_of("from/peerjs.md", "python")
    async with serving_server() as url, trio.open_nursery() as nursery:
        nursery.start_soon(output_of, reworded(program, url))
        async with trio_rtc.open_signaling(url, name="watcher") as watcher:
            await watcher.wait_for_peer("robot")
        async with (
            open_peerjs(url.replace("ws", "http")) as page,
            page.connect("robot") as connection,
        ):
            assert isinstance(connection, DataConnection)
            await connection.send({"hello": "robot"})
            assert await connection.receive() == {"you said": {"hello": "robot"}}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("page", PAGES)
def test_names_in_the_tables_are_there(page: str) -> None:
    """Of what stands on our side of a table, as a call or an attribute of ours."""
    text = (ROOT / "docs" / "from" / f"{page}.md").read_text()
    known = {*dir(trio_rtc), *dir(peerjs), *dir(trio_rtc.rtc), *dir(trio_rtc.Call)}
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    for row in rows:
        for code in re.findall(r"`([^`]+)`", row[-2]):
            for name in re.findall(r"\b(?:open|serve|record|send|receive|forward)_\w+", code):
                assert name in known or hasattr(trio_rtc.Signaling, name), name
            for name in re.findall(r"\bcall\.(\w+)", code):
                assert name in dir(trio_rtc.Call) or name in (trio_rtc.Call.__doc__ or ""), name
            for name in re.findall(r"\bsignaling\.(\w+)", code):
                assert name in dir(trio_rtc.Signaling), name


def code_of_errors() -> set[str]:
    """Each code that stands in the package, as text."""
    package = Path(str(trio_rtc.__file__)).parent
    return {
        word
        for path in package.rglob("*.py")
        for word in re.findall(r"[\"'`]([a-z]+(?:_[a-z]+)*)[\"'`]", path.read_text())
    }


def test_codes_and_names_of_the_page_on_trouble_are_there() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    settings = {"ordered", "max_retransmits", "receive", "room", "bundle_policy"}
    codes = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", text)) - {"wss", "ws"}
    assert len(codes) > 15
    known = code_of_errors() | settings | set(dir(trio_rtc))
    assert codes - known - {name for name in codes if name in _arguments()} == set()
    for quoted in re.findall(r"^\| `?([a-z][\w ']+ (?:only|in|address))`? \|", text, re.M):
        assert any(quoted.split("'")[0].strip() in path.read_text() for path in _sources())


def _arguments() -> set[str]:
    return {*inspect.signature(trio_rtc.open_call).parameters, "max_calls", "frames_refused"}


def _sources() -> list[Path]:
    return sorted(Path(str(trio_rtc.__file__)).parent.rglob("*.py"))


async def test_a_page_and_the_robot(chromium: str) -> None:
    """Both blocks of the page, but for the address, in a real browser with PeerJS."""
    address, calling = texts_of("from/peerjs.md", "javascript")
    (robot,) = texts_of("from/peerjs.md", "python")
    elsewhere = 'host: "signaling.example.org", port: 443, secure: true'
    here = "host: location.hostname, port: Number(location.port)"
    assert elsewhere in address
    async with open_stage(chromium) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(output_of, robot.replace("http://localhost:8888/", stage.url))
        page = await stage.page()
        script = address.replace(elsewhere, here) + "await until(() => peer.open);" + calling
        await page.run(f"window.said = []; console.log = (text) => said.push(text); {script}")
        assert await page.run("await until(() => said.length); return said") == ["robot"]
        nursery.cancel_scope.cancel()
