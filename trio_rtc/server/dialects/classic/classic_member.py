"""Classic peers as the server knows them, and the GETs of theirs that hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from ....wire.rate import TokenBucket
from ...http.connection import HttpExchange
from ...http.responses import Response
from ...hub.hub import Mail, Member, Relayed
from ...hub.mailbox import PollingMailbox
from ...hub.memory import Account
from ...hub.presence import Presence
from ...limits import ServerLimits


class HangingGet:
    """A GET that hangs until there is something to tell.

    Attributes:
        until: when it is told that there is nothing.
        notices: how many it takes in one answer. The original client reads the first one only.
        is_told: whether it is being answered.
        is_over: whether it hangs no more.
    """

    __slots__ = ("_tell", "exchange", "is_over", "is_told", "notices", "peer", "until")

    def __init__(
        self,
        exchange: HttpExchange,
        peer: ClassicMember,
        until: float,
        notices: int,
        tell: Callable[[HangingGet], None],
    ):
        self.exchange = exchange
        self.peer = peer
        self.until = until
        self.notices = notices
        self.is_told = False
        self.is_over = False
        self._tell = tell

    def tell(self) -> None:
        """Answer it, if there is a reason to."""
        if not self.is_told:
            self._tell(self)

    #: As `timers.Expiring`.
    expire = tell


class ClassicMember:
    """A member whose protocol is this one.

    Attributes:
        client_network: where it signed in; see `addresses.client_network`.
        session: by which it can show that a request is its own; another server may not know it.
        hanging: its GET that hangs.
        requests: how many of its requests wait for mail.
    """

    member: Member

    def __init__(self, client_network: str, limits: ServerLimits, account: Account, session: str):
        self.client_network = client_network
        self.session = session
        self.mailbox = PollingMailbox(limits, account, self._on_mail)
        self.bucket = TokenBucket(
            limits.messages_per_second, limits.messages_burst, trio.current_time()
        )
        self.hanging: HangingGet | None = None
        self.requests = 0

    @property
    def key(self) -> int:
        """Its id, which is all that an original client shows for itself."""
        return self.member.id

    def _on_mail(self) -> None:
        if self.hanging is not None:
            self.hanging.tell()


def presence_line(presence: Presence) -> str:
    return f"{presence.name},{presence.id},{int(presence.connected)}\n"


def mail_response(member: Member, mail: Mail | Sequence[Presence]) -> Response:
    """An answer that tells a member something: a message, or notices."""
    if not isinstance(mail, Relayed):
        notices = [mail] if isinstance(mail, Presence) else mail
        body = "".join(map(presence_line, notices)).encode("utf-8", "surrogateescape")
        return Response(200, "OK", body, pragma=member.id)
    # As plain text, whatever the sender said: a browser would take it for our own page or script.
    return Response(200, "OK", mail.body, pragma=mail.sender)
