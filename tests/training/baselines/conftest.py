from __future__ import annotations

import socket
from typing import Any, NoReturn

import pytest


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks up a host or connects to one fails."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("a network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
