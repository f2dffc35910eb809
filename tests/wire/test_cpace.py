"""CPace against the vectors of draft-irtf-cfrg-cpace, appendix B.1."""

from __future__ import annotations

import hashlib

import pytest

from trio_rtc.wire.cpace import (
    _A,
    _PRIME,
    BadShare,
    CPaceSide,
    _map_to_curve,
    generator,
    multiply,
    with_lengths,
)

SECRET = b"Password"
CHANNEL = bytes.fromhex("0a41696e69746961746f720a42726573706f6e646572")
SESSION = bytes.fromhex("7e4b4791d6a8ef019b936c79fb7f2c57")
GENERATOR = "4e6098733061c0e8486611a904fe5edb049804d26130a44131a6229e55c5c321"
SCALAR_A = bytes.fromhex("45acf93116ae5d3dae995a7c627df2924321a8e857d9a200807131e38839b0c2")
SCALAR_B = bytes.fromhex("a145e914b347002d298ce2051394f0ed68cf3623dfe5db082c78ffa5a667acdc")
SHARE_A = "6f7fd31863b18b0cc9830fc842c60dea80120ccf2fd375498225e45a52065361"
SHARE_B = "e1b730a4956c0f853d96c5d125cebeeea46952c07c6f66da65bd9ffd2f71a462"
COMMON = "2a905bc5f0b93ee72ac4b6ea8723520941adfc892935bf6f86d9e199befa6024"
KEY = (
    "99a9e0ff35acb94ad8af1cd6b32ac409dc7d00557ccd9a7d19d3b4629e5f1f08"
    "4f9332096162438c7ecc78331b4eda17e1a229a47182eccc9ea58cd9cdcd8e9a"
)

SCALAR = bytes.fromhex("af46e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449aff")
#: What a point that tells nothing is multiplied to: None where that is refused.
LOW_ORDER = {
    "0000000000000000000000000000000000000000000000000000000000000000": None,
    "0100000000000000000000000000000000000000000000000000000000000000": None,
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": None,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800": None,
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157": None,
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": None,
    "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "d8e2c776bbacd510d09fd9278b7edcd25fc5ae9adfba3b6e040e8d3b71b21806"
    ),
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": None,
    "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "c85c655ebe8be44ba9c0ffde69f2fe10194458d137f09bbff725ce58803cdb38"
    ),
    "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "db64dafa9b8fdd136914e61461935fe92aa372cb056314e1231bc4ec12417456"
    ),
    "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880": (
        "e062dcd5376d58297be2618c7498f55baa07d7e03184e8aada20bca28888bf7a"
    ),
    "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7": (
        "993c6ad11c4c29da9a56f7691fd0ff8d732e49de6250b6c2e80003ff4629a175"
    ),
}


def sides() -> tuple[CPaceSide, CPaceSide]:
    return (
        CPaceSide(SECRET, CHANNEL, SESSION, b"ADa", True, SCALAR_A),
        CPaceSide(SECRET, CHANNEL, SESSION, b"ADb", False, SCALAR_B),
    )


def test_lengths() -> None:
    assert with_lengths(b"1234", b"5", b"", b"6789").hex() == "04313233340135000436373839"
    assert with_lengths(bytes(range(127)))[:2].hex() == "7f00"
    assert with_lengths(bytes(range(128)))[:3].hex() == "800100"


def test_the_generator() -> None:
    assert generator(SECRET, CHANNEL, SESSION).hex() == GENERATOR


def test_an_exchange() -> None:
    a, b = sides()
    assert a.share.hex() == SHARE_A
    assert b.share.hex() == SHARE_B
    assert multiply(SCALAR_A, b.share).hex() == multiply(SCALAR_B, a.share).hex() == COMMON
    at_a, at_b = a.agree(b.share, b"ADb"), b.agree(a.share, b"ADa")
    assert at_a.key.hex() == at_b.key.hex() == KEY
    assert at_a.confirms(at_b.tag)
    assert at_b.confirms(at_a.tag)
    assert not at_a.confirms(at_a.tag)
    assert not at_a.confirms(b"")


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order(point: str) -> None:
    expected = LOW_ORDER[point]
    if expected is not None:
        assert multiply(SCALAR, bytes.fromhex(point)).hex() == expected
        return
    with pytest.raises(BadShare):
        multiply(SCALAR, bytes.fromhex(point))
    with pytest.raises(BadShare):
        sides()[0].agree(bytes.fromhex(point), b"ADb")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_what_is_no_point(size: int) -> None:
    with pytest.raises(BadShare):
        sides()[0].agree(bytes(size), b"ADb")


def test_what_is_mapped_to_the_curve_is_on_it() -> None:
    """And not on its twist (RFC 9380, section 6.7.1): x^3 + A x^2 + x is a square."""
    for number in range(64):
        x = int.from_bytes(_map_to_curve(hashlib.sha256(bytes([number])).digest()), "little")
        square = (x**3 + _A * x**2 + x) % _PRIME
        assert pow(square, (_PRIME - 1) // 2, _PRIME) in (0, 1)
