"""Hosts of a network of our own: Linux network namespaces, routers with NAT, and cables to pull."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: The addresses of the public network (RFC 5737, TEST-NET-3) and of its server.
PUBLIC = "203.0.113"
SERVER = f"{PUBLIC}.1"

#: Where everything goes that has no receiver.
NOBODY = f"{PUBLIC}.254"


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    for tool, package in (("ip", "iproute2"), ("nft", "nftables"), ("turnserver", "coturn")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (Debian: apt-get install {package})"
    return None


_reason = _missing()

needs_network = pytest.mark.skipif(
    _reason is not None and "CI" not in os.environ, reason=_reason or ""
)


def run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@dataclass(frozen=True)
class Host:
    """A machine.

    Attributes:
        namespace: what it is.
        outside: the namespace at the other end of its cable, and `port` the device there.
    """

    namespace: str
    outside: str
    port: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command on this host."""
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self) -> None:
        """Have everything that goes in and out vanish, without anybody being told."""
        run("ip", "-n", self.outside, "link", "set", self.port, "nomaster")

    def narrow(self, mtu: int) -> None:
        """Have its cable take packets of this many bytes at most."""
        run("ip", "-n", self.outside, "link", "set", self.port, "mtu", str(mtu))
        run("ip", "-n", self.namespace, "link", "set", "eth0", "mtu", str(mtu))

    def plug(self) -> None:
        """Mend that."""
        run("ip", "-n", self.outside, "link", "set", self.port, "master", "br0")

    def move(self, old: int, new: int) -> None:
        """Give it another public address."""
        run("ip", "-n", self.namespace, "address", "del", f"{PUBLIC}.{old}/24", "dev", "eth0")
        run("ip", "-n", self.namespace, "address", "add", f"{PUBLIC}.{new}/24", "dev", "eth0")
        run("ip", "-n", self.namespace, "route", "replace", "default", "via", NOBODY)


class Network:
    """A public network: a bridge, with a server at `SERVER`."""

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._namespaces: list[str] = []
        self._ports = 0
        self.internet = self._namespace("net")
        run("ip", "-n", self.internet, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.internet, "address", "add", f"{SERVER}/24", "dev", "br0")
        run("ip", "-n", self.internet, "link", "set", "br0", "up")
        self._add_way_out(self.internet, "br0")
        self.server = Host(self.internet, "", "")

    def host(self, name: str, number: int) -> Host:
        """A host with a public address."""
        namespace = self._namespace(name)
        port = self._connect(namespace, "eth0", self.internet)
        run("ip", "-n", self.internet, "link", "set", port, "master", "br0")
        self._address(namespace, "eth0", f"{PUBLIC}.{number}/24")
        self._add_way_out(namespace, "eth0")
        return Host(namespace, self.internet, port)

    def host_behind_nat(
        self, name: str, number: int, *, symmetric: bool = False, udp: bool = True
    ) -> Host:
        """A host whose router has a public address.

        Args:
            symmetric: whether the router takes another port for each destination (RFC 4787:
                address and port-dependent mapping), instead of one for all.
            udp: whether it lets UDP through.
        """
        router = self.host(f"{name}-nat", number)
        namespace = self._namespace(name)
        port = self._connect(namespace, "eth0", router.namespace)
        self._address(router.namespace, port, f"10.0.{number}.1/24")
        self._address(namespace, "eth0", f"10.0.{number}.2/24")
        run("ip", "-n", namespace, "route", "add", "default", "via", f"10.0.{number}.1")
        forward = "" if udp else "meta l4proto udp drop"
        # What comes unasked is dropped before it is tracked: otherwise it takes the very port
        # that a packet to where it came from would go out by.
        rules = f"""
            table ip router {{
                chain in {{
                    type filter hook input priority 0;
                    iif "eth0" ct state new drop
                }}
                chain through {{
                    type filter hook forward priority 0;
                    {forward}
                }}
                chain out {{
                    type nat hook postrouting priority 100;
                    oif "eth0" masquerade {"fully-random" if symmetric else ""}
                }}
            }}"""
        run(*router.prefix, "nft", "-f", "-", text=rules)
        run(*router.prefix, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        return Host(namespace, router.outside, router.port)

    def _namespace(self, name: str) -> str:
        namespace = f"{self._prefix}{name}"
        run("ip", "netns", "add", namespace)
        self._namespaces.append(namespace)
        if Path("/proc/sys/net/ipv6").exists():
            run(
                "ip", "netns", "exec", namespace,
                "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
            )  # fmt: skip
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        return namespace

    def _connect(self, namespace: str, device: str, outside: str) -> str:
        self._ports += 1
        port = f"port{self._ports}"
        run(
            "ip", "-n", outside, "link", "add", port, "type", "veth",
            "peer", "name", device, "netns", namespace,
        )  # fmt: skip
        run("ip", "-n", outside, "link", "set", port, "up")
        return port

    def _add_way_out(self, namespace: str, device: str) -> None:
        # As on the internet, what has no receiver vanishes, without an error for its sender.
        run(
            "ip", "-n", namespace, "neighbour", "add", NOBODY, "lladdr", "02:00:00:00:00:fe",
            "dev", device, "nud", "permanent",
        )  # fmt: skip
        run("ip", "-n", namespace, "route", "add", "default", "via", NOBODY)

    def _address(self, namespace: str, device: str, address: str) -> None:
        run("ip", "-n", namespace, "address", "add", address, "dev", device)
        run("ip", "-n", namespace, "link", "set", device, "up")

    def close(self) -> None:
        for namespace in self._namespaces:
            run("ip", "netns", "del", namespace)


@contextmanager
def open_network() -> Iterator[Network]:
    """A network for a block. What a killed run has left is removed first."""
    for namespace in _leftovers():
        run("ip", "netns", "del", namespace)
    network = Network(f"rtc{os.getpid()}-")
    try:
        yield network
    finally:
        network.close()


def _leftovers() -> list[str]:
    folder = Path("/run/netns")
    names = [path.name for path in folder.glob("rtc*-*")] if folder.exists() else []
    owners = {name: name.removeprefix("rtc").partition("-")[0] for name in names}
    return [
        name
        for name, owner in owners.items()
        if not owner.isdecimal() or owner == str(os.getpid()) or not Path("/proc", owner).exists()
    ]
