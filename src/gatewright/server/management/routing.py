"""Which operation a request is for: the tables of the nouns, by undecoded path."""

from collections.abc import Sequence
from urllib.parse import quote, unquote

from starlette.requests import Request

from gatewright.server.errors import ApiError
from gatewright.server.management.endpoint import Endpoint
from gatewright.server.requests import MANAGEMENT_PATH


class Router:
    """Finds the endpoint of a request by its undecoded path: identifiers contain slashes, escaped."""

    def __init__(self, rows: Sequence[Endpoint]) -> None:
        self._rows = [(tuple(row.path.strip("/").split("/")), row) for row in rows]

    def find(self, http: Request) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint, and the path's parameters, decoded once.

        Raises:
            ApiError: 404 for an unknown address, 405 for another method.
        """
        raw = http.scope.get("raw_path") or quote(http.scope["path"]).encode()
        text = raw.partition(b"?")[0].decode("ascii", "replace").removeprefix(MANAGEMENT_PATH)
        return self.locate(http.method, text)

    def locate(self, method: str, text: str) -> tuple[Endpoint, dict[str, str]]:
        """As ``find``, for a method and an escaped path below ``/api/v2``.

        Raises:
            ApiError: likewise.
        """
        segments = tuple(unquote(segment) for segment in text.removeprefix("/").split("/"))
        allowed = []
        for pattern, row in self._rows:
            path = _match(pattern, segments)
            if path is None:
                continue
            if row.method == method:
                return row, path
            allowed.append(row.method)
        if allowed:
            raise ApiError(405, "Method Not Allowed", headers={"Allow": ", ".join(allowed)})
        raise ApiError(404, "Not Found")


def _match(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    path = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{"):
            path[part.strip("{}")] = segment
        elif part != segment:
            return None
    return path if all(path.values()) else None
