"""Mutants that make no difference, each with the reason: `scripts/mutants` passes over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Change = tuple[str, str, str]
"""The line, what of it is changed, and into what."""

EQUIVALENT: Final[Mapping[str, Mapping[Change, str]]] = {
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
    "rtc/backend/jsep/section_text": {
        ("if len(line.split(None, 1)) < 2:", "1", "2"): "one word is one, however it is split",
        ('return ""', 'return ""', "return None"): "neither is a line",
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
        ("self._phase_began = 0.0", "self._phase_began = 0.0", "pass"): "each cycle sets it",
        ("self._phase_began = 0.0", "0.0", "1.0"): "each cycle sets it",
        ("self._phase_began = 0.0", "0.0", "-1.0"): "each cycle sets it",
        ("self._before_timeout = 0", "0", "1"): "no window is as small",
        ("self._before_timeout = 0", "0", "-1"): "no window is as small",
    },
    "rtc/backend/sctp/machine/cubic": {
        ("self._round_ends_at = 0", "0", "-1"): "nothing less than 0 is delivered",
        ("self._most = 0.0", "0.0", "-1.0"): "no window is as small",
        ("self._most = 0.0", "0.0", "1.0"): "no window is as small",
    },
    "rtc/backend/sctp/machine/pacing": {
        (
            "self.next_at = self._ideal - QUANTUM if self._ideal - QUANTUM <= now else self._ideal",
            "self._ideal - QUANTUM <= now",
            "self._ideal - QUANTUM < now",
        ): "no packet is due then to the last bit",
    },
    "rtc/backend/sctp/machine/rack": {
        (
            "if chunk.transmissions > 1 and trip < self._trips.shortest * 0.9:",
            "trip < self._trips.shortest * 0.9",
            "trip <= self._trips.shortest * 0.9",
        ): "no trip is that to the last bit",
    },
    "rtc/backend/sctp/machine/recovery": {
        (
            "for tsn in range(self._sent.next_tsn - 1, self._sent.acknowledged, -1):",
            "self._sent.next_tsn - 1",
            "self._sent.next_tsn + 1",
        ): "what has not been sent is passed over",
        (
            "if self._repairs and (is_early or chunk.transmissions == 1):",
            "self._repairs and (is_early or chunk.transmissions == 1)",
            "is_early or chunk.transmissions == 1",
        ): "it is only quicker: what was not repaired was not needless",
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
    },
}
