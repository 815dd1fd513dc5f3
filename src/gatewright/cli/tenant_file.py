"""A tenant in a file, in the YAML form of auth0-deploy-cli: what stands in it, and how records are matched.

::

    resourceServers:
      - identifier: https://blog-api
        name: Blog API
        scopes: [{value: read:blog}]
    clients:
      - name: Reader
    clientGrants:
      - client_id: Reader            # the client's name
        audience: https://blog-api
        scope: [read:blog]

Ids, secrets and what the server alone decides are not written, so that the same file makes the same tenant
anywhere. A client may have `client_id` and `client_secret` for callers that know them before the server does.
`##NAME##` and `@@NAME@@` stand for values of AUTH0_KEYWORD_REPLACE_MAPPINGS or of the environment.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.management import Record

LARGEST_FILE: Final = 16 * 1024 * 1024
MAPPINGS: Final = "AUTH0_KEYWORD_REPLACE_MAPPINGS"
_TEXT_PLACE = re.compile(r"##([A-Za-z0-9_]+)##")
_VALUE_PLACE = re.compile(r"(['\"]?)@@([A-Za-z0-9_]+)@@\1")
_OF_A_MANAGEMENT_API = re.compile(r"https?://[^/]+/api/v2/")


@dataclass(frozen=True, slots=True)
class Section:
    """One list of the file.

    `key` are the members that tell which record is meant, `own` those that only the server decides,
    `fixed` those that cannot change once the record is there.
    """

    name: str
    noun: str
    word: str
    id: str
    key: tuple[str, ...]
    own: frozenset[str]
    fixed: frozenset[str] = frozenset()

    def written(self, record: Record) -> Record:
        """What the file has of a record."""
        return {
            name: value
            for name, value in record.items()
            if name not in self.own and name != self.id and value is not None
        }

    def place(self, record: Record) -> tuple[str, ...]:
        """What tells the record from others."""
        return tuple(str(record.get(name) or "") for name in self.key)


METHODS: Final = "client_authentication_methods"

APIS: Final = Section(
    "resourceServers",
    "resource-servers",
    "API",
    "id",
    ("identifier",),
    frozenset({"is_system", "client_id", "signing_secret"}),
    frozenset({"identifier"}),
)
CLIENTS: Final = Section(
    "clients",
    "clients",
    "application",
    "client_id",
    ("name",),
    frozenset(
        {
            "tenant",
            "global",
            "client_secret",
            "signing_keys",
            "encrypted",
            "callback_url_template",
            METHODS,
        }
    ),
    # Its keys are known by ids that only this server gives.
    frozenset({METHODS}),
)
GRANTS: Final = Section(
    "clientGrants",
    "client-grants",
    "client grant",
    "id",
    ("client_id", "audience", "subject_type"),
    frozenset({"is_system"}),
    frozenset({"client_id", "audience", "subject_type", "default_for"}),
)
ROLES: Final = Section("roles", "roles", "role", "id", ("name",), frozenset({"type"}))
STREAMS: Final = Section(
    "logStreams", "log-streams", "log stream", "id", ("name",), frozenset(), frozenset({"type"})
)
SECTIONS: Final = (APIS, CLIENTS, GRANTS, ROLES, STREAMS)
TENANT: Final = "tenant"
TENANT_OWN: Final = frozenset({"sandbox_versions_available"})


def read_file(file: Path, *, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the file holds, its placeholders filled in.

    Raises:
        Failure: it cannot be read, is no such file, or names a placeholder that has no value.
    """
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise _refused(file, "it is larger than 16 MiB")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(file, getattr(error, "strerror", None) or str(error), ExitCode.NOT_FOUND) from error
    return checked(_parsed(file, _filled(file, text, _values(environ))), file)


def checked(document: object, source: object) -> dict[str, Any]:
    """What was read from `source`, when it is a tenant in this form.

    Raises:
        Failure: it is none.
    """
    if not isinstance(document, dict):
        raise _refused(source, "it is no mapping of sections")
    for section in SECTIONS:
        _require_records(source, section, document.get(section.name))
    if not isinstance(document.get(TENANT) or {}, dict):
        raise _refused(source, f"{TENANT} is no mapping")
    _require_json(source, document)
    return document


def written_file(sections: Mapping[str, object]) -> str:
    """The text of such a file."""
    import yaml  # noqa: PLC0415 - these two commands alone need it

    return str(yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True, width=110))


def brings_keys_along(record: Record) -> bool:
    """Whether a new application of the file can be made with its keys: they stand there, not their ids."""
    methods = record.get(METHODS)
    entries = list(methods.values()) if isinstance(methods, dict) else []
    listed = [entry.get("credentials") if isinstance(entry, dict) else None for entry in entries]
    return bool(listed) and all(
        isinstance(credentials, list)
        and credentials
        and all(isinstance(each, dict) and "pem" in each for each in credentials)
        for credentials in listed
    )


def left_out(document: Record) -> str:
    """What of the file is no part of a tenant here, in a sentence; the empty text when nothing is."""
    known = {TENANT, *(section.name for section in SECTIONS)}
    left = [name for name, value in document.items() if name not in known and value]
    clients = document.get(CLIENTS.name) or []
    if any(client.get(METHODS) and not brings_keys_along(client) for client in clients):
        left.append(f"{METHODS} without their keys (pem)")
    return f"Left out, as it cannot be brought in from a file: {', '.join(left)}." if left else ""


def is_of_a_management_api(audience: object) -> bool:
    """Whether it is the Management API of some tenant: in another tenant it stands for that one's own."""
    return isinstance(audience, str) and _OF_A_MANAGEMENT_API.fullmatch(audience) is not None


def _values(environ: Mapping[str, str]) -> dict[str, object]:
    given = environ.get(MAPPINGS)
    if not given:
        return dict(environ)
    try:
        mappings = json.loads(given)
    except ValueError:
        mappings = None
    if not isinstance(mappings, dict):
        raise Failure(f"{MAPPINGS} is no JSON object.", code=ExitCode.INVALID_INPUT)
    return {**environ, **mappings}


def _filled(file: Path, text: str, values: Mapping[str, object]) -> str:
    named = [match[1] for match in _TEXT_PLACE.finditer(text)]
    named += [match[2] for match in _VALUE_PLACE.finditer(text)]
    missing = [name for name in dict.fromkeys(named) if name not in values]
    if missing:
        raise _refused(file, f"there is no value for {', '.join(missing)} in {MAPPINGS} or the environment")

    def value(match: re.Match[str]) -> str:
        return json.dumps(values[match[2]])

    return _TEXT_PLACE.sub(lambda match: str(values[match[1]]), _VALUE_PLACE.sub(value, text))


def _parsed(file: Path, text: str) -> object:
    import yaml  # noqa: PLC0415 - as above

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        # Without the parser's own words, which quote the text: secrets have been filled in there.
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise _refused(file, f"it is no YAML{place}") from None


def _require_json(source: object, document: Record) -> None:
    for name, value in document.items():
        try:
            # Read back, names of members are texts: YAML has them of any type.
            is_json = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError, RecursionError):
            is_json = False
        if not is_json:
            raise _refused(source, f"{name} holds what JSON cannot, such as a date without quotes")


def _require_records(source: object, section: Section, records: object) -> None:
    if records is None:
        return
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _refused(source, f"{section.name} is no list of mappings")
    _require_keys(source, section, records)


def _require_keys(source: object, section: Section, records: Iterable[Record]) -> None:
    seen: set[tuple[str, ...]] = set()
    for record in records:
        place = section.place(record)
        if not place[0] and "default_for" not in record:
            raise _refused(source, f"a record in {section.name} has no {section.key[0]}")
        if place in seen:
            raise _refused(source, f"{section.name} has {' '.join(filter(None, place))} twice")
        seen.add(place)
        if section is ROLES and not _are_permissions(record.get("permissions")):
            text = "each permission has permission_name and resource_server_identifier"
            raise _refused(source, f"in {section.name}, {' '.join(place)}: {text}")


def _are_permissions(entries: object) -> bool:
    names = ("permission_name", "resource_server_identifier")
    return entries is None or (
        isinstance(entries, list)
        and all(isinstance(each, dict) and all(name in each for name in names) for each in entries)
    )


def _refused(source: object, why: str, code: ExitCode = ExitCode.INVALID_INPUT) -> Failure:
    return Failure(f"{source} cannot be used: {why}.", code=code)
