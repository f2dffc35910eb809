"""Tokens that are made here are those that a server admits."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trio_rtc.server.authorize import JoinRequest, NotAuthorized, jwt_tokens
from trio_rtc.server.token_signing import sign_token

SECRET = "0123456789abcdef" * 4


def pair() -> tuple[str, str]:
    """A private key, and its public one, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def asking(token: str, name: str = "", room: str = "") -> JoinRequest:
    return JoinRequest(name=name, room=room, token=token, address="192.0.2.1")


async def test_a_token_gives_what_it_says() -> None:
    token = sign_token(SECRET, "HS256", seconds=60, name="alice", room="den", subject="17")
    admit = jwt_tokens(SECRET, ["HS256"])
    admission = await admit(asking(token))
    assert (admission.name, admission.room, admission.subject) == ("alice", "den", "sub:17")
    with pytest.raises(NotAuthorized, match="not for 'attic'"):
        await admit(asking(token, room="attic"))


async def test_one_without_names_lets_them_be_chosen() -> None:
    admission = await jwt_tokens(SECRET, ["HS256"])(
        asking(sign_token(SECRET, "HS256", seconds=60), "bob", "attic")
    )
    assert (admission.name, admission.room) == ("bob", "attic")


async def test_a_pair_of_keys() -> None:
    private, public = pair()
    token = sign_token(private, "ES256", seconds=60, audience="here", issuer="us")
    await jwt_tokens(public, ["ES256"], audience="here", issuer="us")(asking(token, "bob"))
    with pytest.raises(NotAuthorized, match="another audience"):
        await jwt_tokens(public, ["ES256"], audience="there")(asking(token, "bob"))


async def test_it_ends() -> None:
    token = sign_token(SECRET, "HS256", seconds=0.001)
    with pytest.raises(NotAuthorized, match="expired"):
        await jwt_tokens(SECRET, ["HS256"], leeway=0)(asking(token, "bob"))


@pytest.mark.parametrize(
    ("key", "algorithm", "options", "why"),
    [
        ("short", "HS256", {}, "the key is too weak"),
        (SECRET, "none", {}, "without a signature"),
        (SECRET, "HS257", {}, "no such algorithm: 'HS257'"),
        (SECRET, "ES256", {}, "does not fit ES256"),
        (pair()[1], "ES256", {}, "a public one, which signs nothing"),
        (SECRET, "HS256", {"seconds": 0}, "good for 0 seconds"),
        (SECRET, "HS256", {"seconds": float("nan")}, "good for nan seconds"),
        (SECRET, "HS256", {"name": "a\nb"}, "the name "),
        (SECRET, "HS256", {"room": "x" * 2000}, "the room "),
    ],
)
def test_what_cannot_be_signed(
    key: str, algorithm: str, options: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        sign_token(key, algorithm, **{"seconds": 60, **options})  # type: ignore[arg-type]
