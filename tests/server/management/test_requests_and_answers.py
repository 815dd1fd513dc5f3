"""What is alike at every noun: addresses, methods, bodies, headers, and the answer to an unknown failure."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from gatewright.server.management.app import ROUTES
from gatewright.server.management.schema import AnyValue
from tests.running import bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import httpx2

    from gatewright.server.app import RunningServer
    from gatewright.server.management.endpoint import Endpoint
    from tests.running import Application, Caller

LIMIT = 1024 * 1024
WRITES = [row for row in ROUTES if row.body not in {None, AnyValue}]


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def address_of(row: Endpoint) -> str:
    return row.path.lstrip("/").replace("{id}", "none").replace("{kid}", "none")


@pytest.fixture(scope="module")
def post(caller: Caller) -> Callable[..., httpx2.Response]:
    """Sends a body to an endpoint as it is, by default to make a client."""
    token = caller.token(caller.operator, caller.issuer + "api/v2/")

    def send(
        content: bytes | Iterator[bytes],
        content_type: str = "application/json",
        *,
        method: str = "POST",
        path: str = "clients",
    ) -> httpx2.Response:
        headers = {**bearer(token), "Content-Type": content_type}
        return caller.http.request(method, f"api/v2/{path}", headers=headers, content=content)

    return send


@pytest.mark.parametrize(
    "path",
    [
        "",
        "nope",
        "clients/",
        "clients/a/b",
        "clients//rotate-secret",
        "resource-servers/urn:a/b",
        "Clients",
        "keys",
        "keys/signing/",
        "clients/%2e%2e/nope/x",
    ],
)
def test_unknown_address_is_not_found(caller: Caller, refused: Callable[..., None], path: str) -> None:
    refused(caller.manage("GET", path), 404, "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "clients", "GET, POST"),
        ("PATCH", "client-grants", "GET, POST"),
        ("POST", "clients/x", "GET, PATCH, DELETE"),
        ("GET", "clients/x/rotate-secret", "POST"),
        ("POST", "keys/signing", "GET"),
        ("DELETE", "logs", "GET"),
        ("GET", "keys/signing/x/revoke", "PUT"),
    ],
)
def test_other_method_is_refused_with_the_methods_there_are(
    caller: Caller, refused: Callable[..., None], method: str, path: str, allowed: str
) -> None:
    answer = caller.manage(method, path)

    refused(answer, 405, "Method Not Allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("row", WRITES, ids=name_of)
@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_content_type_is_refused(
    post: Callable[..., httpx2.Response], refused: Callable[..., None], row: Endpoint, content_type: str
) -> None:
    answer = post(b"{}", content_type, method=row.method, path=address_of(row))

    refused(answer, 415, "The Content-Type must be application/json", "invalid_body")


def test_other_charset_is_refused(post: Callable[..., httpx2.Response], refused: Callable[..., None]) -> None:
    answer = post(b'{"name":"x"}', "application/json; charset=latin-1")

    refused(answer, 415, "The request body must be in UTF-8", "invalid_body")


@pytest.mark.parametrize("row", WRITES, ids=name_of)
def test_body_that_is_no_object_is_refused(
    post: Callable[..., httpx2.Response], refused: Callable[..., None], row: Endpoint
) -> None:
    for body in (b"[]", b'"x"', b"null"):
        answer = post(body, method=row.method, path=address_of(row))

        refused(answer, 400, "The request body must be a JSON object", "invalid_body")


@pytest.mark.parametrize("row", WRITES, ids=name_of)
def test_unknown_property_is_refused_everywhere(post: Callable[..., httpx2.Response], row: Endpoint) -> None:
    body = b'{"name":"x","identifier":"urn:x","audience":"urn:x","client_id":"x","nobody_knows":1}'
    answer = post(body, method=row.method, path=address_of(row))

    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "invalid_body"
    assert answer.json()["message"].startswith(
        "Payload validation error: 'Additional properties not allowed: "
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not valid JSON at character 0"),
        (b"{'name':'x'}", "not valid JSON at character 1"),
        (b'{"name":"x","name":"y"}', "duplicate member 'name'"),
        (b'{"name":"x","mobile":{"a":1,"\\u0061":2}}', "duplicate member 'a'"),
        (b'{"name":"\xff"}', "not valid UTF-8"),
        (b'{"name":"\\udc00"}', "half of a surrogate pair"),
        (b'{"name":"x","mobile":{"a":Infinity}}', "Infinity is not JSON"),
        (b'{"name":"x","mobile":{"a":1e999}}', "a number out of range"),
        (b'{"name":"x","mobile":{"a":9007199254740993}}', "an integer beyond 2**53"),
        (b'{"name":"x","mobile":{"a":' + b"[" * 20 + b"]" * 20 + b"}}", "nested deeper than 16 levels"),
    ],
)
def test_unsound_json_is_refused(
    post: Callable[..., httpx2.Response], refused: Callable[..., None], body: bytes, why: str
) -> None:
    refused(post(body), 400, f"The request body is not sound JSON: {why}", "invalid_body")


def test_large_body_is_refused_declared_or_in_chunks(
    post: Callable[..., httpx2.Response], refused: Callable[..., None]
) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 65536] * 17

    for body in (b" " * (LIMIT + 1), chunks()):
        answer = post(body)

        refused(answer, 413, "The request body is larger than 1048576 bytes", "invalid_body")


def test_body_up_to_the_limit_is_read(post: Callable[..., httpx2.Response]) -> None:
    body = b'{"name":"x"}'

    assert post(body + b" " * (LIMIT - len(body))).status_code == 201


@pytest.mark.parametrize("row", ROUTES, ids=name_of)
def test_no_answer_may_be_stored_and_each_has_its_request_id(caller: Caller, row: Endpoint) -> None:
    answer = caller.manage(row.method, address_of(row), json={})

    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.headers["X-Request-Id"]) == 16
    if answer.status_code != 204:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_request_id_is_never_the_callers(caller: Caller, post: Callable[..., httpx2.Response]) -> None:
    answer = caller.http.get("api/v2/clients", headers={"X-Request-Id": "chosen"})

    assert answer.headers.get_list("X-Request-Id") != ["chosen"]
    assert answer.headers["X-Request-Id"] != post(b"").headers["X-Request-Id"]


@pytest.fixture
def broken(running: RunningServer, caller: Caller) -> Iterator[Application]:
    """An application whose row in the database is damaged: nobody can know what to make of it."""
    application = caller.application("Broken")
    database = running.settings.data / "gatewright.db"

    def write(document: str) -> None:
        with sqlite3.connect(database) as connection:
            change = "UPDATE clients SET document = ? WHERE client_id = ?"
            connection.execute(change, (document, application.client_id))
        connection.close()

    write("{")
    yield application
    write('{"name": "Broken", "is_first_party": true}')


def test_unknown_failure_is_a_500_with_the_request_id_that_the_log_has(
    caller: Caller, broken: Application, lines: Sequence[Mapping[str, object]]
) -> None:
    answer = caller.manage("GET", f"clients/{broken.client_id}")

    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == 500
    assert answer.json() == {
        "statusCode": 500,
        "error": "Internal Server Error",
        "message": f"An internal server error occurred (request {request_id})",
    }
    assert [line["request_id"] for line in lines if line["log_level"] == "error"] == [request_id]


def test_unknown_failure_at_the_token_endpoint_has_the_oauth_format(
    caller: Caller, broken: Application, lines: Sequence[Mapping[str, object]]
) -> None:
    answer = caller.ask_token(broken, "urn:any")

    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "server_error",
        "error_description": f"An internal error occurred (request {request_id})",
    }
    assert broken.client_secret not in str(lines[-1])


@pytest.mark.usefixtures("lines")  # keeps the failures out of the test's output
def test_server_goes_on_after_an_unknown_failure(caller: Caller, broken: Application) -> None:
    for _ in range(3):
        assert caller.manage("GET", f"clients/{broken.client_id}").status_code == 500
        assert caller.manage("GET", "resource-servers").status_code == 200


@pytest.fixture
def half_a_database(running: RunningServer, caller: Caller) -> Iterator[Caller]:
    """A database that cannot be asked about client grants; the operator's own are known from before."""
    caller.token(caller.operator, caller.issuer + "api/v2/")
    connection = sqlite3.connect(running.settings.data / "gatewright.db", isolation_level=None)
    connection.execute("ALTER TABLE client_grants RENAME TO gone")
    yield caller
    connection.execute("ALTER TABLE gone RENAME TO client_grants")
    connection.close()


def test_database_that_does_not_answer_is_a_503_to_be_tried_again(
    half_a_database: Caller, refused: Callable[..., None]
) -> None:
    answer = half_a_database.manage("GET", "client-grants")

    refused(answer, 503, "The database does not answer now, try again in a few seconds")
    assert answer.headers["Retry-After"] == "5"


def test_without_the_database_known_clients_get_tokens_and_others_a_503(half_a_database: Caller) -> None:
    caller = half_a_database
    newcomer = caller.application("Newcomer")

    answer = caller.ask_token(newcomer, caller.issuer + "api/v2/")

    assert caller.ask_token(caller.operator, caller.issuer + "api/v2/").status_code == 200
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
