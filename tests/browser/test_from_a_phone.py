"""A file from a page of a phone to a terminal, with nothing but the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..docs.test_readme import FROM_A_PHONE
from ..peerjs.chromium import open_browser
from ..ports import free_port
from ..processes import command
from .browsers import HELPERS, Visitor
from .test_page_files import CHOOSE, content


async def test_a_file_from_a_phone(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = re.findall(r"^\$ \.venv/bin/trio-rtc (.+?)(?: &)?$", FROM_A_PHONE[0], re.M)
    server, client = (line.split() for line in typed)
    port = free_port()
    # Other tests have the port that goes without saying.
    server += ["--port", str(port)]
    client += ["--server", f"ws://localhost:{port}"]
    monkeypatch.chdir(tmp_path)
    async with command(*server) as serving:
        told = await serving.line("listening on all interfaces")
        addresses = re.findall(r"http://[\d.:]+", told)
        async with command(*client) as receiving, open_browser(chromium) as browser:
            await receiving.line("signed in")
            phone = Visitor(browser, await browser.open_page(f"{addresses[0]}/"))
            await phone.run(HELPERS)
            await phone.command(
                "Emulation.setDeviceMetricsOverride",
                width=390, height=844, deviceScaleFactor=3, mobile=True,
            )  # fmt: skip
            await phone.signed_in("phone")
            await phone.call("desk", "chat")
            await phone.until("callState() === 'connected'")
            assert await phone.run("return $('.file-button').checkVisibility()")
            await phone.run(CHOOSE, chosen=[["photo.jpg", 3_000_001]])
            await phone.until("$('#files').textContent.includes('Sent photo.jpg')")
            await receiving.line("phone sent inbox/photo.jpg")
            assert phone.errors == []
    assert (tmp_path / "inbox" / "photo.jpg").read_bytes() == content(3_000_001)
