"""What an application can enter, told from the records: nothing is issued, nothing is called.

The questions are those of the server's token endpoint and of a guard, in their order
(`gatewright.server.oauth.grants`, `gatewright.guard.rules`); a test asks both and compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gatewright.cli import remedies
from gatewright.cli.lookup import scopes_of
from gatewright.cli.management import Record
from gatewright.guard.forecast import Forecast, forecast
from gatewright.guard.routes import Route

Answer: TypeAlias = Literal["yes", "depends", "no"]

_SPOKEN: Final[Mapping[bool | None, Answer]] = {True: "yes", None: "depends", False: "no"}


@dataclass(frozen=True, slots=True)
class Holding:
    """What an application gets at an API: scopes, or no token at all; `why_none` says why, then.

    `application` is None for strangers, who send no token; `called` is what names it in commands.
    """

    application: Record | None
    api: Record
    called: str
    scopes: tuple[str, ...] = ()
    why_none: str = ""
    has_all: bool = False
    is_grant_missing: bool = False

    @property
    def name(self) -> str:
        """What people call whoever asks."""
        return "strangers" if self.application is None else str(self.application["name"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is let in, and why; `missing` and `depends` as a forecast has them.

    `commands` would let it in, one after the other.
    """

    answer: Answer
    because: str
    missing: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def strangers(api: Record) -> Holding:
    """Whoever has no token."""
    return Holding(None, api, "", why_none="no token is sent")


def holding(application: Record, api: Record, grant: Record | None, *, called: str) -> Holding:
    """What the application gets at the API, whose grant is that of the application itself, not of users."""
    why_none = _why_no_token(application, api, grant)
    if why_none:
        return Holding(application, api, called, why_none=why_none)
    if grant is None:
        why_none = "it has no client grant at this API"
        return Holding(application, api, called, why_none=why_none, is_grant_missing=True)
    has_all = grant.get("allow_all_scopes") is True
    granted = scopes_of(api) if has_all else grant.get("scope") or []
    return Holding(application, api, called, tuple(granted), has_all=has_all)


def judge(routes: Sequence[Route], held: Holding) -> Verdict:
    """What is answered to whom where one of `routes` takes the request; at least one."""
    verdicts = list(dict.fromkeys(_judge(route, held) for route in routes))
    if len({verdict.answer for verdict in verdicts}) == 1:
        return verdicts[0]
    told = "; ".join(f"{route.path}: {_judge(route, held).answer}" for route in routes)
    return Verdict("depends", f"which route takes it is not known ({told})", depends=("the route",))


def _judge(route: Route, held: Holding) -> Verdict:
    if route.needs_no_token:
        reported = ", its guard only reports" if route.access == "report-only" else ""
        return Verdict("yes", f"{route.access}: no token is needed{reported}")
    told = forecast(route.rule, held.scopes, defined=scopes_of(held.api))
    if held.why_none:
        commands = _mending(held, told) if held.is_grant_missing else ()
        return Verdict("no", held.why_none, told.missing, told.depends, commands)
    return Verdict(
        _SPOKEN[told.met],
        _reason(route, told),
        told.missing,
        told.depends,
        _mending(held, told) if told.met is False else (),
    )


def _reason(route: Route, told: Forecast) -> str:
    if told.met:
        return "any valid token will do" if route.rule is None else "it has what the rule asks"
    faults = []
    if told.missing:
        faults.append(f"lacks {' '.join(told.missing)}")
    if told.logins:
        faults.append(f"nobody has logged in, and {', '.join(told.logins)} is asked")
    if told.depends:
        faults.append(f"depends on {', '.join(told.depends)}")
    return "; ".join(faults)


def _mending(held: Holding, told: Forecast) -> tuple[str, ...]:
    """The commands that let the application in; none where no grant can."""
    if told.logins or held.application is None:
        return ()
    identifier, defined = str(held.api["identifier"]), scopes_of(held.api)
    if not told.missing:
        return (remedies.command("grants", "set", held.called, identifier, "--none"),)
    commands = remedies.grant_commands(
        api=identifier, application=held.called, missing=told.missing, defined=defined
    )
    # Who has all permissions has a new one as soon as it is defined.
    return tuple(commands[:1] if held.has_all else commands)


def _why_no_token(application: Record, api: Record, grant: Record | None) -> str:
    """Why the token endpoint would refuse, in its own order; empty when it would not."""
    proof = api.get("proof_of_possession") or {}
    faults = (
        (not _can_authenticate(application), "it has neither a secret nor a key to authenticate with"),
        (
            "client_credentials" not in (application.get("grant_types") or []),
            "its grant types do not include client_credentials",
        ),
        (
            proof.get("required") is True and proof.get("required_for") != "public_clients",
            "the API demands proof of possession, which is not available",
        ),
        (api.get("token_encryption"), "the API demands token encryption, which is not available"),
        (
            application.get("require_proof_of_possession") is True,
            "the application demands proof of possession, which is not available",
        ),
        (
            _client_policy(api) == "deny_all",
            "the API lets no application in (its policy for clients is deny_all)",
        ),
        (
            grant is not None and grant.get("organization_usage") == "require",
            "its client grant is for organizations only",
        ),
    )
    return next((why for is_so, why in faults if is_so), "")


def _can_authenticate(application: Record) -> bool:
    methods = application.get("client_authentication_methods")
    if methods is None:
        return application.get("token_endpoint_auth_method") != "none"
    return bool((methods.get("private_key_jwt") or {}).get("credentials"))


def _client_policy(api: Record) -> str:
    policies = api.get("subject_type_authorization") or {}
    return str((policies.get("client") or {}).get("policy", "require_client_grant"))


def holdings(api: Record, applications: Iterable[Record], grants: Iterable[Record]) -> list[Holding]:
    """What each application with a grant of its own at the API gets there, by name."""
    by_id = {application["client_id"]: application for application in applications}
    found = [
        # Names may be shared.
        holding(by_id[grant["client_id"]], api, grant, called=grant["client_id"])
        for grant in grants
        if grant.get("client_id") in by_id
    ]
    return sorted(found, key=lambda held: held.name)
