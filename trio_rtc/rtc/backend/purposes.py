"""Purposes for which private names of others are touched: what each is for, and what is lost
without it. docs/design.md has the same table.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Purpose = Literal[
    "host_addresses",
    "trickle",
    "path",
    "datagrams",
    "rollback",
    "early_open",
    "streams",
    "codecs",
    "numbering",
    "recycling",
    "bundle",
    "bitrate",
    "congestion",
    "sender_reports",
    "retransmissions",
    "track_ids",
    "keyframes",
    "sound",
    "picture_limit",
    "receiving",
    "statistics",
    "sctp",
    "path_mtu",
    "dtls",
    "rsa",
]


class Use(NamedTuple):
    """What a purpose is for, and what is so without it."""

    what: str
    without: str


USES: Final[dict[Purpose, Use]] = {
    "host_addresses": Use(
        "host addresses of our choice",
        "a machine without a network cannot call itself",
    ),
    "trickle": Use(
        "candidates that are found during a call",
        "candidates are gathered before a call instead of during it",
    ),
    "path": Use(
        "another ICE agent under the same DTLS transport, signs of life, and checks in time",
        "a connection that is lost is neither noticed soon nor restored",
    ),
    "datagrams": Use(
        "packets that come quickly, and of the other side only",
        "packets are received one at a time, and from strangers",
    ),
    "rollback": Use(
        "taking back an offer",
        "an offer of ours that crosses one of the other side is not taken back",
    ),
    "early_open": Use(
        "a data channel that is open when it is announced",
        "a data channel takes a round trip to open",
    ),
    "streams": Use(
        "SCTP streams that are used again",
        "a lost answer to the closing of a data channel may end the connection",
    ),
    "codecs": Use(
        "codecs of our choice in an answer",
        "only who offers can choose codecs",
    ),
    "numbering": Use(
        "later offers in the numbers of the first ones",
        "peers on other stacks refuse what is added to their calls",
    ),
    "recycling": Use(
        "media sections that are used again",
        "each track that is added to a call has a media section of its own, for good",
    ),
    "bundle": Use(
        "the transport of the section that leads a bundle, for all in it",
        "media that come after a data channel do not connect under max-bundle",
    ),
    "bitrate": Use(
        "a limit to the bitrate of video",
        "the bitrate of video has no limit but that of the receiver",
    ),
    "congestion": Use(
        "transport-wide feedback, and what a path carries by it",
        "browsers that send to us estimate their path worse, and our video follows its path late",
    ),
    "sender_reports": Use(
        "sender reports that tell when media were made, and encoders that may fail",
        "pictures are seen late by what it takes to encode them, and a failure ends them",
    ),
    "retransmissions": Use(
        "packets that are sent again once a round trip",
        "packets are sent again whenever they are asked for, which fills the queue of a slow path",
    ),
    "track_ids": Use(
        "tracks that are sent under the ids of their sources",
        "the other side sees ids of tracks that nobody has chosen",
    ),
    "keyframes": Use(
        "requests for keyframes that reach whose pictures are sent on as they are",
        "who joins a relay waits for the next keyframe",
    ),
    "sound": Use(
        "sound that is encoded on the loop",
        "sound takes more time",
    ),
    "picture_limit": Use(
        "a look at pictures before they are decoded",
        "pictures of any size are decoded",
    ),
    "receiving": Use(
        "received media in time",
        "received media come late, and later after a loss, with times that leap",
    ),
    "statistics": Use(
        "the bytes of a track that is received, and of a transport",
        "there are no counts of bytes",
    ),
    "sctp": Use(
        "data channels that are fast",
        "data channels are slower",
    ),
    "path_mtu": Use(
        "packets of data channels that are as large as the path takes",
        "packets of data channels have 1189 bytes at most",
    ),
    "dtls": Use(
        "DTLS that is fast, does without SRTP, and knows peers with several certificates",
        "data channels are a little slower, and need a peer that has SRTP and one certificate",
    ),
    "rsa": Use(
        "peers whose certificates have RSA keys",
        "peers with an RSA key in their certificate cannot be answered",
    ),
}
