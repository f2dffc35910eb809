"""Ports, interfaces and advertised addresses of host candidates."""

from __future__ import annotations

import re
import socket

import pytest
import trio

from trio_rtc import CallError, IceGatherOptions
from trio_rtc.rtc import DataChannel, open_peer_connection
from trio_rtc.rtc.ice_gather_options import BadIceGatherOptions, gather_options_from_environment

from ..calls.both_sides import open_both, open_chat, works
from ..ports import free_port
from .pairs import Peer, negotiate

NO_ADDRESS = pytest.RaisesGroup(
    pytest.RaisesExc(CallError, match="no address"), flatten_subgroups=True
)


@pytest.mark.parametrize(
    ("interfaces", "used"),
    [
        ((), "abcd"),
        (("eth0",), "ab"),
        (("!eth0",), "cd"),
        (("eth0", "!fd00::/8"), "a"),
        (("10.1.0.0/16",), "a"),
        (("10.1.2.3/16",), "a"),
        (("fd00::5",), "b"),
        (("!docker0", "!wg0"), "ab"),
        (("eth0", "wg0"), "abd"),
        (("eth9",), ""),
    ],
)
def test_interfaces_are_chosen(interfaces: tuple[str, ...], used: str) -> None:
    there = {
        "a": ("eth0", "10.1.2.3"),
        "b": ("eth0", "fd00::5"),
        "c": ("docker0", "172.17.0.1"),
        "d": ("wg0", "10.9.0.1"),
    }
    options = IceGatherOptions(interfaces=interfaces)
    assert "".join(name for name, each in there.items() if options.is_used(*each)) == used


def test_what_is_told_of_an_address() -> None:
    assert IceGatherOptions().told("10.0.0.5") == "10.0.0.5"
    all_ = IceGatherOptions(advertise="203.0.113.7")
    assert all_.told("10.0.0.5") == "203.0.113.7"
    assert all_.told("fd00::5") == "fd00::5"
    assert all_.told("fe80::1%eth0") == "fe80::1%eth0"
    one = IceGatherOptions(advertise={"10.0.0.5": "203.0.113.7", "fd00:0::5": "2001:db8::7"})
    assert one.told("10.0.0.5") == "203.0.113.7"
    assert one.told("10.0.0.6") == "10.0.0.6"
    assert one.told("fd00::5") == "2001:db8::7"


@pytest.mark.parametrize("chosen", [0.0, 1.5, 3.0])
def test_every_port_of_the_range_is_tried_once(chosen: float) -> None:
    options = IceGatherOptions(udp_ports=(5000, 5002))
    ports = list(options.ports(lambda low, high: chosen))
    assert sorted(ports) == [5000, 5001, 5002]
    assert ports[0] == 5000 + min(int(chosen), 2)
    assert list(IceGatherOptions().ports(lambda low, high: low)) == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"udp_ports": (0, 5)},
        {"udp_ports": (5, 4)},
        {"udp_ports": (5, 65536)},
        {"udp_mux": 0},
        {"udp_mux": 65536},
        {"udp_mux": 50000, "udp_ports": (50000, 50000)},
        {"interfaces": ("10.0.0.0/33",)},
        {"interfaces": ("!10.0.0.0/x",)},
        {"advertise": "example.org"},
        {"advertise": {"10.0.0.5": "2001:db8::7"}},
        {"advertise": {"host": "10.0.0.5"}},
    ],
)
def test_what_makes_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(BadIceGatherOptions) as caught:
        IceGatherOptions(**wrong)  # type: ignore[arg-type]
    assert caught.value.code == "bad_ice_gather_options"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gather_options_from_environment() == IceGatherOptions()
    monkeypatch.setenv("TRIO_RTC_UDP_PORTS", " 50000-50100 ")
    monkeypatch.setenv("TRIO_RTC_INTERFACES", "eth0 !fd00::/8")
    monkeypatch.setenv("TRIO_RTC_ADVERTISE", "203.0.113.7")
    assert gather_options_from_environment() == IceGatherOptions(
        udp_ports=(50000, 50100), interfaces=("eth0", "!fd00::/8"), advertise="203.0.113.7"
    )
    monkeypatch.setenv("TRIO_RTC_UDP_PORTS", "50000")
    monkeypatch.setenv("TRIO_RTC_ADVERTISE", "10.0.0.5=203.0.113.7 10.0.0.6=203.0.113.8")
    options = gather_options_from_environment()
    assert options.udp_ports == (50000, 50000)
    assert options.advertise == {"10.0.0.5": "203.0.113.7", "10.0.0.6": "203.0.113.8"}
    monkeypatch.delenv("TRIO_RTC_UDP_PORTS")
    monkeypatch.setenv("TRIO_RTC_UDP_MUX", "50000")
    assert gather_options_from_environment().udp_mux == 50000
    assert not gather_options_from_environment().tcp
    monkeypatch.setenv("TRIO_RTC_ICE_TCP", "1")
    assert gather_options_from_environment().tcp


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIO_RTC_UDP_PORTS", "many"),
        ("TRIO_RTC_UDP_PORTS", "5-4"),
        ("TRIO_RTC_UDP_MUX", "50000-50001"),
        ("TRIO_RTC_UDP_MUX", "0"),
        ("TRIO_RTC_ICE_TCP", "yes"),
        ("TRIO_RTC_ADVERTISE", "example.org"),
        ("TRIO_RTC_ADVERTISE", "10.0.0.5 10.0.0.6"),
        ("TRIO_RTC_INTERFACES", "10.0.0.0/99"),
    ],
)
async def test_what_makes_no_sense_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadIceGatherOptions, match=r"environment|variable"):
        async with open_peer_connection():
            pass


def ports_of(sdp: str) -> set[int]:
    return {int(port) for port in re.findall(r"a=candidate:.* (\d+) typ host", sdp)}


def free_range() -> tuple[int, int]:
    """Ports that nobody has at the moment."""
    first = free_port()
    return first, first + 20


async def test_a_call_keeps_to_its_ports_also_after_a_restart() -> None:
    first, last = free_range()
    options = IceGatherOptions(udp_ports=(first, last))
    async with open_both(ice_gathering=options) as ends:
        ours, theirs = await open_chat(ends)
        await ends.alice.restart()
        await works(ours, theirs)
        for call in (ends.alice, ends.bob):
            candidate = (await call.stats()).local_candidate
            assert candidate is not None
            assert first <= candidate.port <= last


async def test_what_is_advertised_is_what_others_are_told() -> None:
    options = IceGatherOptions(advertise="203.0.113.7", udp_ports=free_range())
    async with open_peer_connection(ice_gathering=options) as connection:
        await connection.create_data_channel("x")
        await connection.set_local_description()
        sdp = (await connection.gathered()).sdp
    first, last = options.udp_ports or (0, 0)
    assert ports_of(sdp)
    assert all(first <= port <= last for port in ports_of(sdp))
    hosts = set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) ", sdp))
    assert {host for host in hosts if "." in host} == {"203.0.113.7"}


async def test_two_connections_on_one_port() -> None:
    port = free_port("0.0.0.0")
    one = IceGatherOptions(udp_mux=port)

    async def send(count: int) -> None:
        async with (
            open_peer_connection(ice_gathering=one) as first,
            open_peer_connection() as second,
            trio.open_nursery() as nursery,
        ):
            alice, bob = Peer(first), Peer(second)
            nursery.start_soon(alice.relay_events, bob)
            nursery.start_soon(bob.relay_events, alice)
            channel = await alice.connection.create_data_channel("bulk")
            await negotiate(alice, bob)
            other = await bob.channels.receive()
            both_open.append(1)
            async with trio.open_nursery() as senders:
                senders.start_soon(send_all, channel, count)
                for _ in range(count):
                    assert len(await other.receive()) == 60_000
            assert ports_of((await alice.connection.gathered()).sdp) == {port}
            await channel.aclose()
            nursery.cancel_scope.cancel()

    async def send_all(channel: DataChannel, count: int) -> None:
        for _ in range(count):
            await channel.send(bytes(60_000))

    both_open: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, 20)
        nursery.start_soon(send, 60)
    assert len(both_open) == 2
    # It has been closed with the last one.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))


async def test_a_port_that_another_program_has(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        taken.bind(("::", 0))
        port = taken.getsockname()[1]
        options = IceGatherOptions(udp_mux=port)
        with trio.fail_after(30), NO_ADDRESS:
            async with open_both(ice_gathering=options):
                pass
    assert f"no UDP port from {port} to {port} is free" in caplog.text


async def test_no_port_is_free(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        taken.bind(("::", 0))
        port = taken.getsockname()[1]
        options = IceGatherOptions(udp_ports=(port, port))
        with trio.fail_after(30), NO_ADDRESS:
            async with open_both(ice_gathering=options):
                pass
    assert f"no UDP port from {port} to {port} is free" in caplog.text


async def test_no_interface_is_there(caplog: pytest.LogCaptureFixture) -> None:
    options = IceGatherOptions(interfaces=("eth99",))
    with trio.fail_after(30), NO_ADDRESS:
        async with open_both(ice_gathering=options):
            pass
    assert "no address of this machine is on eth99" in caplog.text
