"""The protocol of libwebrtc's peerconnection example, as the server speaks it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import trio

from .connection import Exchange
from .hub import Hub, Mail, MailboxFull, Member, NoSuchMember, Presence
from .names import clean_name, decode_name
from .requests import RequestError
from .responses import Response, error_response

METHODS = {"/sign_in": "GET", "/wait": "GET", "/message": "POST", "/sign_out": "GET"}


class _Hanging:
    """A GET that hangs until there is something to tell."""

    def __init__(self) -> None:
        self.news = trio.Event()
        self.until_superseded = trio.CancelScope()


class ClassicDialect:
    """Answers the requests of classic clients out of a hub.

    Args:
        closing: set when the server drains.
    """

    def __init__(self, hub: Hub, closing: trio.Event):
        self._hub = hub
        self._closing = closing
        self._hanging: dict[int, _Hanging] = {}

    def wake_all(self) -> None:
        """Have every hanging GET look whether the server is closing."""
        for hanging in self._hanging.values():
            hanging.news.set()

    async def handle(self, exchange: Exchange) -> None:
        """Answer a request, or leave it without an answer: then its connection is closed."""
        request = exchange.request
        try:
            if request.method == "OPTIONS":
                await exchange.respond(Response(200, "OK", content_type=None))
                return
            if request.path not in METHODS:
                raise RequestError(
                    404, "Not Found", "This is a signaling server; sign in at /sign_in?NAME."
                )
            if request.method != METHODS[request.path]:
                response = Response(
                    405,
                    "Method Not Allowed",
                    f"{request.path} is asked for with {METHODS[request.path]}.".encode(),
                    extra={"Allow": f"{METHODS[request.path]}, OPTIONS"},
                )
                await exchange.respond(response)
                return
            if request.path == "/sign_in":
                await self._sign_in(exchange)
            elif request.path == "/wait":
                await self._wait(exchange)
            elif request.path == "/message":
                await self._message(exchange)
            else:
                await self._sign_out(exchange)
        except RequestError as error:
            await exchange.respond(error_response(error))

    async def _sign_in(self, exchange: Exchange) -> None:
        name = clean_name(decode_name(exchange.request.query))
        member: Member

        def on_mail() -> None:
            if hanging := self._hanging.get(member.id):
                hanging.news.set()

        member = self._hub.join(name, trio.current_time(), on_mail)
        lines = [_line(Presence(member.id, member.name, connected=True))]
        lines += [_line(Presence(o.id, o.name, connected=True)) for o in self._hub.others(member)]
        body = "".join(lines).encode("utf-8", "surrogateescape")
        await exchange.respond(Response(200, "Added", body, pragma=member.id))

    async def _wait(self, exchange: Exchange) -> None:
        member = self._member(exchange, "peer_id")
        if previous := self._hanging.get(member.id):
            # An empty answer would confuse its client; a closed connection does not.
            previous.until_superseded.cancel()
        hanging = self._hanging[member.id] = _Hanging()
        self._hub.hold(member)
        try:
            with hanging.until_superseded:
                await self._tell_next(exchange, member, hanging)
            if hanging.until_superseded.cancelled_caught:
                # Part of an answer may have been sent; the mail is still to be told.
                exchange.answered = False
        finally:
            self._hub.release(member, trio.current_time())
            if self._hanging.get(member.id) is hanging:
                del self._hanging[member.id]

    async def _tell_next(self, exchange: Exchange, member: Member, hanging: _Hanging) -> None:
        while (mail := self._hub.take(member)) is None:
            if self._closing.is_set():
                await exchange.respond(Response(200, "OK", b"Server shutting down"))
                return
            if not await exchange.wait(hanging.news) or not member.present:
                return
            hanging.news = trio.Event()
        delivered = False
        try:
            if not await exchange.is_gone():
                await exchange.respond(_mail_response(member, mail))
                delivered = True
        finally:
            if delivered:
                self._hub.delivered(member)
            else:
                self._hub.put_back(member)

    async def _message(self, exchange: Exchange) -> None:
        request = exchange.request
        sender_id, to = _number(exchange, "peer_id"), _number(exchange, "to")
        sender = self._hub.member(sender_id)
        content_type = _content_type(request.headers.get("content-type", ""))
        gone = RequestError(500, "Error", "Peer most likely gone.")
        if sender is None:
            raise gone
        if to == sender_id:
            response = Response(200, "OK", request.body, content_type, pragma=to)
            await exchange.respond(response)
            return
        try:
            self._hub.send(sender, to, content_type, request.body)
        except NoSuchMember:
            raise gone from None
        except MailboxFull:
            raise RequestError(
                503, "Service Unavailable", "Too much waits for that peer already."
            ) from None
        await exchange.respond(Response(200, "OK"))

    async def _sign_out(self, exchange: Exchange) -> None:
        self._hub.leave(self._member(exchange, "peer_id"))
        await exchange.respond(Response(200, "OK"))

    def _member(self, exchange: Exchange, parameter: str) -> Member:
        number = _number(exchange, parameter)
        member = self._hub.member(number)
        if member is None:
            raise RequestError(
                404, "Not Found", f"No peer {number} is signed in; it may have been too silent."
            )
        return member


def _number(exchange: Exchange, parameter: str) -> int:
    values = dict(reversed(parse_qsl(exchange.request.query.decode("latin-1"))))
    value = values.get(parameter, "")
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise RequestError(
            400,
            "Bad Request",
            f"{exchange.request.path} needs the number of a peer as {parameter}.",
        )
    return int(value)


def _line(presence: Presence) -> str:
    return f"{presence.name},{presence.id},{int(presence.connected)}\n"


def _mail_response(member: Member, mail: Mail) -> Response:
    if isinstance(mail, Presence):
        body = _line(mail).encode("utf-8", "surrogateescape")
        return Response(200, "OK", body, pragma=member.id)
    return Response(200, "OK", mail.body, mail.content_type, pragma=mail.sender)


def _content_type(value: str) -> str:
    """What a sender says of its message, if it is fit for a header of ours."""
    return value if re.fullmatch(r"[\x20-\x7e]{1,200}", value.strip()) else "text/plain"
