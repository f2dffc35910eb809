"""Later offers keep the payload types and extension ids of a peer that counts otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from trio_rtc.rtc import PeerConnection, open_media, open_peer_connection
from trio_rtc.wire.messages import SessionDescription

#: What browsers say, where aiortc has other numbers.
AS_BROWSERS_DO = (
    ("opus/48000/2", 111),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", 4),
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", 2),
)


def numbers(sdp: str, kind: str = "") -> dict[str, list[int]]:
    """What stands for each codec and extension, in the sections of a kind."""
    found: dict[str, list[int]] = {}
    for section in re.split(r"^m=", sdp, flags=re.M)[1:]:
        if section.startswith(kind):
            for number, name in re.findall(r"^a=(?:rtpmap|extmap):(\d+) (\S+)", section, re.M):
                found.setdefault(name, []).append(int(number))
    return found


def renumbered(description: SessionDescription, *others: tuple[str, int]) -> SessionDescription:
    """The same, in which other numbers stand for these."""
    sdp = description.sdp
    for name, number in others:
        for section in re.findall(r"^m=.*?(?=^m=|\Z)", sdp, re.M | re.S):
            for found in re.findall(
                rf"^a=(?:rtpmap|extmap):(\d+) {re.escape(name)}\s", section, re.M
            ):
                new = re.sub(rf"^(a=\w+(?:-fb)?:){found} ", rf"\g<1>{number} ", section, flags=re.M)
                new = re.sub(rf"^(m=\S+ \d+ \S+ .*)\b{found}\b", rf"\g<1>{number}", new)
                new = new.replace(f"apt={found}\r", f"apt={number}\r")
                sdp = sdp.replace(section, new)
    return replace(description, sdp=sdp)


async def offer_of(
    kinds: Sequence[str], *, but: Sequence[str] = (), data_channels: bool = True
) -> SessionDescription:
    """An offer of these media, by a peer that counts as browsers do."""
    async with open_peer_connection(bundle_policy="max-bundle") as connection:
        connection.offer_to_receive(kinds, data_channels=data_channels)  # type: ignore[arg-type]
        offer = await connection.set_local_description()
    lines = offer.sdp.splitlines(keepends=True)
    sdp = "".join(line for line in lines if not any(part in line for part in but))
    return renumbered(replace(offer, sdp=sdp), *AS_BROWSERS_DO)


async def answer(connection: PeerConnection, offer: SessionDescription) -> SessionDescription:
    await connection.set_remote_description(offer)
    return await connection.set_local_description()


async def test_what_was_negotiated_is_offered_again() -> None:
    offer = await offer_of(["audio", "video"])
    async with open_peer_connection() as connection:
        answered = numbers((await answer(connection, offer)).sdp)
        assert answered["opus/48000/2"] == [111]
        assert answered["urn:ietf:params:rtp-hdrext:sdes:mid"] == [4, 4]
        for _ in range(2):
            again = await connection.set_local_description()
            assert numbers(again.sdp) == answered
            await connection.roll_back()


async def test_a_new_section_counts_like_the_others() -> None:
    offer = await offer_of(["audio"])
    async with (
        open_media(video="pattern", audio="tone") as tracks,
        open_peer_connection() as connection,
    ):
        await answer(connection, offer)
        for track in tracks:
            await connection.add_track(track)
        await connection.add_track(tracks[0])
        again = (await connection.set_local_description()).sdp
        found = numbers(again)
        # One thing per number and one number per thing, in the whole bundle.
        assert set(found["opus/48000/2"]) == {111}
        assert set(found["urn:ietf:params:rtp-hdrext:sdes:mid"]) == {4}
        assert len(set(found["VP8/90000"])) == 1
        for pattern in (r"^a=extmap:(\d+) (\S+)", r"^a=rtpmap:(\d+) (\S+)"):
            meanings: dict[str, set[str]] = {}
            for number, meaning in re.findall(pattern, again, re.M):
                meanings.setdefault(number, set()).add(meaning)
            assert all(len(meaning) == 1 for meaning in meanings.values()), meanings
        for section in re.findall(r"^m=video.*?(?=^m=|\Z)", again, re.M | re.S):
            types = set(re.findall(r"^a=rtpmap:(\d+)", section, re.M))
            assert set(re.findall(r"apt=(\d+)", section)) <= types
            assert types == set(section.splitlines()[0].split()[3:])


async def test_a_number_that_is_taken_stands_for_nothing_else() -> None:
    # 97 is what aiortc has for VP8.
    offer = renumbered(await offer_of(["audio"]), ("opus/48000/2", 97))
    async with open_media(video="pattern") as [video], open_peer_connection() as connection:
        await answer(connection, offer)
        await connection.add_track(video)
        found = numbers((await connection.set_local_description()).sdp)
        assert found["opus/48000/2"] == [97]
        assert found["VP8/90000"] != [97]


async def test_codecs_of_another_choice_are_offered_in_free_numbers() -> None:
    offer = await offer_of(["video"], but=["H264", "profile-level-id"])
    async with open_peer_connection() as connection:
        answered = numbers((await answer(connection, offer)).sdp)
        assert "H264/90000" not in answered
        connection.prefer_codecs(["H264", "VP8"])
        found = numbers((await connection.set_local_description()).sdp)
        assert found["VP8/90000"] == answered["VP8/90000"]
        assert not set(found["H264/90000"]) & set(found["VP8/90000"] + found["rtx/90000"])


async def test_no_number_is_left() -> None:
    offer = await offer_of(["audio"])
    mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
    line = next(line for line in offer.sdp.splitlines() if mid in line)
    others = "".join(f"a=extmap:{n} urn:other:{n}\r\n" for n in (2, 3, *range(5, 15)))
    crowded = offer.sdp.replace(f"{line}\r\n", f"{line}\r\n{others}")
    async with open_media(video="pattern") as [video], open_peer_connection() as connection:
        await answer(connection, replace(offer, sdp=crowded))
        await connection.add_track(video)
        found = numbers((await connection.set_local_description()).sdp, "video")
        assert found[mid] == [4]
        assert "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" not in found
