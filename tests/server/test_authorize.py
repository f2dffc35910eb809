"""Who may join: everybody, those with the secret, or those with a signed token."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import math
import subprocess
import sys
import time
from typing import Any

import hypothesis
import hypothesis.strategies as st
import jwt
import pytest
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trio_rtc.server.authorize import (
    LEEWAY_SECONDS,
    Admission,
    Authorize,
    JoinRequest,
    NotAuthorized,
    _expiry,
    everybody,
    jwt_tokens,
    shared_secret,
)

SECRET = "a secret of the length that SHA-256 is worth"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def asks(token: str | None, *, name: str = "alice", room: str = "den") -> JoinRequest:
    return JoinRequest(name=name, room=room, token=token, address="192.0.2.1")


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(key: Any = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode({"exp": time.time() + 600, **claims}, key, algorithm)


def test_a_room_is_the_same_however_its_letters_are_composed() -> None:
    assert Admission(name="alice", room="cafe\u0301").room == "caf\u00e9"


async def refusal(authorize: Authorize, request: JoinRequest) -> NotAuthorized:
    with pytest.raises(NotAuthorized) as caught:
        await authorize(request)
    return caught.value


async def test_everybody() -> None:
    assert await everybody(asks(None)) == Admission(name="alice", room="den")
    assert await everybody(asks("anything", name="", room="")) == Admission(name="", room="")


async def test_a_shared_secret() -> None:
    authorize = shared_secret("sésame")
    assert await authorize(asks("sésame")) == Admission(name="alice", room="den")
    for token in ("Sésame", "sésam", "sésame ", "\ud800"):
        error = await refusal(authorize, asks(token))
        assert str(error) == "The token is not the right one."
        assert not error.forbidden
    for missing in (None, ""):
        error = await refusal(authorize, asks(missing))
        assert str(error) == "A token is needed here."
        assert not error.forbidden


def test_a_shared_secret_that_is_none() -> None:
    with pytest.raises(ValueError, match="admit everybody"):
        shared_secret("")


@pytest.mark.parametrize(
    ("verifier", "signer", "algorithm"),
    [
        (SECRET, SECRET, "HS256"),
        (public(RSA_KEY), RSA_KEY, "RS256"),
        (public(RSA_KEY).encode(), RSA_KEY, "PS256"),
        (public(EC_KEY), EC_KEY, "ES256"),
    ],
)
async def test_a_signed_token(verifier: str | bytes, signer: Any, algorithm: str) -> None:
    authorize = jwt_tokens(verifier, [algorithm])
    token = signed(signer, algorithm, room="den", name="alice")
    assert await authorize(asks(token)) == Admission(name="alice", room="den")
    head, claims, signature = token.split(".")
    forged = part(json.dumps({"exp": 2**40, "name": "bob"}).encode())
    error = await refusal(authorize, asks(f"{head}.{forged}.{signature}"))
    assert str(error) == "The token is signed with another key."
    assert not error.forbidden
    error = await refusal(authorize, asks(f"{head}.{claims}."))
    assert str(error) == "The token is signed with another key."


async def test_claims_fix_what_the_bearer_gets() -> None:
    authorize = jwt_tokens(SECRET, ["HS256"])
    token = signed(room="den", name="alice")
    # Asking for nothing is to take what there is.
    for request in (asks(token), asks(token, name="", room=""), asks(token, room="")):
        assert await authorize(request) == Admission(name="alice", room="den")
    error = await refusal(authorize, asks(token, room="attic"))
    assert str(error) == "The token is for the room 'den', not for 'attic'."
    assert error.forbidden
    error = await refusal(authorize, asks(token, name="bob"))
    assert str(error) == "The token is for the name 'alice', not for 'bob'."
    assert error.forbidden


async def test_without_claims_the_bearer_gets_what_it_asks_for() -> None:
    authorize = jwt_tokens(SECRET, ["HS256"])
    assert await authorize(asks(signed())) == Admission(name="alice", room="den")
    request = asks(signed(room="den"), name="bob")
    assert await authorize(request) == Admission(name="bob", room="den")


async def test_a_token_for_the_default_room_is_for_no_other() -> None:
    authorize = jwt_tokens(SECRET, ["HS256"])
    assert (await authorize(asks(signed(room=""), room=""))).room == ""
    assert (await refusal(authorize, asks(signed(room=""), room="den"))).forbidden


@pytest.mark.parametrize("claim", ["name", "room"])
@pytest.mark.parametrize("value", [None, 7, True, ["den"], {"den": 1}])
async def test_claims_that_are_no_text(claim: str, value: object) -> None:
    claims: dict[str, Any] = {claim: value}
    error = await refusal(jwt_tokens(SECRET, ["HS256"]), asks(signed(**claims)))
    assert str(error) == f"The token's claim {claim!r} is no text."


@pytest.mark.parametrize("room", ["a,b", "two\nlines", "x" * 513, "\ud800"])
async def test_rooms_that_no_room_is_called(room: str) -> None:
    error = await refusal(jwt_tokens(SECRET, ["HS256"]), asks(signed(room=room), room=""))
    assert str(error) == "The token's claim 'room' is nothing that a room is called."
    with pytest.raises(ValueError, match="no room is called"):
        Admission(name="alice", room=room)


async def test_the_time() -> None:
    authorize = jwt_tokens(SECRET, ["HS256"])
    now = time.time()
    assert str(await refusal(authorize, asks(signed(exp=now - 5)))) == "The token has expired."
    assert "not valid yet" in str(await refusal(authorize, asks(signed(nbf=now + 60))))
    assert await jwt_tokens(SECRET, ["HS256"], leeway=60)(asks(signed(exp=now - 5)))
    unlimited = jwt.encode({"name": "alice"}, SECRET, "HS256")
    assert str(await refusal(authorize, asks(unlimited))) == "The token has no claim 'exp'."
    assert await jwt_tokens(SECRET, ["HS256"], expiry_required=False)(asks(unlimited))
    error = await refusal(
        jwt_tokens(SECRET, ["HS256"], expiry_required=False), asks(signed(exp=now - 5))
    )
    assert str(error) == "The token has expired."


@pytest.mark.parametrize(
    ("claims", "leeway", "until"),
    [
        ({"exp": 1000.5}, 0, 1000.5),
        # So much later than it ends by another clock, it is good for as long as was forgiven.
        ({"exp": 1000}, 0.25, 1000.25),
        ({"exp": 995.5}, LEEWAY_SECONDS, 1000.5),
        ({"exp": 1000.5}, LEEWAY_SECONDS, 1000.5),
        ({"nbf": 1000}, 0, math.inf),
        ({"nbf": 1005}, LEEWAY_SECONDS, math.inf),
        ({"iat": 2000}, 0, math.inf),
    ],
)
def test_clocks_that_differ(claims: dict[str, float], leeway: float, until: float) -> None:
    assert _expiry(claims, 1000, leeway) == until
    assert LEEWAY_SECONDS == 5


@pytest.mark.parametrize(
    ("claims", "leeway", "why"),
    [
        ({"exp": 1000}, 0, "expired"),
        ({"exp": 995}, LEEWAY_SECONDS, "expired"),
        ({"nbf": 1000.5}, 0, "not valid yet"),
        ({"nbf": 1005.5}, LEEWAY_SECONDS, "not valid yet"),
    ],
)
def test_clocks_that_differ_too_much(claims: dict[str, float], leeway: float, why: str) -> None:
    with pytest.raises(NotAuthorized, match=why):
        _expiry(claims, 1000, leeway)


async def test_the_audience_and_the_issuer() -> None:
    authorize = jwt_tokens(SECRET, ["HS256"], audience="rtc", issuer="us")
    assert await authorize(asks(signed(aud=["web", "rtc"], iss="us")))
    refused: list[tuple[dict[str, Any], str]] = [
        ({"aud": "web", "iss": "us"}, "The token is for another audience."),
        ({"aud": "rtc", "iss": "them"}, "The token is from another issuer."),
        ({"iss": "us"}, "The token has no claim 'aud'."),
        ({"aud": "rtc"}, "The token has no claim 'iss'."),
    ]
    for claims, problem in refused:
        assert str(await refusal(authorize, asks(signed(**claims)))) == problem
    # RFC 7519, section 4.1.3: whoever is not in the audience has to refuse.
    error = await refusal(jwt_tokens(SECRET, ["HS256"]), asks(signed(aud="web")))
    assert str(error) == "The token is for another audience."


async def test_algorithms_that_are_not_asked_for() -> None:
    unsigned = jwt.encode({"exp": 2**40}, "", "none")
    for authorize, token in [
        (jwt_tokens(SECRET, ["HS256"]), unsigned),
        (jwt_tokens(public(RSA_KEY), ["RS256"]), unsigned),
        (jwt_tokens(public(RSA_KEY), ["RS256"]), signed(RSA_KEY, "PS256")),
        (jwt_tokens(SECRET, ["HS256"]), signed(SECRET * 2, "HS512")),
        # The attack of RFC 8725, section 2.1: the public key taken for a secret.
        (jwt_tokens(public(RSA_KEY), ["RS256"]), _hmac_with_public_key()),
    ]:
        error = await refusal(authorize, asks(token))
        assert str(error) == "The token is not a JSON Web Token that is accepted here."


def _hmac_with_public_key() -> str:
    # PyJWT would not make this token; its signature is the right one all the same.
    head = part(b'{"alg":"HS256","typ":"JWT"}')
    body = part(json.dumps({"exp": 2**40}).encode())
    digest = hmac.digest(public(RSA_KEY).encode(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{part(digest)}"


@pytest.mark.parametrize(
    ("key", "algorithms", "problem"),
    [
        (SECRET, [], "no list of algorithms"),
        (SECRET, "HS256", "no list of algorithms"),
        (SECRET, ["HS257"], "no such algorithm: 'HS257'"),
        (SECRET, ["none"], "without a signature"),
        ("short", ["HS256"], "too weak"),
        ("", ["HS256"], "too weak|does not fit"),
        (SECRET, ["HS256", "RS256"], "does not fit RS256"),
        (public(RSA_KEY), ["RS256", "HS256"], "does not fit HS256"),
        (public(RSA_KEY), ["ES256"], "does not fit ES256"),
        (public(EC_KEY), ["ES384"], "does not fit ES384"),
        (private(RSA_KEY), ["RS256"], "private"),
        (private(RSA_KEY), ["HS256"], "does not fit HS256"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ["RS256"], "does not fit"),
    ],
)
def test_keys_that_make_no_sense(key: str, algorithms: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        jwt_tokens(key, algorithms)


def test_a_key_that_is_too_small() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(ValueError, match="too weak"):
        jwt_tokens(public(small), ["RS256"])


def headed(head: bytes) -> str:
    """A token with this header."""
    return f"{part(head)}.{part(b'{}')}.AAAA"


@pytest.mark.parametrize(
    "token",
    [
        "x", ".", "..", "...", "a.b.c", "\ud800.\ud800.\ud800", "é.é.é", "\0", " ",
        headed(b"[" * 100_000),
        headed(b'{"alg":' + b"[" * 100_000),
        headed(b'{"alg":["HS256"]}'),
        headed(b'{"alg":"HS256","kid":1}'),
        headed(b'{"alg":"HS256","crit":["b64"],"b64":false}'),
        headed(b"\xff"),
        headed(b'{"alg":' + b"9" * 100_000 + b"}"),
        "A" * 200_000,
        "." * 200_000,
    ],
    ids=lambda token: ascii(token[:20]),
)  # fmt: skip
async def test_tokens_that_are_none(token: str) -> None:
    await refusal(jwt_tokens(SECRET, ["HS256"]), asks(token))


@pytest.mark.parametrize(
    "claims",
    ["[" * 100_000, "[]", "1", "", "\xff", '{"exp":' + "9" * 5_000 + "}", '{"exp":1e999}',
     '{"exp":NaN}', '{"exp":"x"}', '{"exp":null}', '{"exp":[]}', '{"exp":99999999999,"nbf":{}}',
     '{"exp":99999999999,"iat":1e999}', '{"exp":99999999999,"aud":1}',
     '{"exp":99999999999,"sub":1}', '{"exp":99999999999,"jti":1}'],
    ids=lambda claims: ascii(claims[:40]),
)  # fmt: skip
async def test_claims_that_make_no_sense(claims: str) -> None:
    token = jwt.PyJWS().encode(claims.encode("latin-1"), SECRET, "HS256")
    await refusal(jwt_tokens(SECRET, ["HS256"]), asks(token))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_TEXT = st.sampled_from(["", "alice", "den", "rtc", "bob"])
_TIME = st.sampled_from([0, 10**9, 2**40, 1e300])
_CLAIMS = st.fixed_dictionaries(
    {"exp": _TIME | _JSON, "aud": _TEXT | _JSON},
    optional={
        "nbf": _TIME | _JSON, "iat": _TIME | _JSON, "iss": _JSON, "sub": _JSON, "jti": _JSON,
        "name": _TEXT | _JSON, "room": _TEXT | _JSON,
    },
)  # fmt: skip
_HEADERS = st.dictionaries(st.sampled_from(["kid", "typ", "crit", "b64", "cty", "x"]), _JSON)


@hypothesis.given(claims=_CLAIMS, headers=_HEADERS, cut=st.none() | st.integers(0, 200))
@hypothesis.settings(max_examples=200)
def test_whatever_comes_is_admitted_or_refused(
    claims: dict[str, Any], headers: dict[str, Any], cut: int | None
) -> None:
    head = json.dumps({"alg": "HS256", **headers}).encode()
    body = json.dumps(claims).encode()
    signing_input = f"{part(head)}.{part(body)}".encode()
    signature = jwt.get_algorithm_by_name("HS256").sign(signing_input, SECRET.encode())
    token = f"{signing_input.decode()}.{part(signature)}"

    async def ask() -> Admission | None:
        with contextlib.suppress(NotAuthorized):
            return await jwt_tokens(SECRET, ["HS256"], audience="rtc")(asks(token[:cut]))
        return None

    admission = trio.run(ask)
    if admission is not None:
        assert cut is None or cut >= len(token)
        assert claims["exp"] > time.time() - 60
        assert "rtc" in claims["aud"]
        assert admission.name == claims.get("name", "alice")
        assert admission.room == claims.get("room", "den")


def test_only_those_who_use_tokens_load_cryptography() -> None:
    code = (
        "import sys, trio_rtc.server.authorize\n"
        "assert not {'jwt', 'cryptography'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
