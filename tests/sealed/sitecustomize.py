"""Shut a Python process, and all that it starts, off from every network; what tries to reach one ends at once.

Python runs this before anything else where the folder is on ``PYTHONPATH``. Sockets between processes of one computer
(AF_UNIX), which windows and workers need, stay open.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys
import traceback

CAUGHT = 99
"""Exit status of a process that tried."""

_LOOK_UPS = (
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.getnameinfo",
    "urllib.Request",
)
_PLACES = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """What Python itself is asked for."""
    if event in _LOOK_UPS or (event in _PLACES and getattr(arguments[0], "family", None) != socket.AF_UNIX):
        sys.stderr.write(f"tried to reach a network: {event}{arguments[1:]!r}\n")
        traceback.print_stack()
        sys.stderr.flush()
        os._exit(CAUGHT)


def _seal() -> None:
    """Have the kernel refuse sockets of the internet, to libraries that are not Python's, too (Linux)."""
    number = {"x86_64": 41, "aarch64": 198}.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return
    load, jump_if_equal, give_back = 0x20, 0x15, 0x06
    refused, allowed = 0x00050000 | 13, 0x7FFF0000  # EACCES
    program = b"".join(
        struct.pack("HBBI", *line)
        for line in (
            (load, 0, 0, 0),  # the call's number
            (jump_if_equal, 0, 4, number),
            (load, 0, 0, 16),  # its first argument, the family
            (jump_if_equal, 1, 0, int(socket.AF_INET)),
            (jump_if_equal, 0, 1, int(socket.AF_INET6)),
            (give_back, 0, 0, refused),
            (give_back, 0, 0, allowed),
        )
    )
    libc = ctypes.CDLL(None, use_errno=True)
    content = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(content)))
    no_new_privileges, set_filter, by_filter = 38, 22, 2
    for call in ((no_new_privileges, 1, 0, 0, 0), (set_filter, by_filter, ctypes.addressof(filters), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(word) for word in call)) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


sys.addaudithook(_watch)
_seal()
