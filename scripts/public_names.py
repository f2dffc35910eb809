#!/usr/bin/env python3
"""The snapshot of the public names, tests/data/public_names.txt: what programs may rely on.

    python scripts/public_names.py            prints what there is
    python scripts/public_names.py --check    tells what differs from the snapshot
    python scripts/public_names.py --write    takes it as it is, on purpose

What is in the snapshot stays: CONTRIBUTING.md says how a name may go.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SNAPSHOT: Final = ROOT / "tests" / "data" / "public_names.txt"

MODULES: Final = (
    "trio_rtc",
    "trio_rtc.peerjs",
    "trio_rtc.server",
    "trio_rtc.server.authorize",
    "trio_rtc.testing",
    "trio_rtc.rtc",
    "trio_rtc.signaling",
)

Names = dict[str, list[str]]
"""Each name, and its parameters: ``*`` is before one by keyword, ``=`` after one with a default."""

#: Classes that programs make objects of, beside errors and dataclasses. Others they are given.
MADE: Final = {
    "ChannelStream", "ChannelTransport", "EnergyDetector", "IceCandidate", "MemoryHub", "Network",
    "SessionDescription", "Transcript",
}  # fmt: skip


#: What only classes of ours call, and no program. The reference leaves it out as well.
OF_OUR_OWN: Final[dict[str, tuple[str, ...]]] = {
    "Capture": ("add", "add_keys"),
    "Host": (
        "attach", "attachments", "bind", "carry", "connect", "free_address", "receive", "send",
        "send_datagram", "source_for",
    ),
    "Nat": ("attachment", "outbound", "receive"),
    "Network": ("attach", "is_cut", "lost", "note", "received", "resolve", "sent"),
    "Record": ("add", "note"),
    "Signaling": (
        "block_has_ended", "connected", "failed", "joined", "left", "lost", "received",
        "reconnecting",
    ),
    "Subscription": ("put_back",),
    "TrackSender": ("is_of",),
    "TurnServer": ("start",),
}  # fmt: skip


def public_names() -> Names:
    """Everything that programs may import, and what may be used of it."""
    seen: set[int] = set()
    return {name: parameters for module in MODULES for name, parameters in _of_module(module, seen)}


def _of_module(module_name: str, seen: set[int]) -> Iterator[tuple[str, list[str]]]:
    module = import_module(module_name)
    package = hasattr(module, "__path__")
    for name in sorted(getattr(module, "__all__", None) or vars(module)):
        value = getattr(module, name)
        own = package or getattr(value, "__module__", "") == module_name
        if (
            name.startswith("_")
            or name == "annotations"
            or isinstance(value, ModuleType)
            or not own
        ):
            continue
        path = f"{module_name}.{name}"
        if id(value) in seen:
            yield path, []
            continue
        seen.add(id(value))
        yield from _of_value(path, value)


def _of_value(path: str, value: object) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(value, type):
        yield path, _parameters(value)
        return
    made = is_dataclass(value) or issubclass(value, BaseException) or value.__name__ in MADE
    yield path, _parameters(value) if made else []
    own = OF_OUR_OWN.get(value.__name__, ())
    for name in sorted(dir(value)):
        if not name.startswith("_") and name not in own and not hasattr(BaseException, name):
            member = inspect.getattr_static(value, name)
            called = getattr(member, "__func__", member)
            yield f"{path}.{name}", _parameters(called) if inspect.isroutine(called) else []


def _parameters(value: object) -> list[str]:
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    found = []
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        by_keyword = "*" if parameter.kind is parameter.KEYWORD_ONLY else ""
        default = "=" if parameter.default is not parameter.empty else ""
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            by_keyword, default = "**", ""
        found.append(f"{by_keyword}{parameter.name}{default}")
    return found


def as_text(names: Names) -> str:
    return "".join(
        f"{name}({', '.join(parameters)})\n" if parameters else f"{name}\n"
        for name, parameters in sorted(names.items())
    )


def from_text(text: str) -> Names:
    names = {}
    for line in text.splitlines():
        name, _, rest = line.partition("(")
        names[name] = [part for part in rest.removesuffix(")").split(", ") if part]
    return names


def broken(before: Names, now: Names) -> Iterator[str]:
    """What a program may have relied on that is not so any more, one sentence each."""
    for name, parameters in before.items():
        if name not in now:
            yield f"{name} has gone"
            continue
        by_position = [p for p in parameters if not p.startswith("*")]
        by_position_now = [p for p in now[name] if not p.startswith("*")]
        for number, parameter in enumerate(by_position):
            there = by_position_now[number] if number < len(by_position_now) else "nothing"
            if there.rstrip("=") != parameter.rstrip("="):
                yield f"{name}: parameter {number + 1} was {parameter.rstrip('=')}, and is {there}"
        plain = {p.strip("*="): p for p in now[name]}
        for parameter in parameters:
            bare = parameter.strip("*=")
            if bare not in plain and not any(p.startswith("**") for p in now[name]):
                yield f"{name} takes no {bare} any more"
            elif parameter.endswith("=") and not plain.get(bare, "=").endswith("="):
                yield f"{name} has to be given {bare} now"
        known = {p.strip("*=") for p in parameters}
        for bare, parameter in plain.items():
            if bare not in known and not parameter.endswith("=") and not parameter.startswith("**"):
                yield f"{name} has to be given {bare} now"


def added(before: Names, now: Names) -> list[str]:
    """What is new, and not in the snapshot yet."""
    return sorted(name for name in now if name not in before or set(now[name]) - set(before[name]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="tell what differs")
    parser.add_argument("--write", action="store_true", help="take it as it is")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))  # the names of this checkout, whatever is installed
    now = public_names()
    if arguments.write:
        SNAPSHOT.write_text(as_text(now))
    elif arguments.check:
        before = from_text(SNAPSHOT.read_text())
        news = [f"{name} is new: scripts/public_names.py --write" for name in added(before, now)]
        lines = [*broken(before, now), *news]
        print("\n".join(lines), end="\n" if lines else "")
        return 1 if lines else 0
    else:
        print(as_text(now), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
