"""What holds for all tests."""

from __future__ import annotations

import gc
import signal

from hypothesis import settings

# A busy machine is no fault of what is tested.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# Shells have their background commands ignore Ctrl-C, and so do all processes that these start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Freeze what was imported and collected, which stays: it is nothing for the garbage collector.

    Thousands of tests collect garbage at their end, to see what they have left.
    """
    gc.collect()
    gc.freeze()
