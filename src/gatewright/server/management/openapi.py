"""The Management API's part of the OpenAPI document, made of the table of routes and the body types."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components

from gatewright.guard.rules import alternatives
from gatewright.server.management.description import Items, Never, Nothing, Parameter, Record, Shape, Value
from gatewright.server.management.endpoint import Endpoint
from gatewright.server.management.schema import AnyValue
from gatewright.server.requests import MANAGEMENT_PATH

Document = dict[str, Any]

SCHEME = "management"
_REFERENCE = "#/components/schemas/"
_JSON = "application/json"
_ANY = Value({})
_ALWAYS = (400, 401, 403, 429, 500, 503)
_OF_ONE = (404,)
_OF_A_BODY = (413, 415)
_OF_A_WRITE = (404, 409)
_PACE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_REFUSALS = {
    400: ("The request cannot be read, or breaks a rule",),
    401: ("There is no valid access token", "WWW-Authenticate"),
    403: ("The access token lacks a scope", "WWW-Authenticate"),
    404: ("There is no such record",),
    409: ("It exists already",),
    413: ("The body is too large",),
    415: ("The body is not JSON in UTF-8",),
    429: ("The caller asks too often", "Retry-After", *_PACE),
    500: ("The server failed; its log tells why, under the request's id",),
    503: ("The database does not answer now", "Retry-After"),
}
_METHOD_VERBS = {"GET": "get", "POST": "create", "PATCH": "update", "PUT": "update", "DELETE": "delete"}


def paths(rows: Iterable[Endpoint]) -> Document:
    """Every row as an operation of its path."""
    result: Document = {}
    for row in rows:
        result.setdefault(MANAGEMENT_PATH + row.path, {})[row.method.lower()] = _operation(row)
    return result


def components(rows: Sequence[Endpoint], *, token_url: str, scopes: Mapping[str, str]) -> Document:
    """The schemas of bodies and answers, the refusals, and how to get a token."""
    records = _records(rows)
    bodies = [row.body for row in rows if row.body and row.body is not AnyValue]
    parts = [part for record in records for part in (record.sent, record.made) if part]
    _, schemas = schema_components(dict.fromkeys([*bodies, *parts]), ref_template=_REFERENCE + "{name}")
    for schema in schemas.values():
        schema.setdefault("additionalProperties", True)  # said, so that nobody takes it for an omission
    schemas |= {record.name: _merged(record, schemas) for record in records}
    named = _reachable(schemas, [*(body.__name__ for body in bodies), *(record.name for record in records)])
    flow = {"tokenUrl": token_url, "scopes": dict(scopes)}
    return {
        "schemas": {"Error": _ERROR, **{name: _portable(schemas[name]) for name in sorted(named)}},
        "responses": {f"Error{status}": _refusal(status) for status in _REFUSALS},
        "securitySchemes": {SCHEME: {"type": "oauth2", "flows": {"clientCredentials": flow}}},
    }


def operation_id(row: Endpoint) -> str:
    """The name in the way of Auth0's SDKs, ``clients_rotate_secret`` for their ``clients.rotate_secret``."""
    if row.operation_id:
        return row.operation_id
    *nouns, last = row.path.strip("/").split("/")
    words = [word.replace("-", "_") for word in (*nouns, last) if not word.startswith("{")]
    verb = _METHOD_VERBS[row.method]
    if verb == "get" and not last.startswith("{") and isinstance(row.answers, Items | None):
        verb = "list"
    return "_".join([*words, verb])


def _operation(row: Endpoint) -> Document:
    nouns = [word for word in row.path.strip("/").split("/") if not word.startswith("{")]
    operation: Document = {
        "operationId": operation_id(row),
        "summary": (getattr(row.operation, "func", row.operation).__doc__ or "").partition("\n")[0],
        "tags": [nouns[0]],
        "security": [{SCHEME: list(way)} for way in alternatives(row.rule)],
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", row.path)]
    parameters += [_query_parameter(parameter) for parameter in row.query]
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        body = {} if row.body is AnyValue else {"$ref": _REFERENCE + row.body.__name__}
        content = {_JSON: {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    refused = {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in _refused(row)}
    operation["responses"] = _success(row) | refused
    return operation


def _path_parameter(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameter(parameter: Parameter) -> Document:
    about = {"description": parameter.description, "schema": dict(parameter.schema)}
    return {"name": parameter.name, "in": "query", "required": parameter.is_required, **about}


def _success(row: Endpoint) -> Document:
    shape = row.answers or (Nothing() if row.method == "DELETE" else _ANY)
    if isinstance(shape, Never):
        return {}
    if isinstance(shape, Nothing):
        return {"204": {"description": "Done", "headers": answer_headers(*_PACE)}}
    links = isinstance(shape, Items) and not shape.has_checkpoints
    answer = {
        "description": "The answer",
        "headers": answer_headers(*_PACE, *(["Link"] if links else [])),
        "content": {_JSON: {"schema": _shown(shape)}},
    }
    return {str(row.status): answer}


def _refused(row: Endpoint) -> list[int]:
    statuses = {*_ALWAYS}
    statuses |= {*_OF_ONE} if "{" in row.path else set()
    statuses |= {*_OF_A_BODY} if row.body is not None else set()
    # A row that does not say what else it refuses is taken to refuse what a write may.
    is_write = row.method in {"POST", "PUT", "PATCH"}
    more = row.refuses if row.refuses is not None else _OF_A_WRITE if is_write else ()
    return sorted(statuses | {*more})


def _shown(shape: Record | Items | Value) -> Document:
    if isinstance(shape, Value):
        return dict(shape.schema)
    if isinstance(shape, Record):
        return {"$ref": _REFERENCE + shape.name}
    items: Document = {"type": "array", "items": _shown(shape.record)}
    if shape.member is None:
        return items
    count = {"type": "integer", "minimum": 0}
    totals = {"total": count, "start": count, "limit": count}
    forms = [items, _wrapped({**totals, shape.member: items}, optional={"length": count})]
    if shape.has_checkpoints:
        forms.append(_wrapped({shape.member: items}, optional={"next": {"type": "string"}}, closed=True))
    return {"oneOf": forms}


def _wrapped(members: Document, *, optional: Document, closed: bool = False) -> Document:
    schema = {"type": "object", "required": list(members), "properties": {**members, **optional}}
    # Without this a list with totals would be a list by checkpoint as well.
    return {**schema, "additionalProperties": False} if closed else schema


def answer_headers(*more: str) -> Document:
    """The headers that an answer has beside those of HTTP itself."""
    optional = {name: {"schema": {"type": "string"}} for name in more}
    return {"X-Request-Id": {"required": True, "schema": {"type": "string"}}, **optional}


def _refusal(status: int) -> Document:
    description, *headers = _REFUSALS[status]
    return {
        "description": description,
        "headers": answer_headers(*headers),
        "content": {_JSON: {"schema": {"$ref": _REFERENCE + "Error"}}},
    }


_ERROR: Document = {
    "title": "Error",
    "type": "object",
    "required": ["statusCode", "error", "message"],
    "properties": {
        "statusCode": {"type": "integer"},
        "error": {"type": "string"},
        "message": {"type": "string"},
        "errorCode": {"type": "string"},
        "attributes": {"type": "object", "properties": {"error": {"type": "string"}}},
    },
}


def _records(rows: Iterable[Endpoint]) -> list[Record]:
    found = [_record_of(row.answers) for row in rows]
    return list({record.name: record for record in found if record is not None}.values())


def _record_of(shape: Shape | None) -> Record | None:
    if isinstance(shape, Items):
        shape = shape.record
    return shape if isinstance(shape, Record) else None


def _merged(record: Record, schemas: Document) -> Document:
    sent, made = (_schema_of(part, schemas) for part in (record.sent, record.made))
    # null in a body clears a member, so that no answer has it.
    shown = {name: schema for name, schema in sent["properties"].items() if name not in record.unseen}
    kept = {name: _without_null(schema) for name, schema in shown.items()}
    required = [] if record.partial else made["required"]
    about: Document = {"title": record.name, "type": "object", "required": required}
    return {**about, "properties": kept | made["properties"]}


def _schema_of(part: type[Struct] | None, schemas: Document) -> Document:
    return {"properties": {}, "required": []} if part is None else schemas[part.__name__]


def _without_null(schema: Document) -> Document:
    left = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return left[0] if len(left) == 1 else schema


def _reachable(schemas: Document, names: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found[name] = None
            waiting += _references(schemas[name])
    return list(found)


def _references(schema: object) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in _references(each)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("$ref")
    here = [own.removeprefix(_REFERENCE)] if isinstance(own, str) else []
    return here + [name for each in schema.values() for name in _references(each)]


def _portable(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    r"""The schema with patterns of ECMA-262, which JSON Schema means: it has no ``\Z``."""
    if isinstance(schema, list):
        return [_portable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: _portable(each) for name, each in schema.items()}
    if isinstance(result.get("pattern"), str):
        result["pattern"] = result["pattern"].replace(r"\Z", "$")
    return result
