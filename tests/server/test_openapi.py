"""`GET /api/v2/openapi.json`: one document of all doors, which cannot rot."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from starlette.routing import Mount, Route

from gatewright.guard.rules import alternatives
from gatewright.server.app import make_app
from gatewright.server.errors import ApiError
from gatewright.server.management.app import ALL_ROUTES, ROUTES
from gatewright.server.management.description import Items, Record
from gatewright.server.management.schema import check_body
from gatewright.server.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from gatewright.server.management.endpoint import Endpoint
    from gatewright.server.management.schema import Body
    from tests.running import Caller

ISSUER = "https://issuer.example/"
DOCUMENT = document(ISSUER)
SCHEMAS = DOCUMENT["components"]["schemas"]
BODIES = list(dict.fromkeys(row.body for row in ROUTES if row.body))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}

# One of each kind of value that any member of a body may be given, at and beyond its limits.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 9, 10, 600, 601, 2_592_000, 2_592_001, 1.5,
    "", "x", "<", "a b", 'a"', "a\n", "\u00e9", *("x" * length for length in (16, 32, 200, 201, 3000)),
    [], [""], ["a"], ["a b"], [1], [None], [{}], [["a"]], ["a"] * 1001,
    {}, {"a": "b"}, {"a": None}, {"a": 1}, {"a": "x" * 300}, {"value": "a"}, [{"value": "a"}],
    [{"value": "a", "description": None}], [{"value": "a\n"}], [{"value": "a", "more": 1}],
    {"mechanism": "dpop", "required": True}, {"mechanism": "x", "required": True},
    [{"resource_server_identifier": "u", "permission_name": "a"}], "2030-01-01T00:00:00Z",
    {"client": {"policy": "deny_all"}}, {"client": {"policy": "allow_all"}}, {"user": {}},
]  # fmt: skip


def name_of(row: Endpoint) -> str:
    return f"{row.method} /api/v2{row.path}"


def routes_of(running: RunningServer) -> Iterator[str]:
    """Every method and path that is served to programs, not the pages; HEAD comes with GET."""
    for route in make_app(running.server).routes:
        if getattr(route, "path", "").startswith("/ui"):
            continue
        if isinstance(route, Mount):
            assert route.path == "/api/v2"
            yield from map(name_of, ALL_ROUTES)
        else:
            assert isinstance(route, Route)
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                yield f"{method} {route.path}"


def schemas_in(value: object) -> Iterator[dict[str, Any]]:
    """Every JSON schema of the document."""
    if isinstance(value, list):
        for each in value:
            yield from schemas_in(each)
    elif isinstance(value, dict):
        yield from (value["schema"] for _ in [0] if isinstance(value.get("schema"), dict))
        for each in value.values():
            yield from schemas_in(each)


def words_in(value: object, member: str) -> Iterator[str]:
    """What the document says at each member of this name that is a string."""
    if isinstance(value, list):
        for each in value:
            yield from words_in(each, member)
    elif isinstance(value, dict):
        yield from (value[member] for _ in [0] if isinstance(value.get(member), str))
        for each in value.values():
            yield from words_in(each, member)


def test_every_route_of_the_application_is_documented_and_nothing_else(running: RunningServer) -> None:
    served = Counter(routes_of(running))

    assert set(served) == set(OPERATIONS)
    assert set(served.values()) == {1}


def test_document_is_valid_openapi_of_version_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(DOCUMENT).validate()

    for schema in [*SCHEMAS.values(), *schemas_in(DOCUMENT)]:
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere() -> None:
    references = set(words_in(DOCUMENT, "$ref"))

    assert references
    for reference in references:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_patterns_are_those_of_json_schema() -> None:
    patterns = set(words_in(SCHEMAS, "pattern"))

    assert patterns
    assert not [pattern for pattern in patterns if re.search(r"\\[AZz]|\(\?P|\(\?[a-z]", pattern)]


def test_operations_have_names_of_their_own() -> None:
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())

    assert set(names.values()) == {1}
    assert {"clients_list", "clients_rotate_secret", "keys_signing_rotate", "oauth_token"} <= set(names)
    assert all(operation["summary"] for operation in OPERATIONS.values())


@pytest.mark.parametrize("row", ALL_ROUTES, ids=name_of)
def test_operation_tells_the_scopes_it_needs(row: Endpoint) -> None:
    security = OPERATIONS[name_of(row)]["security"]
    flow = DOCUMENT["components"]["securitySchemes"]["management"]["flows"]["clientCredentials"]

    assert security == [{"management": list(way)} for way in alternatives(row.rule)]
    assert {scope for way in security for scope in way["management"]} == set(row.scopes)
    assert set(row.scopes) <= set(flow["scopes"])
    assert flow["tokenUrl"] == f"{ISSUER}oauth/token"


@pytest.mark.parametrize("row", [row for row in ROUTES if row.body], ids=name_of)
def test_documented_body_is_the_type_that_is_checked(row: Endpoint) -> None:
    assert row.body is not None
    content = OPERATIONS[name_of(row)]["requestBody"]["content"]

    assert content == {"application/json": {"schema": {"$ref": f"#/components/schemas/{row.body.__name__}"}}}
    members = {field.encode_name for field in msgspec.structs.fields(row.body)}
    assert SCHEMAS[row.body.__name__]["properties"].keys() == members


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_schema_of_a_body_allows_what_the_server_allows(body: type[Body]) -> None:
    validator = validator_of({"$ref": f"#/components/schemas/{body.__name__}"})
    values = {
        name: [*VALUES, *enumerated(schema)] for name, schema in SCHEMAS[body.__name__]["properties"].items()
    }
    needed = {name: first_valid(body, name, values[name]) for name in SCHEMAS[body.__name__]["required"]}
    assert validator.is_valid(needed)
    assert accepts(body, needed)
    assert not validator.is_valid({**needed, "unknown": 1})
    for name, tried in values.items():
        for value in tried:
            members = {**needed, name: value}
            assert validator.is_valid(members) is accepts(body, members), members


def validator_of(schema: dict[str, object]) -> jsonschema_rs.Draft202012Validator:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def first_valid(body: type[Body], name: str, values: list[object]) -> object:
    """A value that the member may have."""
    member = validator_of(SCHEMAS[body.__name__]["properties"][name])
    return next(value for value in values if member.is_valid(value))


def enumerated(schema: object) -> Iterator[str]:
    """The values that a schema lists."""
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for each in schema.get("anyOf", ()):
            yield from enumerated(each)


def accepts(body: type[Body], members: dict[str, object]) -> bool:
    try:
        check_body(members, body)
    except ApiError:
        return False
    return True


def test_names_of_records_are_not_those_of_types() -> None:
    shapes = [row.answers.record if isinstance(row.answers, Items) else row.answers for row in ROUTES]
    records = {shape for shape in shapes if isinstance(shape, Record)}
    types = {*BODIES, *(part for record in records for part in (record.sent, record.made) if part)}

    names = Counter([*(record.name for record in records), *(each.__name__ for each in types)])
    assert set(names.values()) == {1}


def test_document_is_served_without_a_token_and_may_be_kept(caller: Caller, running: RunningServer) -> None:
    answer = caller.http.get("api/v2/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json() == document(running.issuer)
    assert answer.json()["servers"] == [{"url": running.issuer.rstrip("/")}]


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {}', "*"])
def test_document_that_the_caller_has_is_not_sent_again(caller: Caller, known: str) -> None:
    etag = caller.http.get("api/v2/openapi.json").headers["ETag"]

    again = caller.http.get("api/v2/openapi.json", headers={"If-None-Match": known.format(etag)})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    other = caller.http.get("api/v2/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_document_is_only_read(caller: Caller, method: str) -> None:
    answer = caller.http.request(method, "api/v2/openapi.json")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert caller.http.head("api/v2/openapi.json").status_code == 200
