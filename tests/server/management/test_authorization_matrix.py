"""Every endpoint of the Management API, asked with every scope there is: exactly the declared ones let in.

One request for each endpoint and each single scope, over one connection that stays open: no scope stands for
others, so nothing is left to a belief about how rules are built. Tokens of several scopes are then asked
where they matter: each combination that is declared, the same with one missing, and all scopes at once that
no declaration names.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import TYPE_CHECKING

import pytest

from gatewright.guard.rules import alternatives
from gatewright.server.management.app import ALL_ROUTES
from gatewright.server.system_api import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gatewright.server.app import RunningServer
    from gatewright.server.management.endpoint import Endpoint
    from tests.server.calling import Limited

    Door = Callable[[Endpoint, str], bool]

ALL = frozenset(SCOPES)


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def ways(row: Endpoint) -> list[frozenset[str]]:
    """The sets of scopes that let in, as the row declares them."""
    return [frozenset(way) for way in alternatives(row.rule)]


@pytest.fixture(scope="module")
def tokens(holding: Callable[[str], Limited]) -> Callable[[Iterable[str]], str]:
    """`tokens({"read:logs"})` is a token with just these scopes, made once."""
    made: dict[str, str] = {}

    def token(scopes: Iterable[str]) -> str:
        text = " ".join(sorted(scopes))
        if text not in made:
            made[text] = holding(text).token
        return made[text]

    return token


@pytest.fixture(scope="module")
def lets_in(running: RunningServer, tokens: Callable[[Iterable[str]], str]) -> Iterator[Door]:
    """Whether the guard lets the scopes in, whatever the operation then says to a request without a body."""
    connection = http.client.HTTPConnection(*running.settings.address, timeout=10)

    def ask(row: Endpoint, scopes: str) -> bool:
        # Of records that do not exist: being let in changes nothing.
        path = re.sub(r"{\w+}", "nothing-of-this-name", row.path)
        headers = {"Authorization": f"Bearer {tokens(scopes.split())}"}
        connection.request(row.method, f"/api/v2{path}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        wants_more = row.body is not None or any(parameter.is_required for parameter in row.query)
        assert answer.status not in {400, 401} or wants_more, body
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status != 403 or not challenge:
            return True
        assert 'error="insufficient_scope"' in challenge
        assert json.loads(body)["errorCode"] == "insufficient_scope"
        return False

    yield ask
    connection.close()


@pytest.mark.parametrize("row", ALL_ROUTES, ids=name_of)
def test_every_endpoint_declares_scopes_that_the_system_api_has(row: Endpoint) -> None:
    declared = ways(row)

    assert declared
    assert all(declared)  # an empty way would let in any token
    assert frozenset().union(*declared) == frozenset(row.scopes)
    assert frozenset(row.scopes) <= ALL


@pytest.mark.slow
@pytest.mark.parametrize("row", ALL_ROUTES, ids=name_of)
def test_of_single_scopes_exactly_the_declared_ones_let_in(lets_in: Door, row: Endpoint) -> None:
    let_in = {scope for scope in SCOPES if lets_in(row, scope)}

    assert let_in == {scope for way in ways(row) if len(way) == 1 for scope in way}


@pytest.mark.slow
@pytest.mark.parametrize("row", ALL_ROUTES, ids=name_of)
def test_of_several_scopes_a_whole_way_is_needed(lets_in: Door, row: Endpoint) -> None:
    named = frozenset(row.scopes)
    asked = [way - {missing} for way in ways(row) for missing in way]
    asked += [*ways(row), ALL, ALL - named, frozenset()]
    asked += [ALL - named | part for part in asked if part < named]

    for scopes in asked:
        is_enough = any(way <= scopes for way in ways(row))
        assert lets_in(row, " ".join(scopes)) is is_enough, sorted(scopes & named)
