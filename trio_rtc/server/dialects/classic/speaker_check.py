"""Whether a request is of the classic peer in whose name it comes. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from ...counters import Statistics
from ...http.connection import HttpExchange
from ...http.requests import RequestError


@dataclass(slots=True)
class SpeakerCheck:
    """What a request shows for itself, to be held against the peer that it names.

    An id is all that an original client shows, and ids are counted up, anew by each server that
    starts. So a request in the name of a peer has to come from where that peer signed in; see
    `addresses.client_network`. It does not stop those who come from there too: on the same host,
    behind the same network address translator, or behind the same proxy. Clients of this project
    show their session, which is all that counts then: they may come from elsewhere, and are not
    taken for who has their id at a server that was started again.

    Attributes:
        exchange: the request, and where its answer goes.
        number: the id of the peer, as the request says.
        session: what it shows as that peer's session; None if nothing.
        is_bound: whether the client network counts.
    """

    exchange: HttpExchange
    number: int
    session: str | None
    is_bound: bool
    statistics: Statistics

    def __call__(self, client_network: str, session: str) -> None:
        """Hold it against a peer with these.

        Raises:
            RequestError: it is of somebody else.
        """
        if self.session is not None:
            if not compare_digest(self.session.encode(), session.encode()):
                raise not_signed_in(self.number)
        elif self.is_bound and client_network != self.exchange.client_network:
            self.statistics.refused += 1
            raise RequestError(
                403, "Forbidden", f"Peer {self.number} signed in from another address."
            )


def not_signed_in(number: int) -> RequestError:
    """Who is refused because nobody of this id is signed in, or no longer the one who was."""
    return RequestError(
        404, "Not Found", f"No peer {number} is signed in; it may have been too silent."
    )
