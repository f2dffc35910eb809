"""Mutants that make no difference, each with the reason: `scripts/mutants` passes over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Change = tuple[str, str, str]
"""The line, what of it is changed, and into what."""

EQUIVALENT: Final[Mapping[str, Mapping[Change, str]]] = {
    "calls/negotiation": {
        ("self._offers += 1", "1", "2"): "numbers of offers are only compared",
    },
    "wire/files": {
        (
            "for length in range(1, len(names) + 1):",
            "1",
            "0",
        ): "the folder of all is a folder in each path",
    },
    "wire/whip": {
        ("position = 0", "0", "-1"): "before the beginning is at the beginning",
    },
    "wire/names": {
        (
            "if len(cut) < len(encoded) and _is_utf8(encoded):",
            "len(cut) < len(encoded) and _is_utf8(encoded)",
            "_is_utf8(encoded)",
        ): "of what is not cut nothing is left out",
    },
    "wire/rate": {
        (
            "if tokens > self._burst:",
            "tokens > self._burst",
            "tokens >= self._burst",
        ): "as many are as many",
    },
    "wire/session": {
        ("size = len(messages[0])", "0", "-1"): "it is the only one yet",
    },
    "server/scheduling/flush_batches": {
        (
            "if not self._depth and self._marked:",
            "not self._depth and self._marked",
            "not self._depth",
        ): "where nothing is marked nothing is done",
    },
    "rtc/channels/framing": {
        ("self._next_id = 0", "0", "1"): "ids need only differ",
        ("self._next_id = 0", "0", "-1"): "ids need only differ",
    },
    "rtc/backend/jsep/bundling": {
        (
            "kept = [mid for mid in line.split()[1:] if mid in mids]",
            "1",
            "0",
        ): "the name of the attribute is no id",
    },
    "rtc/backend/jsep/descriptions": {
        (
            "for index, (section, media) in enumerate(zip(sections, parsed.media, strict=True)):",
            "True",
            "False",
        ): "each section was parsed",
    },
    "rtc/backend/jsep/numbering": {
        (line, "True", "False"): "there is a key for each codec"
        for line in (
            "for codec, key in zip(media.rtp.codecs, keys, strict=True):",
            "there_is = dict(zip(_keys(codecs), codecs, strict=True))",
            "for key, codec in zip(_keys(numbered), numbered, strict=True)",
            "for original, key in zip(codecs, _keys(codecs), strict=True):",
        )
    },
    "rtc/backend/jsep/section_text": {
        ("if len(line.split(None, 1)) < 2:", "1", "2"): "one word is one, however it is split",
        ('return ""', 'return ""', "return None"): "neither is a line",
    },
    "rtc/backend/media/congestion/bandwidth_estimate": {
        ("self._silence = 0.0", "0.0", "1.0"): "the first feedback sets it",
        ("self._silence = 0.0", "0.0", "-1.0"): "the first feedback sets it",
    },
    "rtc/backend/media/congestion/delay_gradient": {
        (
            "gain = K_DOWN if abs(offset) < self._threshold else K_UP",
            "abs(offset) < self._threshold",
            "abs(offset) <= self._threshold",
        ): "what is no difference times either is none",
    },
    "rtc/backend/media/congestion/sent_packets": {
        ("self._clock = 0", "0", "1"): "the first feedback sets it",
        ("self._clock = 0", "0", "-1"): "the first feedback sets it",
    },
    "rtc/backend/media/receiving/pictures/frame_size": {
        (
            "return (number + 1) // 2 if number % 2 else -(number // 2)",
            "1",
            "2",
        ): "half of an odd number is rounded down",
    },
    "rtc/backend/media/receiving/pictures/keyframes": {
        (
            "self._asked, self._interval, self._wanted = None, FIRST_SECONDS, False",
            "False",
            "True",
        ): "what was never asked for is not asked for again",
        (
            "if not self._wanted or self._asked is None:",
            "not self._wanted or self._asked is None",
            "not self._wanted",
        ): "what is wanted has been asked for",
    },
    "rtc/backend/media/receiving/pictures/picture_buffer": {
        ("return False", "return False", "return None"): "only its truth counts",
    },
    "rtc/backend/media/receiving/pictures/picture_packets": {
        (
            "while place >= 0 and place + 4 < len(data):",
            "place + 4 < len(data)",
            "place + 4 <= len(data)",
        ): "a slice without a header is of no type",
    },
    "rtc/backend/media/receiving/sound/playout": {
        ("self._end = 0", "self._end = 0", "pass"): "the first that is played sets it",
        ("self._end = 0", "0", "1"): "the first that is played sets it",
        ("self._end = 0", "0", "-1"): "the first that is played sets it",
        ("self._concealed = 0", "0", "-1"): "it is less than a sample",
        ("self._concealed = 0", "0", "1"): "it is less than a sample",
        (
            "if self._last is not None and self._next is not None and self._is_lost(first):",
            "self._last is not None and self._next is not None and self._is_lost(first)",
            "self._last is not None and self._is_lost(first)",
        ): "what is lost comes behind another",
        (
            "if self._last is not None and self._next is not None and self._is_lost(first):",
            "self._last is not None and self._next is not None and self._is_lost(first)",
            "self._next is not None and self._is_lost(first)",
        ): "what is lost comes behind another",
    },
    "rtc/backend/media/receiving/source": {
        ("self._highest = 0", "0", "-1"): "no number is as small",
        ("self._arrived = 0.0", "self._arrived = 0.0", "pass"): "the first packet sets it",
        ("self._arrived = 0.0", "0.0", "1.0"): "the first packet sets it",
        ("self._arrived = 0.0", "0.0", "-1.0"): "the first packet sets it",
    },
    "rtc/backend/media/receiving/stream_clock": {
        ("self._timestamp = 0", "self._timestamp = 0", "pass"): "the first packet sets it",
        ("self._timestamp = 0", "0", "1"): "the first packet sets it",
        ("self._timestamp = 0", "0", "-1"): "the first packet sets it",
        ("self._length = 0", "self._length = 0", "pass"): "the first packet sets it",
        ("self._length = 0", "0", "1"): "the first packet sets it",
        ("self._length = 0", "0", "-1"): "the first packet sets it",
    },
    "rtc/backend/media/receiving/timeline": {
        (
            "self._leader_is_sound = False",
            "self._leader_is_sound = False",
            "pass",
        ): "the first that leads sets it",
        (
            "self._leader, self._leader_is_sound = None, False",
            "False",
            "True",
        ): "the next that leads sets it",
        (
            "if track is self._leader or not leading:",
            "track is self._leader or not leading",
            "not leading",
        ): "who leads is in sync with itself",
    },
    "rtc/backend/media/receiving/drift": {
        ("self._reference = 0.0", "0.0", "1.0"): "the first packet is what all is compared with",
        ("self._reference = 0.0", "0.0", "-1.0"): "the first packet is what all is compared with",
        ("self._settled = 0.0", "0.0", "1.0"): "the first packet sets it",
        ("self._settled = 0.0", "0.0", "-1.0"): "the first packet sets it",
        (
            "if abs(off) < STILL_SECONDS:",
            "abs(off) < STILL_SECONDS",
            "abs(off) <= STILL_SECONDS",
        ): "no lateness is that to the last bit",
    },
    "rtc/backend/media/receiving/nack": {
        ("self._variation = 0.0", "self._variation = 0.0", "pass"): "the first answer sets it",
        ("self._variation = 0.0", "0.0", "1.0"): "the first answer sets it",
        ("self._variation = 0.0", "0.0", "-1.0"): "the first answer sets it",
    },
    "rtc/backend/sctp/machine/bbr": {
        ("self._bandwidth = 0.0", "0.0", "-1.0"): "each acknowledgement sets it",
        ("self._phase = 0", "0", "1"): "each cycle sets it",
        ("self._phase = 0", "0", "-1"): "each cycle sets it",
        ("self._phase_began = 0.0", "self._phase_began = 0.0", "pass"): "each cycle sets it",
        ("self._phase_began = 0.0", "0.0", "1.0"): "each cycle sets it",
        ("self._phase_began = 0.0", "0.0", "-1.0"): "each cycle sets it",
        ("self._variation = 0.0", "0.0", "1.0"): "each acknowledgement sets it",
        ("self._variation = 0.0", "0.0", "-1.0"): "each acknowledgement sets it",
        (
            "longest = max(self._trips, default=0.0) if has_queue else 0.0",
            "0.0",
            "-1.0",
        ): "a product is no less than nothing",
        ("self._before_timeout = 0", "0", "1"): "no window is as small",
        ("self._before_timeout = 0", "0", "-1"): "no window is as small",
    },
    "rtc/backend/sctp/machine/cubic": {
        ("self._round_ends_at = 0", "0", "-1"): "nothing less than 0 is delivered",
        ("self._most = 0.0", "0.0", "-1.0"): "no window is as small",
        ("self._most = 0.0", "0.0", "1.0"): "no window is as small",
        ("self._estimate = 0.0", "self._estimate = 0.0", "pass"): "each epoch sets it",
        ("self._estimate = 0.0", "0.0", "1.0"): "each epoch sets it",
        ("self._estimate = 0.0", "0.0", "-1.0"): "each epoch sets it",
    },
    "rtc/backend/sctp/machine/delivery_rate": {
        ("self._limited_until = 0", "0", "-1"): "nothing less than 0 is delivered",
    },
    "rtc/backend/sctp/machine/pacing": {
        ("self._burst = 0", "0", "1"): "no packet is as small",
        ("self._burst = 0", "0", "-1"): "no packet is as small",
        (
            "self.next_at = self._ideal - QUANTUM if self._ideal - QUANTUM <= now else self._ideal",
            "self._ideal - QUANTUM <= now",
            "self._ideal - QUANTUM < now",
        ): "no packet is due then to the last bit",
    },
    "rtc/backend/sctp/machine/partial_reliability": {
        (
            "self._told_at = 0.0",
            "self._told_at = 0.0",
            "pass",
        ): "it is told first",
        ("self._told_at = 0.0", "0.0", "1.0"): "it is told first",
        ("self._told_at = 0.0", "0.0", "-1.0"): "it is told first",
    },
    "rtc/backend/sctp/machine/rack": {
        ("self._patience = 0", "0", "-1"): "there is none to begin with, and no step to take back",
        ("self._patience = 0", "0", "1"): "there is none to begin with, and no step to take back",
        (
            "if chunk.transmissions > 1 and trip < self._trips.shortest * 0.9:",
            "trip < self._trips.shortest * 0.9",
            "trip <= self._trips.shortest * 0.9",
        ): "no trip is that to the last bit",
    },
    "rtc/backend/sctp/machine/recovery": {
        ("self._order = -1", "1", "0"): "what is sent first is the first",
        (
            "if chunk.order > newest.order:",
            "chunk.order > newest.order",
            "chunk.order >= newest.order",
        ): "only itself is as old",
        (
            "if chunk.transmissions == 1 and (once is None or chunk.order > once.order):",
            "chunk.order > once.order",
            "chunk.order >= once.order",
        ): "only itself is as old",
        (
            "if self._repairs and (is_early or chunk.transmissions == 1):",
            "self._repairs and (is_early or chunk.transmissions == 1)",
            "is_early or chunk.transmissions == 1",
        ): "it is only quicker: what was not repaired was not needless",
    },
    "rtc/backend/sctp/machine/rtt": {
        ("self._of_before = inf", "self._of_before = inf", "pass"): "the first trip sets it",
    },
    "rtc/backend/sctp/machine/serial": {
        (
            "return near + ((bits - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000",
            "bits - near + 0x80000000",
            "bits - near - 2147483648",
        ): "the same of 32 bits",
    },
    "rtc/backend/sctp/path_mtu": {
        ("self._round += 1", "1", "2"): "rounds are only compared",
        ("self._valid_from = 0", "0", "-1"): "no round is as small",
    },
    "server/hub/mail": {
        (
            "super().__init__(limit)",
            "super().__init__(limit)",
            "pass",
        ): "what an exception is made of is its text anyway",
    },
    "server/http/proxies": {
        ("return False", "return False", "return None"): "only its truth counts",
    },
    "server/http/serving/request_builder": {
        (
            'if not first and line[:1] in (b" ", b"\\t"):',
            'not first and line[:1] in (b" ", b"\\t")',
            "line[:1] in (b' ', b'\\t')",
        ): "what begins so is no request, and does not get here",
    },
    "signaling/client_session": {
        ("self._written = 0", "0", "1"): "each connection that is accepted sets it",
        ("self._written = 0", "0", "-1"): "each connection that is accepted sets it",
    },
}
