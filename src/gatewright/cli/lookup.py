"""Which record a person means: by id, by identifier, or by a name that only one record has."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.management import Management, Record, segment

READS_APIS = "read:resource_servers"
READS_APPS = "read:clients"
READS_GRANTS = "read:client_grants"


@dataclass(frozen=True, slots=True)
class Kind:
    """How records of one kind are told apart and spoken of."""

    noun: str
    word: str
    key: str
    listing: str


APIS = Kind("resource-servers", "API", "identifier", "gatewright apis list")
APPS = Kind("clients", "application", "client_id", "gatewright apps list")


def find_api(server: Management, text: str) -> Record:
    """The API with this id, identifier or name.

    Raises:
        Failure: there is none, or several have that name.
    """
    return _find(server, text, APIS)


def find_app(server: Management, text: str) -> Record:
    """The application with this client id or name.

    Raises:
        Failure: there is none, or several have that name.
    """
    return _find(server, text, APPS)


def only_api(server: Management) -> Record:
    """The one API there is, the server's own not counted.

    Raises:
        Failure: there is none, or more than one.
    """
    apis = [api for api in server.all(APIS.noun) if not api.get("is_system")]
    if not apis:
        raise Failure(
            "There is no API yet.",
            'Make one: gatewright apis create "Blog API" --identifier https://blog-api',
            code=ExitCode.NOT_FOUND,
        )
    if len(apis) > 1:
        raise misuse("There are several APIs; say which with --api:", *_choices(apis, APIS))
    return apis[0]


def test_app_name(api: Record) -> str:
    """What the application made together with an API is called."""
    return f"{api.get('name') or api['identifier']} (Test Application)"


def app_for(server: Management, api: Record) -> Record:
    """The application to use when none is named: the API's test application.

    Raises:
        Failure: there is none, or several.
    """
    apps = server.all(APPS.noun)
    fitting = [app for app in apps if app.get("name") == test_app_name(api)]
    if len(fitting) > 1:
        # One may be left of an API that was deleted: it has no grant at this one.
        grants = server.all("client-grants", audience=api["identifier"])
        granted = {grant.get("client_id") for grant in grants}
        fitting = [app for app in fitting if app["client_id"] in granted]
    if len(fitting) == 1:
        return fitting[0]
    raise misuse(
        f"Say which application with --app: there is {'no' if not fitting else 'more than one'} "
        f'"{test_app_name(api)}".',
        *_choices([app for app in apps if "client_credentials" in (app.get("grant_types") or [])], APPS),
    )


def grant_of(server: Management, app: Record, api: Record) -> Record | None:
    """What the application may have at the API, if anything."""
    grants = server.all(
        "client-grants", client_id=app["client_id"], audience=api["identifier"], subject_type="client"
    )
    return grants[0] if grants else None


def scopes_of(api: Record) -> list[str]:
    """The permissions the API defines, in its order."""
    return [scope["value"] for scope in api.get("scopes") or []]


def _find(server: Management, text: str, kind: Kind) -> Record:
    try:
        exact: Record = server.get(f"{kind.noun}/{segment(text)}")
    except Failure as failure:
        if failure.code != ExitCode.NOT_FOUND:
            raise
    else:
        return exact
    records = server.all(kind.noun)
    named = [record for record in records if record.get("name") == text]
    if not named:
        # Typed by hand, a name's capitals are easily wrong.
        named = [record for record in records if str(record.get("name", "")).lower() == text.lower()]
    if not named:
        raise Failure(
            f'There is no {kind.word} "{text}".', f"List them: {kind.listing}", code=ExitCode.NOT_FOUND
        )
    if len(named) > 1:
        raise misuse(f'Several {kind.word}s are called "{text}"; say which:', *_choices(named, kind))
    return named[0]


def _choices(records: Sequence[Record], kind: Kind) -> list[str]:
    return [f"{shlex.quote(record[kind.key])}  {record.get('name', '')}".rstrip() for record in records]
