"""A STUN and TURN server on a simulated host (RFC 8489, RFC 8656), over UDP and TCP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import trio

from ...rtc import IceServer
from ...world import Address
from . import stun_messages as stun
from .host import Host
from .packets import TcpSegment
from .simulated_tcp import TcpConnection
from .simulated_udp import UdpSocket
from .stun_messages import StunMessage

PORT: Final = 3478
REALM: Final = b"simulation"
NONCE: Final = b"0123456789abcdef"

ALLOCATION_SECONDS: Final = 600
PERMISSION_SECONDS: Final = 300.0
CHANNEL_SECONDS: Final = 600.0
"""How long each lasts (RFC 8656, sections 7.2, 9 and 12)."""

Client = tuple[str, Address]


class _Allocation:
    def __init__(self, key: bytes, reply: Callable[[bytes], None]):
        self.key = key
        self.reply = reply
        self.until = 0.0
        self.permissions: dict[str, float] = {}
        self.channels: dict[int, tuple[Address, float]] = {}
        self.socket: UdpSocket

    def channel_of(self, peer: Address, now: float) -> int | None:
        for number, (known, until) in self.channels.items():
            if known == peer and until >= now:
                return number
        return None


class TurnServer:
    """A server that tells who asks where it comes from, and relays for who knows the password.

    Args:
        host: where it runs.
        username: of all clients, and
        password: that goes with it.

    Attributes:
        allocations: how many there are now.
        is_silent: whether it answers nobody, as one behind a broken firewall.
    """

    def __init__(self, host: Host, username: str, password: str):
        self.host = host
        self.username = username
        self.password = password
        self.is_silent = False
        self._allocations: dict[Client, _Allocation] = {}
        self.start()

    def start(self) -> None:
        """Listen, as after a crash of its host: what was allocated is lost."""
        self._allocations.clear()
        self._socket = self.host.bind(("", PORT), self._receive)
        self.host.listeners["", PORT] = self._accept

    @property
    def allocations(self) -> int:
        return len(self._allocations)

    @property
    def stun(self) -> IceServer:
        """It as a STUN server, for ``ice_servers`` of a call."""
        return IceServer(f"stun:{self.host.name}:{PORT}")

    @property
    def turn(self) -> IceServer:
        """It as a TURN server over UDP, for ``ice_servers`` of a call."""
        return self._turn("udp")

    @property
    def turn_over_tcp(self) -> IceServer:
        """It as a TURN server over TCP, for those whose router stops UDP."""
        return self._turn("tcp")

    def _turn(self, transport: str) -> IceServer:
        url = f"turn:{self.host.name}:{PORT}?transport={transport}"
        return IceServer(url, self.username, self.password)

    # Clients.

    def _receive(self, data: bytes, source: Address) -> None:
        self._take(("udp", source), data, lambda answer: self._socket.send(answer, source))

    def _accept(self, connection: TcpConnection, _: TcpSegment) -> None:
        client = ("tcp", connection.remote)

        def write(data: bytes) -> None:
            connection.write(data + bytes(-len(data) % 4))

        def read() -> None:
            while (size := _message_size(connection.received)) <= len(connection.received):
                self._take(client, connection.read(size), write)
            if connection.has_ended or connection.is_gone:
                self._free(client)
                connection.close()

        connection.on_change = read

    def _take(self, client: Client, data: bytes, reply: Callable[[bytes], None]) -> None:
        if self.is_silent or not data:
            return
        if 0x40 <= data[0] <= 0x7F:
            self._relay_channel(client, data)
        elif (message := StunMessage.parse(data)) is None:
            return
        elif message.kind == stun.REQUEST:
            self._answer(client, message, reply)
        elif (message.kind, message.method) == (stun.INDICATION, stun.SEND):
            allocation, peer = self._live(client), message.address(stun.XOR_PEER)
            if allocation is not None and peer is not None:
                self._relay(allocation, peer, message.attributes.get(stun.DATA_BYTES, b""))

    def _answer(self, client: Client, request: StunMessage, reply: Callable[[bytes], None]) -> None:
        if request.method == stun.BINDING:
            answer = request.answer(stun.SUCCESS)
            answer.set_address(stun.XOR_MAPPED, client[1])
            reply(answer.encode())
            return
        text = f"{self.username}:{REALM.decode()}:{self.password}"
        key = hashlib.md5(text.encode(), usedforsecurity=False).digest()
        if (
            request.attributes.get(stun.USERNAME) != self.username.encode()
            or request.attributes.get(stun.NONCE) != NONCE
            or not request.is_signed_with(key)
        ):
            answer = _refusal(request, 401, "Unauthorized")
            answer.attributes |= {stun.REALM: REALM, stun.NONCE: NONCE}
            reply(answer.encode())
            return
        reply(self._do(client, request, key, reply).encode(key))

    def _do(
        self,
        client: Client,
        request: StunMessage,
        key: bytes,
        reply: Callable[[bytes], None],
    ) -> StunMessage:
        if request.method == stun.ALLOCATE:
            return self._allocate(client, request, key, reply)
        allocation = self._live(client)
        if allocation is None:
            return _refusal(request, 437, "Allocation Mismatch")
        now, peer = trio.current_time(), request.address(stun.XOR_PEER)
        answer = request.answer(stun.SUCCESS)
        match request.method:
            case stun.REFRESH:
                wanted = int.from_bytes(request.attributes.get(stun.LIFETIME, b"\2\x58"))
                seconds = min(wanted, ALLOCATION_SECONDS)
                if seconds:
                    allocation.until = now + seconds
                else:
                    self._free(client)
                answer.attributes[stun.LIFETIME] = seconds.to_bytes(4)
            case stun.CREATE_PERMISSION if peer is not None:
                allocation.permissions[peer[0]] = now + PERMISSION_SECONDS
            case stun.CHANNEL_BIND if peer is not None:
                number = int.from_bytes(request.attributes.get(stun.CHANNEL_NUMBER, b"")[:2])
                known = allocation.channels.get(number)
                if known is not None and known[0] != peer:
                    return _refusal(request, 400, "Bad Request")
                allocation.channels[number] = (peer, now + CHANNEL_SECONDS)
                allocation.permissions[peer[0]] = now + PERMISSION_SECONDS
            case _:
                return _refusal(request, 400, "Bad Request")
        return answer

    def _allocate(
        self, client: Client, request: StunMessage, key: bytes, reply: Callable[[bytes], None]
    ) -> StunMessage:
        allocation = self._live(client)
        if allocation is None:
            allocation = self._allocations[client] = _Allocation(key, reply)
            made = allocation
            allocation.socket = self.host.bind(
                (self.host.address, 0), lambda data, peer: self._relay_back(made, data, peer)
            )
            allocation.until = trio.current_time() + ALLOCATION_SECONDS
        answer = request.answer(stun.SUCCESS)
        answer.set_address(stun.XOR_RELAYED, allocation.socket.address)
        answer.set_address(stun.XOR_MAPPED, client[1])
        answer.attributes[stun.LIFETIME] = ALLOCATION_SECONDS.to_bytes(4)
        return answer

    def _live(self, client: Client) -> _Allocation | None:
        allocation = self._allocations.get(client)
        if allocation is not None and allocation.until < trio.current_time():
            self._free(client)
            return None
        return allocation

    def _free(self, client: Client) -> None:
        allocation = self._allocations.pop(client, None)
        if allocation is not None:
            allocation.socket.close()

    # Relaying.

    def _relay_channel(self, client: Client, data: bytes) -> None:
        allocation = self._live(client)
        number, size = int.from_bytes(data[:2]), int.from_bytes(data[2:4])
        if allocation is not None and number in allocation.channels:
            self._relay(allocation, allocation.channels[number][0], data[4 : 4 + size])

    def _relay(self, allocation: _Allocation, peer: Address, data: bytes) -> None:
        if allocation.permissions.get(peer[0], 0.0) >= trio.current_time():
            allocation.socket.send(data, peer)

    def _relay_back(self, allocation: _Allocation, data: bytes, peer: Address) -> None:
        now = trio.current_time()
        if self.is_silent or allocation.until < now:
            return
        if allocation.permissions.get(peer[0], 0.0) < now:
            return
        number = allocation.channel_of(peer, now)
        if number is not None:
            allocation.reply(number.to_bytes(2) + len(data).to_bytes(2) + data)
            return
        transaction = self.host.network.random.randbytes(12)
        indication = StunMessage(stun.DATA, stun.INDICATION, transaction)
        indication.set_address(stun.XOR_PEER, peer)
        indication.attributes[stun.DATA_BYTES] = data
        allocation.reply(indication.encode())


def _refusal(request: StunMessage, code: int, reason: str) -> StunMessage:
    answer = request.answer(stun.ERROR)
    answer.attributes[stun.ERROR_CODE] = bytes([0, 0, code // 100, code % 100]) + reason.encode()
    return answer


def _message_size(data: bytes | bytearray) -> int:
    """Bytes of the message at the beginning of a stream (RFC 8656, section 12.5)."""
    if len(data) < 4:
        return 4
    length = int.from_bytes(data[2:4])
    is_channel = 0x40 <= data[0] <= 0x7F
    return 4 + length + -length % 4 if is_channel else 20 + length
