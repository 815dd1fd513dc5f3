"""Log events in plain words: how one went, what happened, and where a refusal is mended. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Event = Mapping[str, Any]
Shape: TypeAlias = Literal["ok", "refused", "warn", "change", "next"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of event for people: its name, the group it is listed in, and how it is marked."""

    name: str
    group: str
    word: str
    shape: Shape


KINDS: Final[Mapping[str, Kind]] = {
    "seccft": Kind("Token issued", "Success", "issued", "ok"),
    "s": Kind("Somebody entered the dashboard", "Success", "entered", "ok"),
    "feccft": Kind("Token refused", "Failure", "refused", "refused"),
    "fp": Kind("Somebody was not let into the dashboard", "Failure", "refused", "refused"),
    "sapi": Kind("Something was changed", "Change", "changed", "change"),
    "mgmt_api_read": Kind("A secret was read", "Change", "revealed", "warn"),
    "token_quota_consumption_warning": Kind("A token quota runs out", "Change", "warning", "warn"),
}

NO_GRANT: Final = "is not authorized to access resource server"
NOT_GRANTED: Final = "Client has not been granted scopes"
NO_API: Final = "Service not enabled within domain"
NO_GRANT_TYPE: Final = "not allowed for the client"
WRONG_SECRET: Final = "Unauthorized"  # noqa: S105 - the words of a refusal
BAD_ASSERTION: Final = "invalid_client"
TOO_MANY: Final = ("Global limit has been reached", "Client quota exceeded")

_DASHBOARD: Final = "Dashboard: "


@dataclass(frozen=True, slots=True)
class Fix:
    """What mends a refusal: a sentence, and the page below ``/ui`` where it is done; "" for none."""

    text: str
    path: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """The pages of the records that an event names, as far as they still exist; "" where one does not."""

    application: str = ""
    credentials: str = ""
    grant: str = ""


def kind_of(event: Event) -> Kind:
    """How an event is named and marked."""
    code = str(event.get("type", ""))
    return KINDS.get(code, Kind(code, "Other", code, "next"))


def sentence(event: Event) -> str:
    """What happened, in one sentence."""
    said = str(event.get("description", ""))
    match event.get("type"):
        case "seccft":
            scopes = event.get("scope")
            with_scopes = f", with {_listed(str(scopes))}" if scopes else ", without any permission"
            return f"{_who(event)} got a token for {event.get('audience')}{with_scopes}."
        case "feccft":
            api = event.get("audience")
            what = f"a token for {api}" if api else "a token without saying for which API"
            return f"{_who(event)} asked for {what} and was refused: {_reason(event)}."
        case "s":
            return f"{_who(event)}: {said.removeprefix(_DASHBOARD)}, in the dashboard."
        case "fp":
            return f"{_who(event)} was not let into the dashboard: {said.removeprefix(_DASHBOARD)}."
        case "sapi" | "mgmt_api_read":
            return f"{_who(event)}: {said}."
    return f"{_who(event)}: {said}." if _is_by_somebody(event) else f"{said}."


def brief(event: Event) -> str:
    """What happened, beside columns that name the application, the API and the scopes."""
    match event.get("type"):
        case "seccft":
            return "Got a token."
        case "feccft":
            return f"Was refused a token: {_reason(event)}."
    return f"{event.get('description', '')}." if event.get("client_name") else sentence(event)


def fix_of(event: Event, places: Places) -> Fix | None:  # noqa: PLR0911 - a table, one row a refusal
    """What to do about a refused token request; None where nothing can be told."""
    if event.get("type") != "feccft":
        return None
    said = str(event.get("description", ""))
    if NO_GRANT in said:
        return Fix("Authorize the application for this API.", places.grant, "Open its permissions")
    if said.startswith(NOT_GRANTED):
        text = "Grant the application what it asked for, or let it ask for less."
        return Fix(text, places.grant, "Open its permissions")
    if said.startswith(NO_API):
        text = "No API has this identifier: let the application ask for another, or create the API."
        return Fix(text, "/apis", "See the APIs")
    if NO_GRANT_TYPE in said:
        return Fix("Allow this grant type in the application's settings.", places.application, "Open them")
    if said.startswith(TOO_MANY):
        text = "Keep a token until it expires instead of asking for each call, or raise the quota."
        return Fix(text, places.application, "Open the application")
    if said == WRONG_SECRET or _error(event) == BAD_ASSERTION:
        return _authentication_fix(event, places)
    return None


def _authentication_fix(event: Event, places: Places) -> Fix:
    if not event.get("client_id"):
        return Fix("No application has the client id that was sent.", "/apps", "See the applications")
    text = "It did not prove to be this application: compare its secret or key, and how it is sent."
    return Fix(text, places.credentials, "Open its credentials")


def _reason(event: Event) -> str:
    """Why a token was refused; Auth0's words are kept where ours say no more."""
    said = str(event.get("description", ""))
    if NO_GRANT in said:
        return "it has no grant for that API"
    if said == WRONG_SECRET:
        return "its credentials are wrong" if event.get("client_id") else "no application has that client id"
    return f"{said[:1].lower()}{said[1:]}".rstrip(".")


def _who(event: Event) -> str:
    for name in ("client_name", "user_name", "client_id", "user_id"):
        if event.get(name):
            return str(event[name])
    return "Somebody unknown"


def _is_by_somebody(event: Event) -> bool:
    return any(event.get(name) for name in ("client_name", "user_name", "client_id", "user_id"))


def _error(event: Event) -> str:
    details = event.get("details")
    return str(details.get("error", "")) if isinstance(details, Mapping) else ""


def _listed(scopes: str) -> str:
    return ", ".join(scopes.split())
