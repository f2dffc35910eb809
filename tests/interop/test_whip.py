"""FFmpeg's own WHIP muxer sends to the server's endpoint."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import av
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import trio_rtc

from ..server.harness import tcp_server

#: A program of its own, for FFmpeg's network code waits in the thread that writes.
SENDER = Path(__file__).parent / "ffmpeg_whip.py"


def write_certificate(folder: Path) -> None:
    """What the muxer makes by itself, in a build with GnuTLS, is of a curve that TLS has left."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sender")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_ffmpeg_sends(tmp_path: Path) -> None:
    if "whip" not in av.formats_available:
        pytest.skip("this build of FFmpeg has no WHIP muxer (PyAV 18 has one)")
    write_certificate(tmp_path)
    counts = {"audio": 0, "video": 0}
    enough = trio.Event()
    reason = ""
    ended = trio.Event()

    async def read(track: trio_rtc.MediaTrack) -> None:
        async for frame in track:
            if isinstance(frame, av.VideoFrame):
                assert (frame.width, frame.height) == (640, 480)
            counts[track.kind] += 1
            if min(counts.values()) >= 25:
                enough.set()

    async def answer(call: trio_rtc.Call) -> None:
        nonlocal reason
        async with trio.open_nursery() as readers:
            async for track in call.tracks:
                readers.start_soon(read, track)
        assert call.end is not None
        reason = call.end.reason
        ended.set()

    with trio.fail_after(200):
        async with tcp_server() as port, trio.open_nursery() as nursery:
            url = f"ws://127.0.0.1:{port}"
            async with trio_rtc.open_signaling(url, name="studio") as signaling:
                nursery.start_soon(trio_rtc.serve_calls, answer, signaling)
                command = [sys.executable, str(SENDER), f"http://127.0.0.1:{port}/whip/studio"]
                process = await trio.lowlevel.open_process(command, cwd=tmp_path)
                try:
                    await enough.wait()
                    process.terminate()
                    assert await process.wait() == 0
                    await ended.wait()
                    # It has said goodbye with DELETE.
                    assert reason == "peer_hung_up"
                finally:
                    process.kill()
                    with trio.CancelScope(shield=True):
                        await process.wait()
            nursery.cancel_scope.cancel()


async def test_ffmpeg_sends_to_a_server_that_relays(tmp_path: Path) -> None:
    if "whip" not in av.formats_available:
        pytest.skip("this build of FFmpeg has no WHIP muxer (PyAV 18 has one)")
    write_certificate(tmp_path)
    with trio.fail_after(60):
        async with tcp_server(publishers=trio_rtc.relay_host()) as port:
            url = f"http://127.0.0.1:{port}/{{}}/hall/stage"
            command = [sys.executable, str(SENDER), url.format("whip")]
            process = await trio.lowlevel.open_process(command, cwd=tmp_path)
            try:
                await watch_both(url.format("whep"))
                process.terminate()
                assert await process.wait() == 0
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


async def watch_both(url: str) -> None:
    """Watch, as soon as there is a publisher, until it is seen and heard."""
    while True:
        try:
            async with trio_rtc.open_whep(url) as call:
                missing = {"audio", "video"}
                async for track in call.tracks:
                    frame = await anext(aiter(track))
                    if isinstance(frame, av.VideoFrame):
                        assert (frame.width, frame.height) == (640, 480)
                    missing.discard(track.kind)
                    if not missing:
                        return
                raise AssertionError(f"it ends: {call.end}")
        except trio_rtc.SignalingError as error:
            if error.code not in ("not_found", "no_place"):
                raise
        await trio.sleep(0.1)
