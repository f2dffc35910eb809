"""Who counts as one client_network, and how many of a kind it has."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from trio_rtc.server.http.addresses import LOOPBACK, Quota, Rates, client_network, peer_address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "127.0.0.2", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("2001:db8::1", "2001:db8::abcd:1", True),
        ("2001:db8::1", "2001:db8::8000:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth1", False),
        ("", "", True),
        ("", "127.0.0.1", False),
    ],
)
def test_client_networks(one: str, other: str, same: bool) -> None:
    assert (client_network(one) == client_network(other)) is same


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_loopback_has_one_name(address: str) -> None:
    client_network.cache_clear()
    assert client_network(address) == LOOPBACK


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.2", LOOPBACK),
        ("::1", LOOPBACK),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::8000:0:0:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64%eth0"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_what_a_client_network_is_called(address: str, name: str) -> None:
    assert client_network(address) == name


def test_a_quota() -> None:
    quota = Quota(2)
    for _ in range(3):
        assert quota.is_used_up("a") is (quota.count("a") >= 2)
        quota.add("a")
    assert not quota.is_used_up("a", times=2)
    quota.add("a")
    assert quota.is_used_up("a", times=2)
    assert not quota.is_used_up("b")
    for _ in range(4):
        quota.remove("a")
    assert len(quota) == 0


def test_rates() -> None:
    rates = Rates(rate=2, burst=3)
    assert [rates.take("a", 0) for _ in range(4)] == [True, True, True, False]
    assert rates.take("b", 0)
    assert [rates.take("a", 0.5) for _ in range(2)] == [True, False]
    assert [rates.take("", 0.5) for _ in range(9)] == [True] * 9
    # After a second and a half without a word a client_network may do all of it again.
    assert len(rates) == 2
    assert rates.take("c", 2.1)
    assert len(rates) == 1
    assert [rates.take("a", 2.1) for _ in range(4)] == [True, True, True, False]


def test_who_has_no_address_is_not_counted() -> None:
    quota = Quota(0)
    quota.add("")
    quota.remove("")
    assert (quota.count(""), len(quota)) == (0, 0)


async def test_addresses_of_streams() -> None:
    client, server = trio.testing.memory_stream_pair()
    assert (peer_address(client), peer_address(server)) == ("", "")
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        stream = await trio.open_tcp_stream(
            "127.0.0.1", listener.socket.getsockname()[1], local_address="127.0.0.3"
        )
        accepted = await listener.accept()
        assert peer_address(accepted) == "127.0.0.3"
        await stream.aclose()
        await accepted.aclose()
        assert peer_address(accepted) == ""
    left, right = trio.socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert peer_address(trio.SocketStream(left)) == ""
