"""Signing of tokens that `authorize.jwt_tokens` admits, for scripts and small servers."""

from __future__ import annotations

from typing import Any

from ..wire.names import problem_of
from ..world import world
from .authorize import check_strength, prepare_key


def sign_token(
    key: str,
    algorithm: str,
    *,
    seconds: float,
    name: str | None = None,
    room: str | None = None,
    subject: str | None = None,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """A JSON Web Token (RFC 7519) that ends after so many seconds.

    Args:
        key: the secret that the server has, too, or the private key to its public one, as PEM.
        algorithm: such as ``HS256`` or ``ES256``.
        seconds: how long it is good.
        name: what the bearer is to be called; anything if None.
        room: in which room; in any if None.
        subject: who it is.
        audience: for whom the token is.
        issuer: who has made it.

    Raises:
        ValueError: the key does not fit the algorithm, or is too weak; or nobody, and no room, may
            be called that; in one sentence.
    """
    # It loads cryptography, which takes as long as the whole of a server that does without.
    import jwt

    if not seconds > 0:
        raise ValueError(f"a token that is good for {seconds:g} seconds lets nobody in")
    for what, text in (("name", name), ("room", room)):
        if text and (problem := problem_of(text, room=what == "room")):
            raise ValueError(f"the {what} {problem}")
    prepared = _prepared(key, algorithm)
    now = world().time()
    claims: dict[str, Any] = {"iat": int(now), "exp": int(now + seconds)}
    given = {"name": name, "room": room, "sub": subject, "aud": audience, "iss": issuer}
    claims |= {claim: text for claim, text in given.items() if text is not None}
    return jwt.encode(claims, prepared, algorithm)


def _prepared(key: str, name: str) -> Any:
    algorithm, prepared = prepare_key(key, name)
    is_secret = name.startswith("HS")
    if not is_secret and not hasattr(prepared, "private_bytes"):
        raise ValueError("the key is a public one, which signs nothing")
    check_strength(algorithm, prepared)
    return key if is_secret else prepared
