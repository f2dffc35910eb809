"""Decoders of sound, and what they make up for packets that are lost."""

from __future__ import annotations

import math
from array import array
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import AudioFrame, CodecContext

from trio_rtc.rtc.backend.media.receiving.sound import opus, sound_decoding
from trio_rtc.rtc.backend.media.receiving.sound.opus import OpusDecoder, opus_samples
from trio_rtc.rtc.backend.media.receiving.sound.playout import Concealment, SoundPacket
from trio_rtc.rtc.backend.media.receiving.sound.sound_decoding import sound_decoder, sound_length

OPUS = RTCRtpCodecParameters("audio/opus", 48_000, channels=2, payloadType=96)
PCMU = RTCRtpCodecParameters("audio/PCMU", 8000, channels=1, payloadType=0)
PCMA = RTCRtpCodecParameters("audio/PCMA", 8000, channels=1, payloadType=8)
G722 = RTCRtpCodecParameters("audio/G722", 8000, channels=1, payloadType=9)
SOUNDS = [OPUS, PCMU, PCMA, G722]


def tone(number: int) -> AudioFrame:
    wave = [
        int(10_000 * math.sin(2 * math.pi * 440 * (number * 960 + sample) / 48_000))
        for sample in range(960)
    ]
    frame = AudioFrame("s16", "mono", 960)
    frame.planes[0].update(array("h", wave).tobytes())
    frame.sample_rate = 48_000
    frame.pts, frame.time_base = number * 960, Fraction(1, 48_000)
    return frame


def packets(codec: RTCRtpCodecParameters, count: int) -> list[SoundPacket]:
    encoder: Any = get_encoder(codec)
    payloads = [payload for n in range(count) for payload in encoder.encode(tone(n))[0]]
    length = sound_length(codec)
    found, time = [], 0
    for number, payload in enumerate(payloads):
        found.append(SoundPacket(number, time, length(payload), payload))
        time += found[-1].length
    return found


def loudness(frame: AudioFrame | None) -> float:
    assert frame is not None
    return float(np.sqrt(np.mean(frame.to_ndarray().astype(np.float64) ** 2)))


@pytest.mark.parametrize("codec", SOUNDS, ids=lambda codec: codec.name)
def test_all_have_their_place_and_a_lost_one_is_like_those_around_it(
    codec: RTCRtpCodecParameters,
) -> None:
    decoder = sound_decoder(codec)
    sent = packets(codec, 30)
    assert {packet.length for packet in sent} == {codec.clockRate // 50}
    usual = 0.0
    for packet in sent:
        if packet.number == 20:
            following = sent[21]
            frame = decoder.conceal(Concealment(packet.time, packet.length, following))
            assert loudness(frame) > usual / 4
        else:
            frame = decoder.decode(packet)
            usual = loudness(frame)
        assert frame is not None
        assert frame.samples == frame.sample_rate // 50
        assert frame.time == pytest.approx(packet.number * 0.02)
        assert frame.time_base == Fraction(1, frame.sample_rate)
    assert usual > 1000
    # What is made up for long fades away.
    for number in range(40):
        frame = decoder.conceal(Concealment(sent[-1].time + number, sent[-1].length, None))
    assert loudness(frame) < usual / 4


@pytest.mark.parametrize("codec", SOUNDS, ids=lambda codec: codec.name)
def test_nothing_to_begin_with(codec: RTCRtpCodecParameters) -> None:
    frame = sound_decoder(codec).conceal(Concealment(0, codec.clockRate // 50, None))
    assert frame is None or loudness(frame) == 0


def test_without_libopus_the_last_piece_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus, "_library", lambda: None)
    decoder = sound_decoder(OPUS)
    assert isinstance(decoder, sound_decoding._Repeating)
    sent = packets(OPUS, 10)
    frame = [decoder.decode(packet) for packet in sent][-1]
    made = decoder.conceal(Concealment(sent[-1].time + 960, 960, None))
    assert made is not None
    assert made.samples == 960
    assert loudness(frame) / 2 < loudness(made) < loudness(frame)


def test_a_copy_in_the_packet_behind_is_made_use_of() -> None:
    """Forward error correction: what is lost is heard, though nothing was like it before."""
    encoder: Any = CodecContext.create("libopus", "w")
    encoder.bit_rate, encoder.format, encoder.layout = 32_000, "s16", "mono"
    encoder.sample_rate, encoder.time_base = 48_000, Fraction(1, 48_000)
    encoder.options = {"application": "voip", "fec": "1", "packet_loss": "30"}
    payloads: list[bytes] = []
    for number in range(40):
        frame = tone(number)
        if number < 20:
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    heard = {}
    # All before the loss is silence.
    for following in (None, payloads[30]):
        decoder = OpusDecoder()
        for payload in payloads[:20]:
            decoder.decode(payload)
        heard[following] = np.frombuffer(bytes(decoder.conceal(960, following)), np.int16)
    assert np.abs(heard[None].astype(int)).max() < 100
    assert np.abs(heard[payloads[30]].astype(int)).max() > 500


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\xfc", 960),
        (b"\xf8\xff", 960),
        (b"\x08", 960),
        (b"\x18" + b"x", 2880),
        (b"\xfd" + b"xx", 1920),
        (b"\xe0" + b"x", 120),
        (b"\xff\x06" + b"x" * 9, 5760),
        (b"\x63\x01x", 480),
    ],
)
def test_how_long_a_packet_is(payload: bytes, samples: int) -> None:
    assert opus_samples(payload) == samples


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\xff\x00", b"\xff\x07xx", b"\x1b\x03"])
def test_what_is_no_packet(payload: bytes) -> None:
    with pytest.raises(ValueError, match="Opus"):
        opus_samples(payload)


@pytest.mark.parametrize("codec", SOUNDS[:1], ids=lambda codec: codec.name)
def test_what_cannot_be_decoded(codec: RTCRtpCodecParameters) -> None:
    with pytest.raises(ValueError, match="cannot decode"):
        sound_decoder(codec).decode(SoundPacket(0, 0, 960, b"\xff" * 9))
    with pytest.raises(ValueError, match="cannot decode"):
        sound_decoding._Repeating(codec).decode(SoundPacket(0, 0, 960, b"\xff" * 9))
