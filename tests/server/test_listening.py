from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gatewright.server.app import start
from gatewright.server.errors import StartupError
from gatewright.server.listening import listen
from gatewright.server.settings import Settings
from tests.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    sockets = listen(host, port)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


@contextmanager
def taken(address: str, port: int) -> Iterator[None]:
    """Another program on that port of one address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((address, port))
        other.listen()
        yield


def reaches(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def test_localhost_is_both_loopbacks_and_nothing_else() -> None:
    port = free_port()
    with listening("localhost", port) as sockets:
        assert {each.getsockname()[0] for each in sockets} == {"127.0.0.1", "::1"}
        assert {each.getsockname()[1] for each in sockets} == {port}
        assert reaches("127.0.0.1", port)
        assert reaches("::1", port)
    assert not reaches("127.0.0.1", port)


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_one_address_is_that_one_alone(host: str, other: str) -> None:
    port = free_port()
    with listening(host, port):
        assert reaches(host, port)
        assert not reaches(other, port)


def test_all_addresses_of_one_family_leave_the_other_alone() -> None:
    port = free_port()
    with listening("::", port):
        assert reaches("::1", port)
        assert not reaches("127.0.0.1", port)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_taken_port_is_refused_with_another_one_to_try(address: str) -> None:
    port = free_port()
    with taken(address, port), pytest.raises(StartupError) as caught:
        listen("localhost", port)
    assert str(caught.value) == (
        f"Port {port} is taken. Stop the other program, or choose another: --listen localhost:{port + 1}"
    )
    # What was bound before the fault was found is given back.
    with listening("localhost", port) as sockets:
        assert len(sockets) == 2


def test_the_port_to_try_is_one_that_exists_and_written_as_listen_wants_it() -> None:
    with taken("::1", 65535), pytest.raises(StartupError, match=r"--listen \[::1\]:65534$"):
        listen("::1", 65535)


def test_an_address_of_another_machine_is_refused_with_its_reason() -> None:
    with pytest.raises(StartupError, match=r"^Cannot listen on 192\.0\.2\.1:8844: .*[aA]ssign"):
        listen("192.0.2.1", 8844)


def test_a_port_that_was_in_use_a_moment_ago_is_free() -> None:
    """A restart must not wait for the old connections to time out."""
    port = free_port()
    with listening("127.0.0.1", port) as [listener]:
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = listener.accept()
        connection.close()  # closed by the server first: this side lingers
        client.close()
    with listening("127.0.0.1", port):
        assert reaches("127.0.0.1", port)


def test_sockets_outlive_the_start_of_a_worker() -> None:
    with listening("localhost", free_port()) as sockets:
        assert all(each.get_inheritable() for each in sockets)


def test_a_server_whose_port_is_taken_makes_no_folder(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{port}")
    with taken("127.0.0.1", port), pytest.raises(StartupError, match=f"Port {port} is taken"):
        start(settings)
    assert not (tmp_path / "data").exists()


def test_a_server_that_cannot_start_gives_its_port_back(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "data").write_text("in the way")
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{port}")
    with pytest.raises(StartupError, match="data folder"):
        start(settings)
    with listening("localhost", port) as sockets:
        assert len(sockets) == 2
