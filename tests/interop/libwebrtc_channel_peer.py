"""Data channels of libwebrtc, told what to do.

Run as a process: takes JSON on its standard input, a line for each thing to do, and prints what
happens. An offer is answered; candidates are exchanged as they are found.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import webrtc


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class Peer:
    def __init__(self) -> None:
        self.pc = webrtc.RTCPeerConnection()
        self.channels: dict[str, Any] = {}
        self.pc.on("icecandidate", self.on_candidate)
        self.pc.on("datachannel", lambda event: self.use(event.channel))

    def on_candidate(self, event: Any) -> None:
        if event.candidate is not None and event.candidate.candidate:
            say(
                "candidate",
                candidate=event.candidate.candidate,
                sdp_mid=event.candidate.sdp_mid,
                sdp_m_line_index=event.candidate.sdp_m_line_index,
            )

    def use(self, channel: Any) -> None:
        label = channel.label
        self.channels[label] = channel

        def on_message(event: Any) -> None:
            data = event.data
            text = isinstance(data, str)
            size = len(data.encode()) if text else len(data)
            say(
                "message",
                label=label,
                text=text,
                size=size,
                data=data if size < 100 and text else "",
            )
            if label.startswith("echo"):
                channel.send(data)

        channel.on("message", on_message)
        channel.on("open", lambda _: say("open", label=label, id=channel.id))
        channel.on("close", lambda _: say("closed", label=label))
        channel.on("error", lambda event: say("error", label=label, why=str(event.error)))
        # Only now: whoever hears of it may send at once.
        say(
            "channel",
            label=label,
            protocol=channel.protocol,
            ordered=channel.ordered,
            negotiated=channel.negotiated,
            id=channel.id,
            max_retransmits=channel.max_retransmits,
            max_packet_life_time=channel.max_packet_life_time,
        )

    async def do(self, order: dict[str, Any]) -> None:
        match order.pop("do"):
            case "answer":
                await self.pc.set_remote_description(
                    webrtc.RTCSessionDescriptionInit(type="offer", sdp=order["sdp"])
                )
                await self.pc.set_local_description()
                assert self.pc.local_description is not None
                say("answer", sdp=self.pc.local_description.sdp)
            case "candidate":
                await self.pc.add_ice_candidate(webrtc.RTCIceCandidateInit(**order))
            case "create":
                label = order.pop("label")
                self.use(self.pc.create_data_channel(label, webrtc.RTCDataChannelInit(**order)))
            case "send":
                channel = self.channels[order["label"]]
                size = order.get("size")
                try:
                    channel.send(order["text"] if size is None else b"x" * size)
                except TypeError as error:
                    say("refused", why=str(error))
            case "close":
                self.channels[order["label"]].close()


async def main() -> None:
    peer = Peer()
    say("ready")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await peer.do(json.loads(line))
    peer.pc.close()
    say("done")


asyncio.run(main())
