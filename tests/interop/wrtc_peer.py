"""A peer on libwebrtc.

Run as a process: takes JSON on its standard input, a line for each thing: what the other side
says, or ``{"do": ...}``. Prints events; of these "signal" is what it says to the other side.
Channels whose label begins with "echo" send back what comes over them.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import webrtc


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class Peer:
    def __init__(self) -> None:
        self.pc = webrtc.RTCPeerConnection()
        self.channels: dict[str, Any] = {}
        self.received: dict[str, Any] = {}
        self.senders: list[Any] = []
        self.unanswered = self.wanted = False
        self.pc.on("icecandidate", self.on_candidate)
        self.pc.on("datachannel", lambda event: self.use(event.channel))
        self.pc.on("track", self.on_track)
        self.pc.on(
            "connectionstatechange", lambda _: say("state", state=str(self.pc.connection_state))
        )

    def on_candidate(self, event: Any) -> None:
        if event.candidate is not None and event.candidate.candidate:
            message = {
                "candidate": event.candidate.candidate,
                "sdpMid": event.candidate.sdp_mid,
                "sdpMLineIndex": event.candidate.sdp_m_line_index,
            }
            say("signal", message=message)

    def on_track(self, event: Any) -> None:
        kind = getattr(event.track.kind, "value", event.track.kind)
        # The first one stays, while others come and go.
        self.received.setdefault(kind, event.track)
        say("track", kind=kind)

    def use(self, channel: Any) -> None:
        label = channel.label
        self.channels[label] = channel

        def on_message(event: Any) -> None:
            if label.startswith("echo"):
                channel.send(event.data)

        channel.on("message", on_message)
        channel.on("open", lambda _: say("channel", label=label))
        channel.on("close", lambda _: say("closed", label=label))
        if str(getattr(channel.ready_state, "value", channel.ready_state)) == "open":
            say("channel", label=label)

    async def offer(self) -> None:
        # One after the other.
        state = self.pc.signaling_state
        self.wanted = self.unanswered and getattr(state, "value", state) != "stable"
        if not self.wanted:
            self.unanswered = True
            await self.describe()

    async def describe(self) -> None:
        await self.pc.set_local_description()
        description = self.pc.local_description
        assert description is not None
        kind = getattr(description.type, "value", description.type)
        # Candidates are told one by one.
        sdp = re.sub(r"^a=(candidate:.*|end-of-candidates)\r\n", "", description.sdp, flags=re.M)
        say("signal", message={"type": str(kind), "sdp": sdp})

    async def perform(self, order: dict[str, Any]) -> None:
        match order:
            case {"do": "call", "media": media}:
                if order.get("channel", True):
                    self.use(self.pc.create_data_channel("echo"))
                for kind in media:
                    self.pc.add_transceiver(
                        kind,
                        webrtc.RTCRtpTransceiverInit(
                            direction=webrtc.RTCRtpTransceiverDirection.recvonly
                        ),
                    )
                await self.offer()
            case {"do": "add track", "kind": kind}:
                self.senders.append(self.pc.add_track(self.received[kind].clone()))
                await self.offer()
            case {"do": "remove track"}:
                self.pc.remove_track(self.senders.pop())
                await self.offer()
            case {"do": "open", "label": label}:
                self.use(self.pc.create_data_channel(label))
            case {"do": "close"}:
                self.pc.close()

    async def take(self, line: dict[str, Any]) -> None:
        match line:
            case {"do": _}:
                await self.perform(line)
            case {"type": "bye"}:
                say("bye")
            case {"type": kind, "sdp": sdp}:
                await self.pc.set_remote_description(
                    webrtc.RTCSessionDescriptionInit(type=kind, sdp=sdp)
                )
                if kind == "offer":
                    await self.describe()
                    if self.unanswered:
                        # It has been rolled back.
                        await self.offer()
                else:
                    self.unanswered = False
                    if self.wanted:
                        await self.offer()
            case {"candidate": candidate} if candidate:
                await self.pc.add_ice_candidate(
                    webrtc.RTCIceCandidateInit(
                        candidate=candidate,
                        sdp_mid=line.get("sdpMid"),
                        sdp_m_line_index=line.get("sdpMLineIndex"),
                    )
                )


async def main() -> None:
    peer = Peer()
    say("ready")
    loop = asyncio.get_running_loop()
    while text := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            await peer.take(json.loads(text))
        except Exception as error:  # noqa: BLE001
            say("error", why=str(error))
    peer.pc.close()


asyncio.run(main())
