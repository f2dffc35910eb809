"""Authorization: who may join which room, under which name."""

from __future__ import annotations

import hmac
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..wire.names import clean_text, composed, is_room
from ..world import world

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

LEEWAY_SECONDS: Final = 5.0

#: Moments beyond this, in seconds since 1970, are none: not even a float counts on.
_LATEST: Final = 2.0**53


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinRequest:
    """What somebody asks for who wants to join.

    Attributes:
        name: what it wants to be called; empty if it does not say.
        room: where it wants to be; empty for the default room, and if it does not say.
        token: what it has to show for that. Classic clients have none.
        address: the IP address that it comes from.
    """

    name: str
    room: str
    token: str | None
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """Somebody may join this room under this name.

    Attributes:
        until: for how long, in seconds since 1970; then it is logged out, unless it has shown
            another token before.
        subject: who it is, whatever its token; None if that is not known.

    Raises:
        ValueError: no room is called so; see `names.is_room`.
    """

    name: str
    room: str
    until: float = field(default=math.inf, compare=False)
    subject: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # A room is the same however its letters are composed.
        object.__setattr__(self, "room", composed(self.room))
        if not is_room(self.room):
            raise ValueError(f"no room is called {self.room[:40]!r}")


class NotAuthorized(Exception):
    """Somebody may not join. The message is one sentence, for the client to read.

    Attributes:
        forbidden: the token is good, but not for this room or name (as HTTP's 403); otherwise
            there is no good token (as HTTP's 401).
    """

    def __init__(self, message: str, *, forbidden: bool = False):
        super().__init__(message)
        self.forbidden = forbidden


Authorize: TypeAlias = Callable[[JoinRequest], Awaitable[Admission]]
"""Admits, or raises `NotAuthorized`. It may take its time, and may be cancelled meanwhile."""


async def everybody(request: JoinRequest) -> Admission:
    """Admit everybody as they ask."""
    return Admission(name=request.name, room=request.room)


def shared_secret(secret: str) -> Authorize:
    """Admit those whose token is this secret, as they ask.

    Raises:
        ValueError: the secret is empty.
    """
    if not secret:
        raise ValueError("an empty secret would admit everybody")

    async def authorize(request: JoinRequest) -> Admission:
        token = _token(request)
        if not hmac.compare_digest(_bytes(token), _bytes(secret)):
            raise NotAuthorized("The token is not the right one.")
        return Admission(name=request.name, room=request.room)

    return authorize


def jwt_tokens(
    key: str | bytes,
    algorithms: Sequence[str],
    *,
    audience: str | None = None,
    issuer: str | None = None,
    expiry_required: bool = True,
    leeway: float = LEEWAY_SECONDS,
) -> Authorize:
    """Admit those whose token is a JSON Web Token (RFC 7519) that is signed with this key.

    The claims ``room`` and ``name`` fix what the bearer gets; without them it gets what it asks
    for. Asking for something else is refused, asking for nothing is not; what counts is how the
    server would write it. ``exp`` and ``nbf`` are kept to: nobody stays for longer than until
    ``exp`` without another token. ``sub`` tells who the bearer is, or else ``name`` does.

    Args:
        key: what verifies signatures: the secret, at least as long as the hash, or a public key
            as PEM.
        algorithms: which ones are accepted, such as ``["HS256"]``, ``["RS256"]`` or
            ``["ES256"]``; they all have to fit the key.
        audience: what the claim ``aud`` has to be, or to contain. Without it a token that is
            meant for some audience is refused.
        issuer: what the claim ``iss`` has to be.
        expiry_required: refuse tokens without ``exp``.
        leeway: by how many seconds the clocks may differ: so much later than ``exp``, or earlier
            than ``nbf``, somebody may still join.

    Raises:
        ValueError: the key does not fit the algorithms, or is too weak or a private one; or
            there is no such algorithm.
    """
    # It loads cryptography, which takes as long as the whole of a server that does without.
    import jwt

    _check_key(key, algorithms)
    options: jwt.types.Options = {
        "require": ["exp"] if expiry_required else [],
        "enforce_minimum_key_length": True,
        # These are compared here, with our leeway; when a token was issued is no reason.
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }

    async def authorize(request: JoinRequest) -> Admission:
        token = _token(request)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms,
                options,
                audience=audience,
                issuer=issuer,
            )
        except jwt.InvalidAudienceError:
            raise NotAuthorized("The token is for another audience.") from None
        except jwt.InvalidIssuerError:
            raise NotAuthorized("The token is from another issuer.") from None
        except jwt.MissingRequiredClaimError as error:
            raise NotAuthorized(f"The token has no claim {error.claim!r}.") from None
        except jwt.InvalidSignatureError:
            raise NotAuthorized("The token is signed with another key.") from None
        except jwt.exceptions.InvalidSubjectError:
            raise NotAuthorized("The token's claim 'sub' is no text.") from None
        except jwt.exceptions.InvalidJTIError:
            raise NotAuthorized("The token's claim 'jti' is no text.") from None
        # A header that is nested too deeply, or is no text, gets past PyJWT's own errors.
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise NotAuthorized(
                "The token is not a JSON Web Token that is accepted here."
            ) from None
        until = _expiry(claims, world().time(), leeway)
        name = _granted(claims, "name", request.name)
        room = _granted(claims, "room", request.room)
        if not is_room(room):
            raise NotAuthorized("The token's claim 'room' is nothing that a room is called.")
        subject = next((f"{one}:{claims[one]}" for one in ("sub", "name") if one in claims), None)
        return Admission(name=name, room=room, until=until, subject=subject)

    return authorize


def _expiry(claims: dict[str, Any], now: float, leeway: float) -> float:
    """When the token ends. The wall clock is looked at anew each time: it may be set."""
    begin, end = _moment(claims, "nbf", -math.inf), _moment(claims, "exp", math.inf)
    _moment(claims, "iat", now)
    if begin > now + leeway:
        raise NotAuthorized("The token is not valid yet.")
    if end + leeway <= now:
        raise NotAuthorized("The token has expired.")
    # Whoever comes within the leeway is not to be sent away at once.
    return end if end > now else end + leeway


def _moment(claims: dict[str, Any], claim: str, otherwise: float) -> float:
    """A claim that is seconds since 1970 (RFC 7519, section 2: NumericDate)."""
    if claim not in claims:
        return otherwise
    moment = claims[claim]
    if type(moment) in (int, float) and abs(moment) < _LATEST:
        return float(moment)
    raise NotAuthorized(f"The token's claim {claim!r} is no time.")


def _check_key(key: str | bytes, algorithms: Sequence[str]) -> None:
    if isinstance(algorithms, str) or not algorithms:
        raise ValueError(f"no list of algorithms: {algorithms!r}")
    for name in algorithms:
        algorithm, prepared = prepare_key(key, name)
        if hasattr(prepared, "private_bytes"):
            raise ValueError("the key is a private one; a server verifies with the public one")
        check_strength(algorithm, prepared)


def prepare_key(key: str | bytes, name: str) -> tuple[Algorithm, Any]:
    """An algorithm by its name, and a key as it wants it.

    Raises:
        ValueError: there is no such algorithm, or the key does not fit it.
    """
    import jwt

    if name == "none":
        raise ValueError("tokens without a signature prove nothing")
    try:
        algorithm = jwt.get_algorithm_by_name(name)
    except NotImplementedError:
        raise ValueError(f"no such algorithm: {name!r}") from None
    try:
        return algorithm, algorithm.prepare_key(key)
    except (jwt.InvalidKeyError, ValueError, TypeError) as error:
        raise ValueError(f"the key does not fit {name}: {error}") from error


def check_strength(algorithm: Algorithm, prepared: Any) -> None:
    """See whether a key is long enough.

    Raises:
        ValueError: it is not.
    """
    if problem := algorithm.check_key_length(prepared):
        raise ValueError(f"the key is too weak: {problem}")


def _token(request: JoinRequest) -> str:
    if not request.token:
        raise NotAuthorized("A token is needed here.")
    return request.token


def _bytes(text: str) -> bytes:
    # A client's text may hold what UTF-8 cannot; that is a wrong token like any other.
    return text.encode("utf-8", "surrogatepass")


def _granted(claims: dict[str, Any], claim: str, asked: str) -> str:
    if claim not in claims:
        return asked
    granted = claims[claim]
    if not isinstance(granted, str):
        raise NotAuthorized(f"The token's claim {claim!r} is no text.")
    if asked and clean_text(asked) != clean_text(granted):
        raise NotAuthorized(
            f"The token is for the {claim} {granted!r}, not for {asked!r}.", forbidden=True
        )
    return granted
