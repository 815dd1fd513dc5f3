"""HTTP servers of tests, on the loopback, which can go down and come back on the same port."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@dataclass(slots=True, kw_only=True)
class Loopback:
    """Answers with the handlers of `handler` while it is entered, or from `start` to `stop`."""

    server: ThreadingHTTPServer | None = None
    port: int = 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers requests."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def start(self) -> None:
        """Up, on the port of the first time."""
        server = _Server(("127.0.0.1", self.port), self.handler())
        self.server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Down: connections are refused."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
