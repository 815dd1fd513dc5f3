"""``/api/v2/log-streams``: where log events go. What a sink holds is sealed at rest and answered in clear."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.server.errors import ApiError, NotFound
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Nothing, Record
from gatewright.server.management.endpoint import Answer, Call, endpoint
from gatewright.server.management.schema import Body, check_member, require_unique
from gatewright.server.tenant import LogStream, new_log_stream_id

StreamType = Literal["http", "eventbridge", "eventgrid", "datadog", "splunk", "sumo", "segment", "mixpanel"]
Category = Literal[
    "auth.login.fail",
    "auth.login.notification",
    "auth.login.success",
    "auth.logout.fail",
    "auth.logout.success",
    "auth.signup.fail",
    "auth.signup.success",
    "auth.silent_auth.fail",
    "auth.silent_auth.success",
    "auth.token_exchange.fail",
    "auth.token_exchange.success",
    "management.fail",
    "management.success",
    "scim.event",
    "system.notification",
    "user.fail",
    "user.notification",
    "user.success",
    "actions",
    "other",
]

Url = Annotated[str, Meta(max_length=2048, pattern=r"^https?://[^\s/?#]+[^\s]*\Z")]
Line = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class CustomHeader(Struct, forbid_unknown_fields=True):
    """A header of every delivery."""

    header: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")]
    value: Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class HttpSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """A web hook."""

    http_endpoint: Url
    http_authorization: Annotated[str, Meta(max_length=4096)] | UnsetType | None = UNSET
    http_content_format: Literal["JSONLINES", "JSONARRAY", "JSONOBJECT"] | UnsetType = UNSET
    http_content_type: Line | UnsetType = UNSET
    http_custom_headers: Annotated[list[CustomHeader], Meta(max_length=20)] | UnsetType = UNSET


class EventBridgeSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Amazon EventBridge."""

    aws_account_id: Annotated[str, Meta(pattern=r"^[0-9]{12}\Z")]
    aws_region: Line
    aws_partner_event_source: Line | UnsetType = UNSET


class EventGridSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Azure Event Grid."""

    azure_subscription_id: Line
    azure_region: Line
    azure_resource_group: Line
    azure_partner_topic: Line | UnsetType = UNSET


class DatadogSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Datadog."""

    datadog_api_key: Line
    datadog_region: Line


class SplunkSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Splunk."""

    splunk_domain: Line
    splunk_port: Annotated[str, Meta(pattern=r"^[0-9]{1,5}\Z")]
    splunk_token: Line
    splunk_secure: bool


class SumoSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Sumo Logic."""

    sumo_source_address: Url


class SegmentSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Segment."""

    segment_write_key: Line


class MixpanelSink(Struct, forbid_unknown_fields=True, rename="camel"):
    """Mixpanel."""

    mixpanel_region: Line
    mixpanel_project_id: Line
    mixpanel_service_account_username: Line
    mixpanel_service_account_password: Line


_SINKS: Mapping[str, type[Struct]] = {
    "http": HttpSink,
    "eventbridge": EventBridgeSink,
    "eventgrid": EventGridSink,
    "datadog": DatadogSink,
    "splunk": SplunkSink,
    "sumo": SumoSink,
    "segment": SegmentSink,
    "mixpanel": MixpanelSink,
}
# Their sink is settled with the other side when the stream is made.
_FIXED_SINKS = frozenset({"eventbridge", "eventgrid"})
_SECRETS = (
    *("httpAuthorization", "datadogApiKey", "splunkToken", "segmentWriteKey"),
    "mixpanelServiceAccountPassword",
)
_NAMES = {"is_priority": "isPriority", "start_from": "startFrom"}
_ORDER = ("name", "type", "status", "sink", "isPriority", "filters", "pii_config")


class Filter(Struct, forbid_unknown_fields=True):
    """A kind of events to deliver."""

    type: Literal["category"]
    name: Category


class PiiConfig(Struct, forbid_unknown_fields=True):
    """What of a person is hidden."""

    log_fields: list[Literal["first_name", "last_name", "username", "email", "phone", "address"]]
    method: Literal["hash", "mask"] | UnsetType = UNSET
    algorithm: Literal["xxhash"] | UnsetType = UNSET


class LogStreamPatch(Body, rename=_NAMES):
    """An update body; the type of a stream is settled when it is made."""

    name: Name | UnsetType = UNSET
    status: Literal["active", "paused"] | UnsetType = UNSET
    is_priority: bool | UnsetType = UNSET
    filters: Annotated[list[Filter], Meta(max_length=100)] | UnsetType = UNSET
    pii_config: PiiConfig | UnsetType | None = UNSET
    sink: dict[str, Any] | UnsetType = UNSET


class NewLogStream(Body, rename=_NAMES):
    """A create body."""

    type: StreamType
    sink: dict[str, Any]
    name: Name | UnsetType = UNSET
    is_priority: bool | UnsetType = UNSET
    filters: Annotated[list[Filter], Meta(max_length=100)] | UnsetType = UNSET
    pii_config: PiiConfig | UnsetType | None = UNSET
    start_from: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET


def create(call: Call) -> object:
    """Makes a log stream, active at once."""
    kind = call.body["type"]
    check_member(call.body["sink"], _SINKS[kind], "sink")
    document = _checked({"status": "active", **call.body})
    stream = LogStream(new_log_stream_id(), document, _sorted(call.body["sink"]))
    call.tx.log_streams.insert(stream)
    return rendered(stream)


def read(call: Call) -> object:
    """One log stream."""
    return Answer(rendered(_named(call)), reveals_secret=True)


def list_all(call: Call) -> object:
    """The log streams, in order of creation."""
    streams = call.tx.log_streams.find()
    return Answer([rendered(stream) for stream in streams], reveals_secret=bool(streams))


def update(call: Call) -> object:
    """Changes a log stream; ``pii_config`` ends when it is not sent along, as Auth0 has it."""
    stream = _named(call)
    kind, sink = stream.type, call.body.get("sink")
    if sink is not None:
        if kind in _FIXED_SINKS:
            raise ApiError(400, "The sink of such a log stream cannot be changed.", "operation_not_supported")
        sink = _with_kept_secrets(stream, sink)
        check_member(sink, _SINKS[kind], "sink")
    patch = _checked(call.body)

    def change(before: LogStream) -> LogStream:
        kept = {name: value for name, value in before.document.items() if name != "pii_config"}
        return replace(before, document=kept | patch, sink=before.sink if sink is None else _sorted(sink))

    return rendered(call.tx.log_streams.update(stream.id, change))


def delete(call: Call) -> None:
    """Ends a log stream."""
    call.tx.log_streams.delete(_named(call).id)


def rendered(stream: LogStream) -> dict[str, object]:
    """The stream as it goes over the wire."""
    members = {**stream.document, "sink": dict(stream.sink)}
    return {"id": stream.id, **{name: members[name] for name in _ORDER if name in members}}


def _named(call: Call) -> LogStream:
    try:
        return call.tx.log_streams.get(call.path["id"])
    except NotFound as error:
        raise ApiError(404, "The log stream does not exist", "inexistent_log_stream") from error


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members to keep in the document."""
    names = [entry["name"] for entry in body.get("filters") or []]
    require_unique(names, "filters")
    require_unique((body.get("pii_config") or {}).get("log_fields") or [], "pii_config.log_fields")
    return {name: value for name, value in body.items() if name != "sink" and value is not None}


def _with_kept_secrets(stream: LogStream, sink: Mapping[str, Any]) -> dict[str, Any]:
    """Secrets may be left out of a changed sink, as by tools that hide them in exports; ``null`` clears."""
    return {**{name: stream.sink[name] for name in _SECRETS if name in stream.sink}, **sink}


def _sorted(sink: Mapping[str, Any]) -> dict[str, Any]:
    """By name, as Auth0 answers sinks."""
    return {name: sink[name] for name in sorted(sink) if sink[name] is not None}


_SHOWN = Record("LogStream", LogStreamPatch, answers.LogStreamMade)

ROUTES = (
    endpoint("GET", "/log-streams", list_all, scope="read:log_streams", answers=Items(_SHOWN)),
    endpoint(
        "POST",
        "/log-streams",
        create,
        scope="create:log_streams",
        body=NewLogStream,
        changes="Create a log stream",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint("GET", "/log-streams/{id}", read, scope="read:log_streams", answers=_SHOWN),
    endpoint(
        "PATCH",
        "/log-streams/{id}",
        update,
        scope="update:log_streams",
        body=LogStreamPatch,
        changes="Update a log stream",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint(
        "DELETE",
        "/log-streams/{id}",
        delete,
        scope="delete:log_streams",
        changes="Delete a log stream",
        answers=Nothing(),
    ),
)
