"""Ports for servers that a test starts and that cannot choose one themselves."""

import os
import socket

# Below the ports that the kernel gives to outgoing connections, here and 10,000 higher: in between
# the choice and the start of the server nobody can be given one by chance.
_LOWEST, _HIGHEST = 10_000, 22_000
_APART = 97


def free_ports(count: int) -> list[int]:
    """Free ports of this machine whose twins, 10,000 higher, are free as well.

    Processes of neighbouring numbers, such as the workers of one test run, begin their search
    `_APART` ports from each other, so that servers started at once do not meet.
    """
    span = _HIGHEST - _LOWEST
    first = os.getpid() * _APART
    found: list[int] = []
    for step in range(span):
        port = _LOWEST + (first + step) % span
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"{count} free ports between {_LOWEST} and {_HIGHEST}: {len(found)} found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
