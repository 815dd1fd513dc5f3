"""The query parameters that the OpenAPI document tells of are those that operations read, and no others."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import QueryParams

from gatewright.guard import Guard, Request
from gatewright.server.errors import ApiError
from gatewright.server.management.app import ALL_ROUTES
from gatewright.server.management.endpoint import Call
from gatewright.server.system_api import SCOPES
from tests.running import bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gatewright.guard import AccessToken
    from gatewright.server.app import RunningServer
    from gatewright.server.management.description import Parameter
    from gatewright.server.management.endpoint import Endpoint
    from gatewright.server.store import Transaction
    from tests.running import Caller
    from tests.server.calling import Limited

READS = [row for row in ALL_ROUTES if row.method == "GET"]


class Watched(QueryParams):
    """A query that remembers what it was asked for."""

    asked: set[str]

    def __init__(self, members: Mapping[str, str], asked: set[str]) -> None:
        super().__init__(members)
        self.asked = asked

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> str:  # noqa: ANN401 - as the base class has it
        self.asked.add(str(key))
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - as the base class has it
        self.asked.add(str(key))
        return super().get(key, default)

    def getlist(self, key: Any) -> list[str]:  # noqa: ANN401 - as the base class has it
        self.asked.add(str(key))
        return super().getlist(key)


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


@pytest.fixture(scope="module")
def token(running: RunningServer, holding: Callable[[str], Limited]) -> AccessToken:
    """A verified token with all scopes."""
    settings, keys = running.settings, running.server.keys
    guard = Guard(
        settings.issuer,
        audience=settings.management_audience,
        algorithms=("RS256",),
        keys=keys.verification_keys,
        now=running.server.now,
    )
    headers = bearer(holding(" ".join(SCOPES)).token)
    return guard.check(Request("GET", settings.issuer, headers.items()))


@pytest.fixture(scope="module")
def names(caller: Caller) -> Mapping[str, str]:
    """A record of each noun whose members have a query of their own."""
    role = caller.manage("POST", "roles", json={"name": "Reader"}).json()
    user = caller.create("users", connection="Staff", email="a@staff.example")
    return {
        "clients": caller.application("A").client_id,
        "resource-servers": caller.create("resource-servers", identifier="urn:a")["id"],
        "roles": role["id"],
        "users": user["user_id"],
    }


def sample(parameter: Parameter) -> str:
    """A value that the parameter may have."""
    schema = parameter.schema
    if "enum" in schema:
        return str(next(iter(schema["enum"])))  # type: ignore[call-overload]  # a list
    if "[0-9]{8}" in str(schema.get("pattern")) or "19[7-9]" in str(schema.get("pattern")):
        return "20270101"
    return {"boolean": "true", "integer": "1"}.get(str(schema["type"]), "1")


def queries(row: Endpoint) -> Iterator[dict[str, str]]:
    """Each parameter by itself, and none."""
    yield {}
    for parameter in row.query:
        yield {parameter.name: sample(parameter)}


@pytest.mark.parametrize("row", READS, ids=name_of)
def test_document_tells_the_parameters_that_are_read(
    running: RunningServer, token: AccessToken, names: Mapping[str, str], row: Endpoint
) -> None:
    asked: set[str] = set()
    path = {"id": names.get(row.path.split("/")[1], "x"), "kid": "x", "language": "en", "credential_id": "x"}

    def run(query: QueryParams, tx: Transaction) -> None:
        with contextlib.suppress(ApiError):  # of a record that is not there, or a value that means nothing
            row.operation(Call(running.server, tx, path, query, {}, token))

    for members in queries(row):
        running.server.store.read(partial(run, Watched(members, asked)))

    declared = {parameter.name for parameter in row.query}
    if "fields" not in declared:
        asked.discard(
            "include_fields"
        )  # a wrong one is refused by every list, though only some choose members
    assert declared == asked


@pytest.mark.parametrize("row", [row for row in ALL_ROUTES if row.method != "GET"], ids=name_of)
def test_no_change_has_a_query(row: Endpoint) -> None:
    assert not row.query
