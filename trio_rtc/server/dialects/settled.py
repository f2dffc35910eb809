"""Messages whose place is not known yet, for who has nothing to do before it is."""

from __future__ import annotations

import trio

from ..hub.engine import PendingSend, SendFailure


async def settled(pending: PendingSend) -> None:
    """Wait until a message has its place.

    Raises:
        NoSuchMember: there is no such member any more.
        MailboxFull: too much waits there.
    """
    known = trio.Event()
    failures: list[SendFailure] = []

    def on_settled(failure: SendFailure | None) -> None:
        if failure is not None:
            failures.append(failure)
        known.set()

    pending.then(on_settled)
    await known.wait()
    for failure in failures:
        raise failure
