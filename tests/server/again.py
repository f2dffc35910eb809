"""The tests of other modules once more, with something else below them."""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType


def again(module: ModuleType, how: str, *, but: Collection[str] = ()) -> dict[str, object]:
    """The tests of a module, under names that tell whose they are, and how they are done.

    Args:
        but: those that are not to be done so.
    """
    of = module.__name__.rpartition(".")[2].removeprefix("test_")
    return {
        f"{name}_{of}_{how}": test
        for name, test in vars(module).items()
        if name.startswith("test_")
        and name not in but
        and getattr(test, "__module__", "") == module.__name__
    }
