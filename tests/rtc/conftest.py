"""Every test of this floor ends with a look around: nothing may be left of it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from trio_rtc.rtc.bridge import engines, stepper

OURS = ("portal", "media-player", "asyncio_")


def threads() -> list[str]:
    """The threads that this floor, or what it stands on, has running."""
    return [t.name for t in threading.enumerate() if any(part in t.name for part in OURS)]


def sockets() -> set[str]:
    """The sockets of this process, by inode."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


async def tasks_left() -> list[str]:
    """The tasks of the loop, once those that have only to be resumed have ended."""
    for _ in range(20):
        await asyncio.sleep(0)
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    return [str(task) for task in tasks if "portal" not in task.get_name()]


@pytest.fixture(autouse=True)
def nothing_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task when a loop ends; no thread, socket or lost exception when the test does."""
    left: list[str] = []
    provider = engines.Portal._provider
    leave_portal = engines.Portal._end
    shut_down = stepper._shut_down

    def look_and_leave(portal: engines.Portal) -> None:
        if provider._leases == 1:
            tasks = provider._portal.call(tasks_left)
            # Somebody else may have come meanwhile, who has tasks in good right.
            if provider._leases == 1:
                left.extend(tasks)
        leave_portal(portal)

    async def look_and_shut_down() -> None:
        left.extend(await tasks_left())
        await shut_down()

    before = sockets()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines.Portal, "_end", look_and_leave)
        patch.setattr(stepper, "_shut_down", look_and_shut_down)
        yield
    # asyncio tells of lost exceptions, and of lost tasks, when they are collected.
    gc.collect()
    assert left == []
    assert threads() == []
    assert sockets() <= before
    lost = [r.getMessage() for r in caplog.get_records("call") if r.name == "asyncio"]
    assert lost == []
