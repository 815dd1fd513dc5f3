"""The applications by which guards report: each may send the reports of one API, and nothing else."""

from typing import Final

from gatewright.cli.failures import misuse
from gatewright.cli.lookup import READS_APIS, READS_APPS, READS_GRANTS
from gatewright.cli.management import Management, Record
from gatewright.cli.output import say

SENDS_REPORTS: Final = "create:guard_reports"
REPORTER_SCOPES: Final = (
    *(READS_APIS, READS_APPS, READS_GRANTS, "read:client_keys", "create:clients", "create:client_grants"),
    SENDS_REPORTS,
)
# The member of an application's metadata that the server holds it to.
_BOUND_BY: Final = "gatewright_reports_for"


def reporter_variables(server: Management, audience: str | None) -> dict[str, str]:
    """What a guard of this API reads to report; its application is made if there is none.

    Raises:
        Failure: it is not clear which API is meant.
    """
    if audience is None:
        raise misuse("Say which API reports: --api IDENTIFIER", "List them: gatewright apis list")
    reporter, is_new = ensure_reporter(server, audience)
    if is_new:
        say(f'Made the application "{reporter["name"]}": it may send reports, and nothing else.')
    return {
        "GATEWRIGHT_REPORT_CLIENT_ID": str(reporter["client_id"]),
        "GATEWRIGHT_REPORT_CLIENT_SECRET": str(reporter["client_secret"]),
    }


def ensure_reporter(server: Management, audience: str) -> tuple[Record, bool]:
    """The application that reports for this API, and whether it was made just now.

    Raises:
        Failure: the server refuses, or does not answer.
    """
    for app in server.all("clients"):
        if (app.get("client_metadata") or {}).get(_BOUND_BY) == audience and app.get("client_secret"):
            return app, False
    return _make(server, audience), True


def _make(server: Management, audience: str) -> Record:
    made = server.post(
        "clients",
        {
            "name": f"Reports of {audience}",
            "description": "Sends what the guards of this API refuse, and can do nothing else.",
            "app_type": "non_interactive",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_post",
            "oidc_conformant": True,
            "client_metadata": {_BOUND_BY: audience},
        },
    )
    grant = {
        "client_id": made["client_id"],
        "audience": server.credentials.audience,
        "scope": [SENDS_REPORTS],
    }
    server.post("client-grants", grant)
    return made
