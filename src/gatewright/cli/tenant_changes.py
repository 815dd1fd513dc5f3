"""What is to be done so that a tenant is as a file says, and doing it: the one importer.

`gatewright import` and `gatewright serve --seed` use it, and the servers of `gatewright.testing`. It speaks
to the Management API alone, and shows nothing itself.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.management import Management, Record, segment
from gatewright.cli.tenant_file import (
    APIS,
    CLIENTS,
    GRANTS,
    METHODS,
    ROLES,
    SECTIONS,
    STREAMS,
    TENANT,
    TENANT_OWN,
    Section,
    brings_keys_along,
    is_of_a_management_api,
)

_NOUNS = ("resource_servers", "clients", "client_grants", "roles", "log_streams")
READS = (*(f"read:{noun}" for noun in _NOUNS), "read:tenant_settings")
WRITES = (*(f"{verb}:{noun}" for verb in ("create", "update") for noun in _NOUNS), "update:tenant_settings")
DELETES = tuple(f"delete:{noun}" for noun in _NOUNS)
# What sets the secret of an application, and makes one that brings keys along.
SETS_SECRETS = ("update:client_keys", "create:client_credentials")
# What shows whether an application has the secret that a file gives it.
_READS_SECRETS = ("read:client_keys",)
# What a new record cannot be made with: it is set afterwards.
_APART = {CLIENTS.name: "client_secret", ROLES.name: "permissions", STREAMS.name: "status"}


def scopes_for(document: Record, *, delete: bool = False) -> tuple[str, ...]:
    """What bringing in a file needs; secrets are read only for a file that has some."""
    brings_secrets = any("client_secret" in client for client in document.get(CLIENTS.name) or [])
    reads = (*READS, *(_READS_SECRETS if brings_secrets else ()))
    return (*reads, *WRITES, *SETS_SECRETS, *(DELETES if delete else ()))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do: `verb` is create, update or delete; `members` what is sent."""

    verb: str
    section: Section | None
    title: str
    members: Record = field(default_factory=dict)
    id: str = ""

    def __str__(self) -> str:
        names = f": {', '.join(self.members)}" if self.verb == "update" else ""
        return f"{self.verb:<6}  {self._word:<15} {self.title}{names}".rstrip()

    @property
    def record(self) -> str:
        """Which record it is about."""
        return f"{self._word} {self.title}".rstrip()

    @property
    def _word(self) -> str:
        return "tenant settings" if self.section is None else self.section.word


@dataclass(slots=True)
class Tenant:
    """The records of a server, by section, as they are now."""

    server: Management
    records: dict[str, list[Record]]
    names: dict[str, str]

    @classmethod
    def read(cls, server: Management) -> "Tenant":
        """Everything that a file has, the command line's own client and the system's API left out."""
        records = {section.name: _all(server, section) for section in SECTIONS}
        own = server.credentials.client_id
        names = {client["client_id"]: str(client["name"]) for client in records[CLIENTS.name]}
        records[CLIENTS.name] = [each for each in records[CLIENTS.name] if each["client_id"] != own]
        records[APIS.name] = [each for each in records[APIS.name] if not each.get("is_system")]
        records[GRANTS.name] = [
            {**each, "client_id": names.get(each["client_id"], each["client_id"])}
            if "client_id" in each
            else each
            for each in records[GRANTS.name]
            if each.get("client_id") != own
        ]
        for role in records[ROLES.name]:
            role["permissions"] = _permissions(server.get(f"roles/{segment(role['id'])}/permissions"))
        return cls(server, records, names)

    def is_own(self, section: Section, record: Record) -> bool:
        """Whether it is of the command line's client, which Auth0's tool exports as any other."""
        member = {CLIENTS.name: "name", GRANTS.name: "client_id"}.get(section.name)
        own = self.names.get(self.server.credentials.client_id)
        return member is not None and record.get(member) == own


def changes(
    server: Management, document: Record, *, delete: bool = False, dry_run: bool = False
) -> Iterator[Change]:
    """Each change once it is done, or with `dry_run` as it would be. `server` holds `scopes_for(document)`.

    A section after another, because grants name applications and APIs that may just have been made.

    Raises:
        Failure: the server refuses one, and which one; those before it are done.
    """
    tenant = Tenant.read(server)
    change = _of_settings(server, document.get(TENANT) or {})
    if change is not None:
        if not dry_run:
            with _telling(change):
                server.patch("tenants/settings", change.members)
        yield change
    for section in SECTIONS:
        if document.get(section.name) is None:
            continue
        records = [record for record in document[section.name] if not tenant.is_own(section, record)]
        wanted = [_localized(tenant, section, record) for record in records]
        for change in _of_section(section, tenant.records[section.name], wanted, delete=delete):
            if not dry_run:
                with _telling(change):
                    _carry_out(tenant, change)
            yield change


def _of_settings(server: Management, wanted: Record) -> Change | None:
    now = server.get("tenants/settings")
    members = {
        name: value
        for name, value in wanted.items()
        if name not in TENANT_OWN and not _is_within(value, now.get(name))
    }
    return Change("update", None, "", members) if members else None


def _of_section(
    section: Section, present: list[Record], wanted: list[Record], *, delete: bool
) -> Iterator[Change]:
    known = {section.place(record): record for record in present}
    for record in wanted:
        before = known.pop(section.place(record), None)
        title = " at ".join(part for part in section.place(record)[:2] if part)
        if before is None:
            yield Change("create", section, title, record)
            continue
        _require_its_id(section, title, record, before)
        members = {
            name: value
            for name, value in record.items()
            if name not in section.fixed and not _is_within(value, before.get(name))
        }
        if members:
            yield Change("update", section, title, members, str(before[section.id]))
    for place, record in known.items() if delete else ():
        title = " at ".join(part for part in place[:2] if part)
        yield Change("delete", section, title, id=str(record[section.id]))


def _require_its_id(section: Section, title: str, record: Record, present: Record) -> None:
    """An application keeps its id for life: whoever relies on that of the file would wait in vain."""
    wanted = record.get(section.id) if section is CLIENTS else None
    if wanted is not None and wanted != present[section.id]:
        raise Failure(
            f"The application {title} is there already, with another client_id than the file's {wanted}.",
            "Take client_id out of the file, or delete the application first: "
            + shlex.join(["gatewright", "apps", "delete", str(present[section.id])]),
            code=ExitCode.CONFLICT,
        )


def _localized(tenant: Tenant, section: Section, record: Record) -> Record:
    """The record as this server would have it."""
    own = {section.id, *section.own} - ({METHODS} if brings_keys_along(record) else set())
    if section is CLIENTS:
        own -= {"client_id", "client_secret"}
    kept = {name: value for name, value in record.items() if name not in own}
    if section is GRANTS:
        if "client_id" in kept:
            kept["client_id"] = tenant.names.get(str(kept["client_id"]), kept["client_id"])
        kept.setdefault("subject_type", "client")
        if is_of_a_management_api(kept.get("audience")):
            kept["audience"] = tenant.server.credentials.audience
    if section is ROLES:
        kept["permissions"] = _permissions(kept.get("permissions") or [])
    return kept


@contextmanager
def _telling(change: Change) -> Iterator[None]:
    """What the server refuses is said together with the record that it refuses."""
    try:
        yield
    except Failure as failure:
        raise Failure(f"{change.record}: {failure.message}", *failure.steps, code=failure.code) from failure


def _carry_out(tenant: Tenant, change: Change) -> None:
    section, server = change.section, tenant.server
    assert section is not None  # noqa: S101 - the settings have been done before
    path = f"{section.noun}/{segment(change.id)}"
    if change.verb == "delete":
        server.delete(path)
        return
    apart = _APART.get(section.name)
    members = {name: value for name, value in change.members.items() if name != apart}
    if change.verb == "create":
        made = _created(tenant, section, members)
        path = f"{section.noun}/{segment(str(made[section.id]))}"
    elif members:
        server.patch(path, members)
    if apart in change.members:
        _set_apart(server, path, apart, change.members[apart])


def _created(tenant: Tenant, section: Section, members: Record) -> Record:
    if section is GRANTS and "client_id" in members:
        ids = {name: client_id for client_id, name in tenant.names.items()}
        members = {**members, "client_id": ids.get(str(members["client_id"]), members["client_id"])}
    made = tenant.server.post(section.noun, members)
    if section is CLIENTS:
        tenant.names[made["client_id"]] = str(made["name"])
    return made


def _set_apart(server: Management, path: str, name: str, value: Any) -> None:  # noqa: ANN401 - as the file has it
    if name != _APART[ROLES.name]:
        server.patch(path, {name: value})
        return
    present = _permissions(server.get(f"{path}/permissions"))
    for verb, entries in (
        ("POST", [each for each in value if each not in present]),
        ("DELETE", [each for each in present if each not in value]),
    ):
        if entries:
            server.send(verb, f"{path}/permissions", {"permissions": entries})


def _permissions(entries: list[Record]) -> list[Record]:
    """What tells a permission: its name and its API."""
    return [
        {name: entry[name] for name in ("permission_name", "resource_server_identifier")} for entry in entries
    ]


def _is_within(wanted: object, present: object) -> bool:
    """Whether what the file says is so already; members it does not name are the server's."""
    if isinstance(wanted, dict) and isinstance(present, dict):
        return all(_is_within(value, present.get(name)) for name, value in wanted.items())
    return wanted == present


def _all(server: Management, section: Section) -> list[Record]:
    if section.noun == "log-streams":
        return list(server.get(section.noun))
    return server.all(section.noun)
