"""The relay of the console: where it may not go, what it does not send, and how long it waits."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from gatewright.server import local_tls
from gatewright.server.dashboard import relay
from gatewright.server.dashboard.relay import Outgoing, Relay, RelayRefused, require_allowed
from gatewright.server.settings import LOOPBACK_NETWORKS
from tests.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.dashboard.relay import Answered
    from gatewright.server.settings import Network

NOT_PUBLIC = (
    # this machine, in the spellings that resolvers and URL parsers know
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1"),  # noqa: S104 - refused
    *("2002:7f00:1::", "64:ff9b::7f00:1", "::127.0.0.1", "2001:0:7f00:1:8000:63bf:80ff:fffe"),
    # metadata of clouds, link-local
    *("169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "fe80::1", "fe80::a9fe:a9fe"),
    *("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
    # private, shared, documentation, benchmarking
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1.1"),
    *("100.64.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "fc00::1", "fd12::1"),
    *("2001:db8::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "64:ff9b:1::1"),
    # everybody and nobody
    *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1", "ff0e::1", "0.1.2.3"),
)
BAD_PATHS = (
    *("", "blogs", "/a/../b", "/..", "/%2e%2e/b", "/a/.%2E/b", "/./b", "/a b"),
    *("/a\\b", "/a\r\nHost: evil", "/a\tb", "/é", '/a"b', "http://evil.example/", "@evil.example/"),
)


def sent(outgoing: Outgoing, *, networks: tuple[Network, ...] = LOOPBACK_NETWORKS) -> Answered:
    return asyncio.run(Relay(networks).send(outgoing, registered=[outgoing.base_url]))


@contextmanager
def talking(answer: bytes, *, drips: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that says `answer` to one request, whatever it is; what it was sent."""
    heard: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer)
                while drips and not done.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(RelayRefused, match="relay_networks"):
        require_allowed([address], networks=(), is_https=True)


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(RelayRefused, match="relay_networks"):
        require_allowed(["1.1.1.1", "10.0.0.1"], networks=(), is_https=True)


def test_public_addresses_are_reached_by_https_alone() -> None:
    require_allowed(["1.1.1.1", "2606:4700::1111"], networks=(), is_https=True)
    with pytest.raises(RelayRefused, match="in clear"):
        require_allowed(["1.1.1.1"], networks=(), is_https=False)


def test_networks_of_the_operator_are_reached_also_in_clear() -> None:
    networks = (ip_network("10.0.0.0/8"),)
    require_allowed(["10.1.2.3", "::ffff:10.1.2.3"], networks=networks, is_https=False)
    with pytest.raises(RelayRefused):
        require_allowed(["11.1.2.3", "172.16.0.1"], networks=networks, is_https=False)


@pytest.mark.parametrize(
    "spelled", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"]
)
def test_spellings_of_loopback_are_refused_where_it_is_not_allowed(spelled: str) -> None:
    with pytest.raises(RelayRefused, match=r"relay_networks|Nothing answers"):
        sent(Outgoing("GET", f"http://{spelled}:{free_port()}", "/"), networks=())


def test_the_name_is_resolved_once_and_the_connection_goes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        """A name that is public the first time, and this machine from then on."""
        asked.append(host)
        address = "192.0.2.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(RelayRefused, match=r"192\.0\.2\.1 is not of the public internet"):
        sent(Outgoing("GET", "http://rebinding.example", "/"))
    assert asked == ["rebinding.example"]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(RelayRefused, match=r"^The path "):
        sent(Outgoing("GET", f"http://127.0.0.1:{free_port()}", path))


def test_path_cannot_become_the_host() -> None:
    with talking(b"HTTP/1.1 204 No Content\r\n\r\n") as (url, heard):
        sent(Outgoing("GET", url, "//evil.example/"))
    assert heard[0].startswith(b"GET //evil.example/ HTTP/1.1\r\n")


def test_only_registered_places_are_called() -> None:
    with pytest.raises(RelayRefused, match="Register this base URL"):
        asyncio.run(Relay(LOOPBACK_NETWORKS).send(Outgoing("GET", "http://127.0.0.1:1", "/"), registered=[]))


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "evil.example"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("Cookie", "a=b"),
        ("X-Trace", "1\r\nHost: evil.example"),
        ("X Trace", "1"),
        ("", "1"),
        ("X-Trace", "é"),
    ],
)
def test_header_that_is_not_for_people_to_set_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(RelayRefused):
        sent(Outgoing("GET", f"http://127.0.0.1:{free_port()}", "/", (header,)))


def test_method_must_be_a_known_one() -> None:
    with pytest.raises(RelayRefused, match="one of GET"):
        sent(Outgoing("CONNECT", f"http://127.0.0.1:{free_port()}", "/"))


def test_redirect_is_shown_and_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    with talking(answer) as (url, heard):
        found = sent(Outgoing("POST", url, "/a?b=c", (("X-Trace", "1"),), b"body"))
    assert (found.status, dict(found.headers)["Location"]) == (302, "http://169.254.169.254/latest")
    head = heard[0].partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert f"Host: {url.removeprefix('http://')}\r\n" in head
    assert "X-Trace: 1" in head


def test_of_a_long_answer_the_beginning_is_read() -> None:
    with talking(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 100_000) as (url, _):
        found = sent(Outgoing("GET", url, "/"))
    assert found.is_cut
    assert len(found.body) == relay.LARGEST_ANSWER


def test_answer_that_drips_for_ever_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "DEADLINE", 0.5)
    with (
        talking(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", drips=True) as (url, _),
        pytest.raises(RelayRefused, match="No whole answer"),
    ):
        sent(Outgoing("GET", url, "/"))


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 999999 OK\r\n\r\n"])
def test_what_is_no_answer_is_told_as_such(answer: bytes) -> None:
    with talking(answer) as (url, _), pytest.raises(RelayRefused, match="Nothing answers at 127"):
        sent(Outgoing("GET", url, "/"))


def test_api_that_does_not_run_is_told_as_such() -> None:
    port = free_port()
    with pytest.raises(RelayRefused, match=f"Nothing answers at localhost:{port} .*Does the API run"):
        sent(Outgoing("GET", f"http://localhost:{port}", "/"))


def test_certificate_must_be_the_hosts(tls_server: str) -> None:
    with pytest.raises(RelayRefused, match="no certificate that this machine trusts"):
        sent(Outgoing("GET", tls_server, "/"))


def test_calls_at_once_are_bounded() -> None:
    async def many(url: str) -> list[object]:
        bounded = Relay(LOOPBACK_NETWORKS)
        call = Outgoing("GET", url, "/")
        calls = [bounded.send(replace(call), registered=[url]) for _ in range(relay.MOST_AT_ONCE + 1)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(5)
        connections: list[socket.socket] = []

        def hang_up() -> None:
            connections.extend(silent.accept()[0] for _ in range(relay.MOST_AT_ONCE))
            for each in connections:
                each.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        told = asyncio.run(many(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        thread.join()
    assert sum("Several calls" in str(each) for each in told) == 1


@pytest.fixture
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An https server whose certificate nobody has signed."""
    files = local_tls.ensure(tmp_path_factory.mktemp("tls"), now=time.time())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def shake() -> None:
            connection, _ = listening.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except (ssl.SSLError, OSError):
                connection.close()

        thread = threading.Thread(target=shake)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()
