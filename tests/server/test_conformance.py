"""The server keeps to its OpenAPI document: schemathesis makes up requests from it, and judges the answers.

Half of the requests are what the document allows, half break it. The same seed makes the same requests.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gatewright.server.management import tools
from gatewright.server.openapi import document
from tests.running import bearer
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemathesis import APIOperation, Case, Response

    from tests.running import Caller

SEED = 4
LEAST_CASES = 2000
PLANNED_CASES = 2400  # and some more, of the operations that have few
CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in document("https://issuer.example/")["paths"].items()
    for method, operation in item.items()
}
WITHOUT_SUBJECT = {f"{row.method} /api/v2{row.path}" for row in tools.ROUTES}
FEW_CASES = 5
MORE_TRIES = 5
SHOWN = 5
"""Faults of one operation that a failure shows."""

API = "/api/v2/"


def is_managing(label: str) -> bool:
    """Whether the operation is one of the Management API that needs a token."""
    return label.partition(" ")[2].startswith(API)


AUDIENCE = "urn:asked"
SCOPE = "read:blog"


def new_application(caller: Caller, number: int) -> str:
    return caller.application(f"Made {number}").client_id


def new_api(caller: Caller, number: int) -> str:
    return str(caller.create("resource-servers", identifier=f"urn:made:{number}")["id"])


def new_grant(caller: Caller, number: int) -> str:
    return caller.authorize(caller.application(f"Granted {number}"), AUDIENCE)


def new_role(caller: Caller, number: int) -> str:
    return str(caller.manage("POST", "roles", json={"name": f"Made {number}"}).json()["id"])


def new_user(caller: Caller, number: int) -> str:
    return str(caller.create("users", connection="Staff", email=f"{number}@staff.example")["user_id"])


def new_log_stream(caller: Caller, number: int) -> str:
    members = {"type": "http", "sink": {"httpEndpoint": f"https://{number}.example"}}
    return str(caller.manage("POST", "log-streams", json=members).json()["id"])


def new_revocation(caller: Caller, number: int) -> str:
    return str(caller.create("revocations", jti=f"made {number}")["id"])


@cache
def public_pem() -> str:
    """The public half of a key that a client could authenticate with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


MADE = {
    "clients": new_application,
    "resource-servers": new_api,
    "client-grants": new_grant,
    "roles": new_role,
    "users": new_user,
    "log-streams": new_log_stream,
    "revocations": new_revocation,
}
"""How a record of a noun is made; its name is answered."""

CONTRADICTING = {
    "POST /oauth/token": ("client_assertion", "client_assertion_type", "organization"),
    f"POST {API}client-grants": ("default_for",),
    f"POST {API}revocations": ("jti", "expires_at"),
    f"POST {API}clients/{{id}}/credentials": ("subject_dn", "expires_at", "parse_expiry_from_cert"),
}
"""Members that do not go with those which name records."""

KEYS = ("id", "kid", "log_id", "user_id", "client_id")


@dataclass
class Run:
    """What became of one operation's cases."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return self.statuses.total()


class Existing:
    """Names of records that exist: of those that are made up, hardly one is known to the server."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._turn = 0
        self._application = caller.application("Asking")
        caller.create("resource-servers", identifier=AUDIENCE, scopes=[{"value": SCOPE}])
        caller.authorize(self._application, AUDIENCE, SCOPE)
        # What was there first, this test could not go on without.
        self._needed = {name for noun in MADE for name in self._listed(noun)}

    def renew(self) -> None:
        """Take a new token: the keys may have turned, and the one before may be revoked."""
        self._caller = renewed(self._caller)

    def put_into(self, case: Case[Any]) -> None:
        """Make the case one about records that exist."""
        label = case.operation.label
        if is_managing(label):
            case.path_parameters.update(self._names(case.operation.path.removeprefix(API)))
        if label in WITHOUT_SUBJECT and "requestBody" in OPERATIONS[label]:
            # Such a write is accepted when it says what is so anyway.
            (content,) = OPERATIONS[label]["responses"]["200"]["content"].values()
            case.body = content["schema"]["const"]
        elif isinstance(case.body, dict):
            case.body |= self._members(label)
            for name in CONTRADICTING.get(label, ()):
                case.body.pop(name, None)

    def _members(self, label: str) -> dict[str, Any]:
        """Members of a body that name records."""
        if label == "POST /oauth/token":
            about = self._application
            known = {"client_id": about.client_id, "client_secret": about.client_secret}
            return {**known, "audience": AUDIENCE}
        if label in {f"POST {API}client-grants", f"POST {API}revocations"}:
            scope = {"scope": [SCOPE]} if label.endswith("grants") else {}
            return {"client_id": self._name("clients"), "audience": AUDIENCE, **scope}
        if label == f"POST {API}log-streams":
            return {"type": "http", "sink": {"httpEndpoint": "https://sink.example"}}
        member = label.rpartition("/")[2]
        if label.endswith("{id}/permissions"):
            return {member: [{"resource_server_identifier": AUDIENCE, "permission_name": SCOPE}]}
        if label.endswith(("{id}/users", "{id}/roles")):
            return {member: [self._name(member)]}
        return {"pem": public_pem()} if label == f"POST {API}clients/{{id}}/credentials" else {}

    def _names(self, path: str) -> dict[str, str]:
        """A name for each parameter of the path, from the list that stands before it."""
        names: dict[str, str] = {}
        place = ""
        for step in path.split("/"):
            name = self._name(place) if step.startswith("{") else step
            if name is None:
                break
            if step.startswith("{"):
                names[step.strip("{}")] = name
            place = f"{place}/{quote(name, safe='')}".lstrip("/")
        return names

    def _name(self, noun: str) -> str | None:
        self._turn += 1
        found = [name for name in self._listed(noun) if name not in self._needed]
        if not found and noun in MADE:
            return MADE[noun](self._caller, self._turn)
        if not found and noun.endswith("/credentials"):
            members = {"credential_type": "public_key", "pem": public_pem()}
            return str(self._caller.create(noun, **members)["id"])
        return found[self._turn % len(found)] if found else None

    def _listed(self, noun: str) -> list[str]:
        answer = self._caller.manage("GET", noun)
        records = answer.json()
        if not isinstance(records, list):
            return []
        return [next(record[key] for key in KEYS if key in record) for record in records]


def closed(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The schema, in which members that it does not name are faults; clients should be more tolerant."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    result = {name: closed(each) for name, each in part.items()}
    if isinstance(part.get("properties"), dict) and part.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


def strict(whole: dict[str, Any]) -> dict[str, Any]:
    """The document, with everything that answers consist of closed."""
    result = copy.deepcopy(whole)
    asked = {"TokenRequest", "TokenForm"}
    schemas = result["components"]["schemas"]
    result["components"]["schemas"] = {
        name: schema if name in asked else closed(schema) for name, schema in schemas.items()
    }
    for item in result["paths"].values():
        for operation in item.values():
            operation["responses"] = closed(operation["responses"])
    return result


def modes_of(operation: APIOperation[Any, Any, Any, Any]) -> list[GenerationMode]:
    """Where there is neither query nor body, no request breaks the document."""
    about = OPERATIONS[operation.label]
    bodies = about.get("requestBody", {}).get("content", {})
    is_breakable = bool(operation.query) or any(content["schema"] for content in bodies.values())
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if is_breakable else [])]


def deserves_many(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether there is something to vary, and something behind the endpoint."""
    varies = operation.query or operation.body or operation.path_parameters or operation.headers
    return bool(varies) and operation.label not in WITHOUT_SUBJECT


def judge(run: Run, case: Case[Any], response: Response) -> None:
    run.statuses[response.status_code] += 1
    # By checkpoint, a list ignores what the query says of pages; a body that is too large is not read.
    is_judged = not {"take", "from"} & set(case.query or ()) and response.status_code != 413
    checks = [*CONFORMS, negative_data_rejection] if is_judged else CONFORMS
    try:
        case.validate_response(response, checks=checks)
    except FailureGroup as failures:
        for failure in failures.exceptions:
            title = f"{type(failure).__name__}: {str(failure)[:300]}"
            run.faults.setdefault(title, f"{case.as_curl_command()[:800]}\n{response.text[:400]}")


@pytest.fixture(scope="module")
def runs(caller: Caller) -> Mapping[str, Run]:
    """All cases of all operations, run once for the tests of this file."""
    existing = Existing(caller)
    schema = schemathesis.openapi.from_dict(strict(caller.http.get("api/v2/openapi.json").json()))
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    many = sum(len(modes_of(operation)) for operation in operations if deserves_many(operation))
    share = math.ceil(PLANNED_CASES / many)
    with requests.Session() as session:
        return {
            operation.label: run_operation(
                caller, existing, session, operation, share if deserves_many(operation) else FEW_CASES
            )
            for operation in operations
        }


def tried(operation: APIOperation[Any, Any, Any, Any], run: Run) -> Iterator[GenerationMode]:
    """Each mode once; sound requests again, a few times, where chance has brought none that is done."""
    yield from modes_of(operation)
    for _ in range(MORE_TRIES):
        if min(OPERATIONS[operation.label]["responses"]) >= "300" or min(run.statuses) < 300:
            return
        yield GenerationMode.POSITIVE


def run_operation(
    caller: Caller,
    existing: Existing,
    session: requests.Session,
    operation: APIOperation[Any, Any, Any, Any],
    cases: int,
) -> Run:
    run = Run()
    existing.renew()
    token = caller.token(caller.operator, caller.issuer + "api/v2/") if is_managing(operation.label) else ""
    for number, mode in enumerate(tried(operation, run)):

        @seed(SEED + number)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Case[Any]) -> None:
            if run.cases % 2:
                existing.put_into(case)
            headers = bearer(token) if token else None
            response = case.call(base_url=caller.issuer.rstrip("/"), session=session, headers=headers)
            judge(run, case, response)

        send()
    return run


def told(run: Run) -> Iterator[str]:
    for title, example in list(run.faults.items())[:SHOWN]:
        yield f"{title}\n{example}\n"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_those_of_the_document(runs: Mapping[str, Run], operation: str) -> None:
    run = runs[operation]

    assert run.cases
    assert not run.faults, "\n".join(told(run))
    assert not [status for status in run.statuses if status >= 500]


def test_there_were_enough_cases_and_each_operation_was_also_done(runs: Mapping[str, Run]) -> None:
    assert runs.keys() == set(OPERATIONS)
    total = sum(run.cases for run in runs.values())
    assert total >= LEAST_CASES, total
    refused = {operation for operation, run in runs.items() if min(run.statuses) >= 300}
    assert refused == {
        operation for operation, about in OPERATIONS.items() if min(about["responses"]) >= "300"
    }
