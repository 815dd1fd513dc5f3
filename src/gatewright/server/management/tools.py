"""Paths of Auth0's that this server has no subject for, answered so that tools get through a whole tenant.

Nothing is kept here: a list is empty, a setting is off, a thing is not found. A write is accepted when it
says what is so anyway, as a tool does that imports what it exported; any other write is refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from gatewright.server.errors import ApiError
from gatewright.server.management.description import PAGING, Items, Never, Shape, Value
from gatewright.server.management.endpoint import LIST_FIRST, Call, Endpoint, endpoint, page_of, paged
from gatewright.server.management.schema import AnyValue

OFFSET_FIRST = ("limit", "start", "total", "")
COUNT_FIRST = ("total", "start", "limit", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A path, the scope that reads it, and its answer: an empty list, a body, or a refusal.

    ``writes`` is the method by which tools write to it.
    """

    path: str
    scope: str
    answer: object
    writes: str | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """A list with nothing in it, in whichever shape it is asked for."""

    name: str
    totals: tuple[str, ...] = COUNT_FIRST


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error."""

    status: int
    message: str
    code: str | None = None


_ABSENT = Refusal(404, "Not Found")
_NO_EMAIL_PROVIDER = Refusal(404, "There is not a configured email provider", "inexistent_email_provider")
_NO_TEMPLATE = Refusal(404, "The template does not exist.", "inexistent_email_template")
_NO_CONNECTION = Refusal(404, "The connection does not exist", "inexistent_connection")


def _closed(scope: str) -> Refusal:
    """What tools take for a part that this tenant does not have."""
    return Refusal(403, f"Insufficient scope, expected any of: {scope}", "insufficient_scope")


_PATHS = (
    # Deprecated by Auth0.
    Row("/rules", "read:rules", Empty("rules")),
    Row("/rules-configs", "read:rules_configs", []),
    Row("/hooks", "read:hooks", Empty("hooks")),
    # Where people log in.
    Row("/connections", "read:connections", Empty("connections")),
    Row("/connections/{id}", "read:connections", _NO_CONNECTION),
    Row("/connections/{id}/clients", "read:connections", Empty("clients")),
    Row(
        "/connections-directory-provisionings",
        "read:directory_provisionings",
        _closed("read:directory_provisionings"),
    ),
    Row("/connection-profiles", "read:connection_profiles", Empty("connection_profiles")),
    Row("/user-attribute-profiles", "read:user_attribute_profiles", Empty("user_attribute_profiles")),
    Row("/self-service-profiles", "read:self_service_profiles", Empty("self_service_profiles", LIST_FIRST)),
    Row("/organizations", "read:organizations", Empty("organizations", LIST_FIRST)),
    Row("/custom-domains", "read:custom_domains", []),
    # Code of one's own.
    Row("/actions/actions", "read:actions", {"actions": [], "total": 0, "page": 0, "per_page": 100}),
    Row("/actions/modules", "read:actions", {"modules": [], "total": 0, "page": 0, "per_page": 100}),
    Row("/actions/triggers", "read:actions", {"triggers": []}),
    Row(
        "/actions/triggers/{id}/bindings",
        "read:actions",
        {"bindings": [], "total": 0, "page": 0, "per_page": 50},
    ),
    Row("/flows", "read:flows", Empty("flows", OFFSET_FIRST)),
    Row("/flows/vault/connections", "read:flows_vault_connections", Empty("connections", OFFSET_FIRST)),
    Row("/forms", "read:forms", Empty("forms", OFFSET_FIRST)),
    # Mail, telephones, second factors.
    Row("/emails/provider", "read:email_provider", _NO_EMAIL_PROVIDER),
    Row("/email-templates/{id}", "read:email_templates", _NO_TEMPLATE),
    Row("/branding/phone/providers", "read:phone_providers", {"providers": []}),
    Row("/branding/phone/templates", "read:phone_templates", {"templates": []}),
    Row("/guardian/factors", "read:guardian_factors", []),
    Row("/guardian/policies", "read:mfa_policies", [], "PUT"),
    Row("/guardian/factors/push-notification/providers/sns", "read:guardian_factors", {}),
    Row("/guardian/factors/sms/providers/twilio", "read:guardian_factors", {}),
    Row("/guardian/factors/sms/templates", "read:guardian_factors", {}),
    Row("/guardian/factors/phone/templates", "read:guardian_factors", {}),
    Row("/guardian/factors/phone/selected-provider", "read:guardian_factors", {"provider": "auth0"}, "PUT"),
    Row("/guardian/factors/phone/message-types", "read:guardian_factors", {"message_types": []}, "PUT"),
    # How pages look.
    Row("/branding", "read:branding", {}, "PATCH"),
    Row("/branding/templates/universal-login", "read:branding", _ABSENT),
    Row("/branding/themes/default", "read:branding", _ABSENT),
    Row("/prompts", "read:prompts", {"universal_login_experience": "new", "identifier_first": True}, "PATCH"),
    Row("/prompts/rendering", "read:prompts", Empty("configs", LIST_FIRST)),
    Row("/prompts/{id}/custom-text/{language}", "read:prompts", {}),
    Row("/prompts/{id}/partials", "read:prompts", {}),
    # Attacks.
    Row("/attack-protection/brute-force-protection", "read:attack_protection", {"enabled": False}, "PATCH"),
    Row(
        "/attack-protection/breached-password-detection",
        "read:attack_protection",
        {"enabled": False},
        "PATCH",
    ),
    Row("/attack-protection/suspicious-ip-throttling", "read:attack_protection", {"enabled": False}, "PATCH"),
    Row("/attack-protection/bot-detection", "read:attack_protection", _closed("read:attack_protection")),
    Row("/attack-protection/captcha", "read:attack_protection", _closed("read:attack_protection")),
    Row("/risk-assessments/settings", "read:attack_protection", {"enabled": False}, "PATCH"),
    Row("/risk-assessments/settings/new-device", "read:attack_protection", {"remember_for": 30}, "PATCH"),
    Row("/network-acls", "read:network_acls", Empty("network_acls")),
    Row("/rate-limit-policies", "read:rate_limit_policies", _closed("read:rate_limit_policies")),
    Row("/supplemental-signals", "read:attack_protection", _closed("read:attack_protection")),
    # Exchanges with others.
    Row("/event-streams", "read:event_streams", {"eventStreams": []}),
    Row("/token-exchange-profiles", "read:token_exchange_profiles", Empty("token_exchange_profiles")),
)


def _operation(answer: object) -> Callable[[Call], object]:
    match answer:
        case Refusal(status, message, code):
            return partial(_refuse, status, message, code)
        case Empty(name, totals):
            return partial(_list_nothing, name, totals)
        case _:
            return partial(_give, answer)


def _shape(answer: object) -> Shape:
    match answer:
        case Refusal():
            return Never()
        case Empty(name):
            return Items(Value({}), name)
        case _:
            return Value({"const": answer})


def _refuse(status: int, message: str, code: str | None, _: Call) -> object:
    """Nothing of the kind is here."""
    raise ApiError(status, message, code)


def _list_nothing(name: str, totals: tuple[str, ...], call: Call) -> object:
    """An empty list."""
    nothing: tuple[object, ...] = ()
    return paged(call, name, page_of(nothing), lambda item: item, totals=totals)


def _give(body: object, _: Call) -> object:
    """What is so without the feature."""
    return body


def _keep(body: object, call: Call) -> object:
    """Accepts a write of what is there."""
    sent = call.body["value"]
    if sent != body and not (
        isinstance(sent, dict) and isinstance(body, dict) and sent.items() <= body.items()
    ):
        raise ApiError(
            400, "This server has no such feature, so that it cannot be set.", "operation_not_supported"
        )
    return body


def _endpoints(row: Row) -> Iterator[Endpoint]:
    yield endpoint(
        "GET",
        row.path,
        _operation(row.answer),
        scope=row.scope,
        query=PAGING if isinstance(row.answer, Empty) else (),
        answers=_shape(row.answer),
        refuses=(row.answer.status,) if isinstance(row.answer, Refusal) else (),
    )
    if row.writes is not None:
        scope = row.scope.replace("read:", "update:")
        yield endpoint(
            row.writes,
            row.path,
            partial(_keep, row.answer),
            scope=scope,
            body=AnyValue,
            answers=_shape(row.answer),
            refuses=(),
        )


ROUTES: tuple[Endpoint, ...] = tuple(each for row in _PATHS for each in _endpoints(row))
