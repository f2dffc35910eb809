"""What docs/channels.md shows is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trio_rtc.rtc.backend.sctp.channel import MAX_MESSAGE_SIZE as PLAIN_SIZE
from trio_rtc.rtc.channels import inbox as channel_inbox
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE, WINDOW
from trio_rtc.rtc.channels.framing import PART_SIZE
from trio_rtc.rtc.channels.outbox import HIGH_WATER

PAGE = (Path(__file__).parent.parent.parent / "docs" / "channels.md").read_text()
SECTIONS = dict(re.findall(r"^##? (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
(FRAME,) = (text for _, text in BLOCK.findall(SECTIONS["Data channels"]))
EXAMPLES = {
    title: BLOCK.findall(text)
    for title, text in SECTIONS.items()
    if BLOCK.search(text) and title != "Data channels"
}


def test_every_block_is_run() -> None:
    run = 1 + sum(len(blocks) for blocks in EXAMPLES.values())
    assert PAGE.count("\n```") == 2 * run


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example(title: str) -> None:
    (language, program), (kind, output) = EXAMPLES[title]
    assert (language, kind) == ("python", "text")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}\n{FRAME}"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.stdout, done.stderr) == (output, "")


def test_the_figures_are_those_of_the_code() -> None:
    assert WINDOW == HIGH_WATER == 2**20
    assert MAX_MESSAGE_SIZE == channel_inbox.UNREAD_LIMIT == 64 * 2**20
    assert PART_SIZE == 64 * 2**10
    assert PLAIN_SIZE == 256 * 2**10
