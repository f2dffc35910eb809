"""What docs/files.md shows is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from trio_rtc.cli.sharing import statuses
from trio_rtc.cli.sharing.phrases import word_list
from trio_rtc.files import file_receiving
from trio_rtc.wire import channel_protocols
from trio_rtc.wire import files as wire

PAGE = (Path(__file__).parent.parent.parent / "docs" / "files.md").read_text()
PROGRAM, OUTPUT, FRAME = re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.S | re.M)


def test_the_example(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{PROGRAM}\n{FRAME}"],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == (OUTPUT, "")


def test_the_words_are_those_of_the_code() -> None:
    said = {kind.__struct_config__.tag for kind in wire.Said.__args__}
    table = PAGE.split("## On the wire")[1]
    assert said == set(re.findall(r"^\|[^|]*?`(\w+)`", table, re.M)) | {
        "have", "accept", "received", "done"
    }  # fmt: skip
    assert channel_protocols.FILES in table
    assert wire.PIECE == 64 * 2**10
    assert wire.WINDOW == 16 * 2**20
    assert file_receiving.BATCH + wire.PIECE <= 5 * 2**20
    assert wire.MAX_ENTRIES == 10**6


def test_the_exit_statuses_are_those_of_the_code() -> None:
    table = re.search(r"^\| exit status .*?\n\n", PAGE, re.S | re.M)
    assert table
    listed = {int(number) for number in re.findall(r"^\| (\d) \|", table[0], re.M)}
    used = {value for name, value in vars(statuses).items() if name.isupper() and name[0] != "_"}
    assert listed == {0, *used}
    assert len(word_list()) ** 2 == 262_144
