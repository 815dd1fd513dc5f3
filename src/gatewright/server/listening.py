"""The sockets a server listens on."""

import errno
import socket

from gatewright.server.errors import StartupError

BACKLOG = 2048
_HIGHEST_PORT = 65535
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def listen(host: str, port: int) -> list[socket.socket]:
    """Bound sockets; ``localhost`` is both loopback addresses, as far as the machine has them.

    Raises:
        StartupError: when the port is taken, or the address is not this machine's.
    """
    names = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    sockets: list[socket.socket] = []
    for name in names:
        try:
            sockets.append(_bound(name, port))
        except OSError as error:
            if error.errno in _NO_SUCH_ADDRESS and len(names) > 1:
                continue
            for other in sockets:
                other.close()
            raise StartupError(_explained(error, host, port)) from error
    if not sockets:
        raise StartupError(f"There is no address to listen on for {host}.")
    return sockets


def _bound(address: str, port: int) -> socket.socket:
    family, *_, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(target)
        made.listen(BACKLOG)
        made.set_inheritable(True)
    except OSError:
        made.close()
        raise
    return made


def _explained(error: OSError, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < _HIGHEST_PORT else port - 1
        return f"Port {port} is taken. Stop the other program, or choose another: --listen {shown}:{other}"
    return f"Cannot listen on {shown}:{port}: {error.strerror or error}"
