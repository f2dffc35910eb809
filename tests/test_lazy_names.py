"""The public names, which are loaded when they are first used."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_LOADING = """
import signal, sys, trio, trio_rtc

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "aiortc":
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                print("lost in an import")

async def main():
    trio_rtc.open_media
    print("loaded")
    await trio.sleep(60)

sys.meta_path.insert(0, Finder())
try:
    trio.run(main)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_while_a_name_is_loaded_is_not_lost() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_LOADING], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n") == ["loaded", "interrupted", ""]
