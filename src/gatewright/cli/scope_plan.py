"""What the rules in code declare, against what an API defines: the plan, and carrying it out."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.management import Management, Record, segment
from gatewright.guard.routes import Policy, Route, scopes_of

_VERBS: Final = frozenset({"read", "write", "create", "update", "delete", "list", "manage"})
_THIRD_PARTIES: Final = "(third parties)"


@dataclass(frozen=True, slots=True)
class Declared:
    """One scope that rules name, and the routes whose rules do."""

    value: str
    routes: tuple[str, ...]

    @property
    def description(self) -> str:
        """A sentence for people who grant it: `create:blog` is "Create blog"."""
        words = [word for word in _parted(self.value) if word]
        if words[-1:] and words[-1].lower() in _VERBS and words[0].lower() not in _VERBS:
            words.insert(0, words.pop())  # files:write
        said = " ".join(words) or self.value
        return said[:1].upper() + said[1:]

    def as_member(self) -> dict[str, str]:
        """As the Management API takes it."""
        return {"value": self.value, "description": self.description}


@dataclass(frozen=True, slots=True)
class Unused:
    """A permission of the API that no rule names, and who holds it: (client id, name), and roles by name."""

    value: str
    applications: tuple[tuple[str, str], ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """Whoever loses access when it is removed, in words."""
        return (*(name for _, name in self.applications), *(f"role {name}" for name in self.roles))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to an API so that it defines what the rules name; `api` is None where it is made."""

    identifier: str
    api: Record | None
    added: tuple[Declared, ...]
    unused: tuple[Unused, ...]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether the API defines what the rules name, no more and no less."""
        return self.api is not None and not self.added and not self.unused

    @property
    def held(self) -> tuple[Unused, ...]:
        """The unused permissions that somebody would lose."""
        return tuple(each for each in self.unused if each.holders)

    def scopes(self, *, prune: bool) -> list[dict[str, str]]:
        """The permissions of the API afterwards; those that stay are as they are."""
        gone = {each.value for each in self.unused} if prune else set()
        before = (self.api or {}).get("scopes") or []
        kept = [scope for scope in before if scope["value"] not in gone]
        return [*kept, *(each.as_member() for each in self.added)]


def declared(routes: Iterable[Route]) -> list[Declared]:
    """Every scope that some rule names, in the order of the routes."""
    listed = list(routes)
    named = [(f"{route.method} {route.path}", frozenset(scopes_of([route]))) for route in listed]
    return [
        Declared(scope, tuple(name for name, scopes in named if scope in scopes))
        for scope in scopes_of(listed)
    ]


def read_plan(server: Management, policy: Policy, identifier: str, *, kept: Collection[str] = ()) -> Plan:
    """The plan as things stand; permissions in `kept` count as named by a rule, but are not added.

    Raises:
        Failure: the API is the server's own, `identifier` is an id, or the server does not answer.
    """
    wanted = declared(policy.routes)
    api = _api(server, identifier)
    if api is None:
        return Plan(identifier, None, tuple(wanted), (), 0)
    if api.get("is_system"):
        raise Failure(f"{identifier} is the server's own API, whose permissions are fixed.")
    present = [scope["value"] for scope in api.get("scopes") or []]
    named = {each.value for each in wanted}
    added = [each for each in wanted if each.value not in present]
    unused = [value for value in present if value not in named and value not in kept]
    holders = _holders(server, identifier, unused) if unused else []
    return Plan(identifier, api, tuple(added), tuple(holders), len(present) - len(unused))


def carry_out(server: Management, plan: Plan, *, name: str, signing_alg: str, prune: bool) -> Record:
    """The API as it is afterwards."""
    scopes = plan.scopes(prune=prune)
    if plan.api is None:
        made = {"name": name, "identifier": plan.identifier, "signing_alg": signing_alg, "scopes": scopes}
        return server.post("resource-servers", made)
    return server.patch(f"resource-servers/{plan.api['id']}", {"scopes": scopes})


def _api(server: Management, identifier: str) -> Record | None:
    try:
        found: Record = server.get(f"resource-servers/{segment(identifier)}")
    except Failure as failure:
        if failure.code != ExitCode.NOT_FOUND:
            raise
        return None
    if found["identifier"] != identifier:
        # The path takes ids as well.
        raise misuse(f"{identifier} is the id of an API; say its identifier: {found['identifier']}")
    return found


def _holders(server: Management, identifier: str, values: Sequence[str]) -> list[Unused]:
    grants = server.all("client-grants", audience=identifier)
    # No more than is shown: whoever may read secrets would be sent them, and that is logged.
    clients = server.all("clients", fields="client_id,name")
    names = {client["client_id"]: str(client.get("name", "")) for client in clients}
    roles = _roles(server, identifier)
    return [
        Unused(
            value,
            tuple(dict.fromkeys(_owner(grant, names) for grant in grants if _grants(grant, value))),
            tuple(name for name, permissions in roles if value in permissions),
        )
        for value in values
    ]


def _grants(grant: Record, value: str) -> bool:
    return grant.get("allow_all_scopes") is True or value in (grant.get("scope") or [])


def _owner(grant: Record, names: dict[str, str]) -> tuple[str, str]:
    client_id = str(grant.get("client_id") or "")
    return client_id, names.get(client_id) or client_id or _THIRD_PARTIES


def _roles(server: Management, identifier: str) -> list[tuple[str, set[str]]]:
    """What each role holds at the API; nothing where the caller may not look at roles."""
    try:
        return [
            (
                str(role["name"]),
                {
                    permission["permission_name"]
                    for permission in server.all(f"roles/{segment(role['id'])}/permissions")
                    if permission["resource_server_identifier"] == identifier
                },
            )
            for role in server.all("roles")
        ]
    except Failure as failure:
        if failure.code != ExitCode.REFUSED:
            raise
        return []


def _parted(value: str) -> list[str]:
    for mark in ":/._-":
        value = value.replace(mark, " ")
    return value.split(" ")
