"""Hosts on one machine: network namespaces that reach each other through one switch.

Nothing of the machine's own network is touched: the switch is in a namespace too. A host
is cut off by taking its cable's link down, as when a cable is pulled: what is sent is
lost, and nobody is told. File system and Unix sockets are common to all.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

NETWORK = "198.18.0"  # kept for tests of networks (RFC 2544)
HUB = 1


class NetSpaces:
    """A hub, and hosts numbered from 2."""

    def __init__(self, hosts: int) -> None:
        self._stem = f"gb{os.getpid()}"
        self._hosts = range(HUB + 1, HUB + 1 + hosts)

    @property
    def hub_address(self) -> str:
        return f"{NETWORK}.{HUB}"

    def inside(self, host: int) -> list[str]:
        """A command that becomes one that runs there."""
        return ["ip", "netns", "exec", self._name(host)]

    def cut(self, host: int) -> None:
        self._ip("-n", self._name(HUB), "link", "set", f"to{host}", "down")

    def heal(self, host: int) -> None:
        self._ip("-n", self._name(HUB), "link", "set", f"to{host}", "up")

    def build(self) -> None:
        hub = self._name(HUB)
        self._space(HUB)
        self._ip("-n", hub, "link", "add", "switch", "type", "bridge")
        self._ip("-n", hub, "addr", "add", f"{self.hub_address}/24", "dev", "switch")
        self._ip("-n", hub, "link", "set", "switch", "up")
        for host in self._hosts:
            self._space(host)
            name = self._name(host)
            ends = ("name", "eth0", "netns", name)
            cable = ("link", "add", f"to{host}", "type", "veth", "peer")
            self._ip("-n", hub, *cable, *ends)
            self._ip("-n", hub, "link", "set", f"to{host}", "master", "switch", "up")
            self._ip("-n", name, "addr", "add", f"{NETWORK}.{host}/24", "dev", "eth0")
            self._ip("-n", name, "link", "set", "eth0", "up")

    def remove(self) -> None:
        for host in (HUB, *self._hosts):
            command = ["ip", "netns", "del", self._name(host)]
            subprocess.run(command, capture_output=True, check=False)

    def _space(self, host: int) -> None:
        self._ip("netns", "add", self._name(host))
        self._ip("-n", self._name(host), "link", "set", "lo", "up")

    def _name(self, host: int) -> str:
        return f"{self._stem}-{host}"

    @staticmethod
    def _ip(*words: str) -> None:
        command: Sequence[str] = ["ip", *words]
        subprocess.run(command, capture_output=True, check=True, timeout=10)


@contextmanager
def net_spaces(hosts: int) -> Iterator[NetSpaces]:
    """Skips where there are no namespaces to be had."""
    if shutil.which("ip") is None:
        pytest.skip("no ip command (iproute2) here")
    made = NetSpaces(hosts)
    try:
        made.build()
    except subprocess.CalledProcessError as error:
        made.remove()
        said = (error.stderr or b"").decode(errors="replace").strip()
        pytest.skip(f"no network namespaces here: {said}")
    try:
        yield made
    finally:
        made.remove()
