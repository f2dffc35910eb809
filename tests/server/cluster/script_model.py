"""A model of the script in Python: what each operation does to sessions, rooms and mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FENCED, UNKNOWN, FULL, GAP = -1, -2, -3, -5

MOST_MESSAGES, MOST_BYTES, MOST_PEERS = 4, 60, 3


@dataclass
class ModelSession:
    """A session, with its mail."""

    id: int
    name: bytes
    room: bytes
    protocol: bytes
    key: bytes
    state: bytes
    owner: str
    epoch: int = 1
    received: int = 0
    acknowledged: int = 0
    size: int = 0
    mail: list[bytes] = field(default_factory=list)
    generation: int = 1
    verified: int | None = None


class ScriptModel:
    """All that is in Redis.

    Attributes:
        told: the items for each server of the present batch.
    """

    def __init__(self) -> None:
        self.most_messages, self.most_bytes = MOST_MESSAGES, MOST_BYTES
        self.most_peers = MOST_PEERS
        self.sessions: dict[int, ModelSession] = {}
        self.rooms: dict[bytes, dict[bytes, bytes]] = {}
        self.keys: dict[bytes, int] = {}
        self.generation = 1
        self.last_id = 0
        self.told: dict[str, list[bytes]] = {}

    def batch(self, server: str, operations: list[tuple[Any, ...]]) -> tuple[list[Any], bytes]:
        """Do some operations; the answers, and the items for this server."""
        self.told = {}
        answers = [getattr(self, f"do_{name}")(server, *rest) for name, *rest in operations]
        return answers, b"".join(self.told.get(server, []))

    def do_j(
        self, me: str, protocol: bytes, name: bytes, room: bytes, key: bytes, state: bytes, _: str
    ) -> list[Any]:
        if len(self.rooms.get(room, {})) > self.most_peers:
            return [b"full"]
        index = protocol[:1] + key if key else b""
        if index and index in self.keys:
            return [b"taken"]
        self.last_id += 1
        id_ = self.last_id
        name = name or b"peer_%d" % id_
        full = self._tell_room(room, b"J %d %b\n%b" % (id_, protocol, name))
        there = self.rooms[room]
        there[b"%d" % id_] = protocol + b"\0" + name
        session = ModelSession(id_, name, room, protocol, index, state, me)
        session.generation = self.generation
        self.sessions[id_] = session
        if index:
            self.keys[index] = id_
        content = [one for pair in there.items() for one in pair]
        version = int(there[b"v"])
        for other in full:
            self._depart(other)
        return [b"ok", id_, name, version, content]

    def do_s(self, me: str, id_: int, epoch: int, seq: int, to: int, entry: bytes) -> int:
        session = self.sessions.get(id_)
        if session is None or (epoch and (session.owner, session.epoch) != (me, epoch)):
            return FENCED
        if (is_new := self._take_number(session, seq)) != 1:
            return is_new
        receiver = self.sessions.get(to)
        if receiver is None or receiver.room != session.room:
            answer, code = UNKNOWN, b"unknown_peer"
        elif (
            receiver.size + len(entry) > self.most_bytes or len(receiver.mail) >= self.most_messages
        ):
            answer, code = FULL, b"mailbox_full"
            if receiver.size + len(entry) <= self.most_bytes:
                # It is put in and taken out again.
                self._note_generation(receiver)
        else:
            receiver.size += len(entry)
            self._append(receiver, entry)
            return 1
        if seq:
            self._append(session, b"F %d %d %b\n" % (seq, to, code))
        return answer

    def do_r(self, me: str, id_: int, epoch: int, seq: int, listed: str) -> int:
        if (session := self._own(me, id_, epoch)) is None:
            return FENCED
        if (is_new := self._take_number(session, seq)) == 1:
            words = [int(word) for word in listed.split()]
            for sender, number in zip(words[::2], words[1::2], strict=True):
                other = self.sessions.get(sender)
                if other is not None and other.room == session.room:
                    self._append(other, b"F %d %d mailbox_full\n" % (number, id_))
        return is_new

    def do_o(self, me: str, id_: int, epoch: int, entry: bytes) -> int:
        if (session := self._own(me, id_, epoch)) is None:
            return FENCED
        self._append(session, entry)
        return 1

    def do_a(self, me: str, id_: int, epoch: int, received: int, size: int) -> int:
        if (session := self._own(me, id_, epoch)) is None:
            return FENCED
        if 0 < (more := received - session.acknowledged) <= len(session.mail):
            del session.mail[:more]
            session.acknowledged = received
            session.size -= size
        return 1

    def do_l(self, me: str, id_: int, epoch: int) -> int:
        session = self.sessions.get(id_)
        if session is None or session.owner != me or epoch not in (0, session.epoch):
            return FENCED
        self._depart(id_)
        return 1

    def do_f(self, me: str, protocol: bytes, key: bytes) -> list[Any]:
        by_key = key.startswith(b"k")
        id_ = self.keys.get(protocol[:1] + key[1:]) if by_key else int(key[1:])
        session = None if id_ is None else self.sessions.get(id_)
        if session is None or session.protocol != protocol:
            return []
        return [session.id, session.name, session.room, session.epoch, session.state]

    def do_x(
        self, me: str, id_: int, epoch: int, received: int, before: bytes, state: bytes
    ) -> list[Any]:
        session = self.sessions.get(id_)
        if session is None or (session.epoch, session.state) != (epoch, before):
            return [b"no"]
        if received > self._verified(session):
            self._depart(id_)
            return [b"lost"]
        self._verify(session)
        session.epoch += 1
        session.state = state
        if session.owner not in ("", me):
            self._tell(session.owner, b"X 0 %d %d\n" % (id_, session.epoch))
        session.owner = me
        content = [one for pair in self.rooms[session.room].items() for one in pair]
        numbers = session.epoch, session.received, session.acknowledged
        return [b"ok", *numbers, content, list(session.mail)]

    def do_n(self, me: str, id_: int, epoch: int, state: bytes) -> int:
        if (session := self._own(me, id_, epoch)) is None:
            return FENCED
        session.state = state
        return 1

    def do_y(self, me: str, id_: int, epoch: int, top: int, received: int) -> list[Any]:
        if (session := self._own(me, id_, epoch)) is None:
            return [b"fenced"]
        if top > self._verified(session) or received > session.received:
            self._depart(id_)
            return [b"lost"]
        self._verify(session)
        return [b"ok", session.mail[max(0, top - session.acknowledged) :]]

    def do_m(self, me: str, room: bytes) -> list[bytes]:
        return [one for pair in self.rooms.get(room, {}).items() for one in pair]

    def owned(self, server: str) -> list[int]:
        """The sessions of a server."""
        return [one.id for one in self.sessions.values() if one.owner == server]

    def bury(self, server: str) -> None:
        """Take its sessions from a server, so that they are nobody's for now."""
        for id_ in self.owned(server):
            self.sessions[id_].owner = ""
            self.sessions[id_].epoch += 1

    def _own(self, me: str, id_: int, epoch: int) -> ModelSession | None:
        session = self.sessions.get(id_)
        is_own = session is not None and (session.owner, session.epoch) == (me, epoch)
        return session if is_own else None

    def _take_number(self, session: ModelSession, seq: int) -> int:
        if not seq:
            return 1
        if seq <= session.received:
            return 0
        if seq > session.received + 1:
            return GAP
        session.received = seq
        return 1

    def _note_generation(self, session: ModelSession) -> None:
        if session.generation != self.generation:
            session.generation = self.generation
            session.verified = session.acknowledged + len(session.mail)

    def _put(self, session: ModelSession, entry: bytes) -> int:
        self._note_generation(session)
        session.mail.append(entry)
        return session.acknowledged + len(session.mail)

    def _append(self, session: ModelSession, entry: bytes) -> None:
        number = self._put(session, entry)
        item = b"E %d %d %d\n" % (len(entry), session.id, number) + entry
        self._tell(session.owner, item)

    def _verified(self, session: ModelSession) -> int:
        is_noted = session.generation == self.generation and session.verified is not None
        top = session.acknowledged + len(session.mail)
        return session.verified if is_noted and session.verified is not None else top

    def _verify(self, session: ModelSession) -> None:
        session.verified, session.generation = None, self.generation

    def _tell(self, server: str, item: bytes) -> None:
        if server:
            self.told.setdefault(server, []).append(item)

    def _tell_room(self, room: bytes, entry: bytes) -> list[int]:
        there = self.rooms.setdefault(room, {b"v": b"0"})
        there[b"v"] = b"%d" % (int(there[b"v"]) + 1)
        targets: dict[str, list[bytes]] = {}
        full: list[int] = []
        for id_ in [one for one in there if one != b"v"]:
            session = self.sessions[int(id_)]
            number = self._put(session, entry)
            if len(session.mail) > 2 * self.most_messages:
                full.append(session.id)
            if session.owner:
                targets.setdefault(session.owner, []).append(b"%b %d" % (id_, number))
        for server, pairs in targets.items():
            head = b"R %d %d %b\n" % (len(entry), len(room), there[b"v"])
            self._tell(server, head + room + entry)
            self._tell(server, b"E %d %b\n" % (len(entry), b" ".join(pairs)) + entry)
        return full

    def _depart(self, first: int) -> None:
        leaving = [first]
        while leaving:
            if (session := self.sessions.pop(leaving.pop(), None)) is None:
                continue
            there = self.rooms[session.room]
            del there[b"%d" % session.id]
            self._tell(session.owner, b"D 0 %d\n" % session.id)
            if session.key:
                del self.keys[session.key]
            if len(there) == 1:
                del self.rooms[session.room]
            else:
                leaving += self._tell_room(session.room, b"L %d\n" % session.id + session.name)
