"""The tree of commands, and the one place where failures become words and exit codes."""

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Group, Parameter
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

from gatewright._version import __version__
from gatewright.cli.failures import MEANINGS, ExitCode, Failure, misuse
from gatewright.cli.options import examples
from gatewright.cli.output import say_failure, table

if TYPE_CHECKING:
    from rich.text import Text

RUN = Group("Run", sort_key=1)
MANAGE = Group("Manage", sort_key=2)
TRY = Group("Try", sort_key=3)
OTHER = Group("Other", sort_key=4)

_START = examples(
    "gatewright demo                        watch the tutorial happen",
    "gatewright serve                       run a server; then, elsewhere:",
    'gatewright apis create "Blog API" --identifier https://blog-api',
)
_EXIT_CODES = "Exit codes: gatewright help exit-codes\n"


def run(words: Sequence[str]) -> int:
    """Runs one command; the exit code."""
    program = build()
    try:
        result = program(list(words), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        say_failure(misuse(_sentence(error), f"See: {_help_command(error)}"))
        return ExitCode.WRONG_USAGE
    except Failure as failure:
        say_failure(failure)
        return failure.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read has enough, as `head` has; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return result if isinstance(result, int) else ExitCode.FINE


def build() -> App:
    """The tree of commands; each module of it is imported when its command is used."""
    program = App(
        name="gatewright",
        help="Protect your APIs: an authorization server and a guard.",
        help_epilogue=f"{_START}\n{_EXIT_CODES}",
        help_format="plaintext",
        version=__version__,
        result_action="return_value",
        default_parameter=Parameter(show_default=False),
        suppress_keyboard_interrupt=False,
    )
    for group, name, target, purpose, shown in _COMMANDS:
        more = {"help_epilogue": shown} if shown else {}
        program.command(f"gatewright.cli.{target}", name=name, group=group, help=purpose, **more)
    program["--help"].group = OTHER
    program["--version"].group = OTHER

    @program.command(group=OTHER)
    def help(  # noqa: A001 - the command's name
        *topic: Annotated[str, Parameter(help="A command, or exit-codes.")],
    ) -> None:
        """Show help on a command, or on exit-codes."""
        if topic == ("exit-codes",):
            table(["CODE", "MEANING"], [[int(code), meaning] for code, meaning in MEANINGS.items()])
        else:
            program.help_print(list(topic))

    return program


_COMMANDS = (
    (
        RUN,
        "serve",
        "serving:serve",
        "Run the authorization server.",
        examples(
            "gatewright serve",
            "gatewright serve --tls local          https, for Auth0's SDKs and tools",
            "gatewright serve --seed tenant.yaml   with what the file says, for CI and compose files",
            "gatewright serve --listen 0.0.0.0:8844 --issuer https://auth.example.com/",
        ),
    ),
    (
        RUN,
        "demo",
        "serving:demo",
        "Watch the tutorial happen, every request real.",
        examples(
            "gatewright demo",
            "gatewright demo --once",
        ),
    ),
    (
        RUN,
        "init",
        "init:init",
        "Make a project with a guarded API that runs.",
        examples(
            "gatewright init blogs",
            "gatewright init blogs --framework flask --audience https://blog-api",
        ),
    ),
    (MANAGE, "apis", "apis:app", "APIs, and the permissions they define.", ""),
    (MANAGE, "apps", "apps:app", "Applications: who may ask for tokens.", ""),
    (MANAGE, "grants", "grants:app", "Which permissions an application has at an API.", ""),
    (MANAGE, "keys", "keys:app", "The keys that sign access tokens.", ""),
    (
        MANAGE,
        "revoke",
        "revocations:revoke",
        "Refuse access tokens before they end.",
        examples(
            "gatewright revoke --app Reader",
            "gatewright revoke --app Reader --api https://blog-api",
            'gatewright revoke --token "$TOKEN"',
        ),
    ),
    (MANAGE, "revocations", "revocations:app", "What was revoked of tokens that have not ended.", ""),
    (MANAGE, "admins", "admins:app", "Who administers the server, and a way back in. Needs no server.", ""),
    (MANAGE, "trust", "trust:app", "The certificate authority of `serve --tls local`: who trusts it.", ""),
    (MANAGE, "logs", "logs:app", "Tokens issued and refused, and changes.", ""),
    (
        MANAGE,
        "doctor",
        "doctor:doctor",
        "Look at the server, and at how it is used.",
        examples(
            "gatewright doctor", "gatewright doctor --json | jq '.checks[] | select(.verdict != \"ok\")'"
        ),
    ),
    (
        MANAGE,
        "export",
        "exchange:export",
        "Write the tenant to a file, in the form of auth0-deploy-cli.",
        examples("gatewright export tenant.yaml"),
    ),
    (
        MANAGE,
        "import",
        "exchange:import_",
        "Bring the tenant to what a file says.",
        examples("gatewright import tenant.yaml --dry-run", "gatewright import tenant.yaml"),
    ),
    (
        TRY,
        "token",
        "tokens:token",
        "Take an access token.",
        examples(
            "gatewright token --api https://blog-api",
            "TOKEN=$(gatewright token)",
            "gatewright token --api https://blog-api --app Reader --scope read:blog --json",
        ),
    ),
    (
        TRY,
        "call",
        "tokens:call",
        "Take a token and call an endpoint with it.",
        examples(
            "gatewright call http://localhost:3000/authtest",
            "gatewright call -X POST http://localhost:3000/blogs --api https://blog-api",
        ),
    ),
    (
        TRY,
        "why",
        "why:why",
        "Say why a request was refused, or whether a token would be.",
        examples(
            "gatewright why 5e0f1c2d3a4b5c6d            the X-Request-Id of a 401 or 403",
            'gatewright why "$TOKEN" --require create:blog',
            "gatewright token | gatewright why -",
            'gatewright why "$TOKEN" --issuer https://acme.eu.auth0.com/ --audience https://blog-api',
        ),
    ),
    (
        TRY,
        "env",
        "environment:env",
        "Shell lines with what a guard needs.",
        examples(
            'eval "$(gatewright env --api https://blog-api)"',
            'eval "$(gatewright env --tools)"         what Auth0\'s SDKs and tools read',
        ),
    ),
    (
        TRY,
        "routes",
        "routes:routes",
        "List an application's routes, and who may enter each.",
        examples(
            "gatewright routes app:app",
            "gatewright routes app:app --lock routes.lock",
            "gatewright routes app:app --check routes.lock",
            "gatewright routes --django project.settings",
        ),
    ),
    (
        TRY,
        "can",
        "can:can",
        "Say who would be let in where, without issuing a token.",
        examples(
            "gatewright can Reader 'POST /blogs' --lock routes.lock",
            "gatewright can Reader 'POST /blogs' --routes app:app",
            "gatewright can --lock routes.lock                       every route and whom it lets in",
            "gatewright can --lock routes.lock --against old.lock    who gains and loses what",
        ),
    ),
    (MANAGE, "scopes", "scopes_push:app", "Permissions as the rules in code declare them.", ""),
    (
        TRY,
        "openapi",
        "routes:openapi",
        "Write an OpenAPI document from an application's rules.",
        examples(
            "gatewright openapi app:app --output openapi.json",
            "gatewright openapi app:app --merge openapi.json --output openapi.json",
        ),
    ),
)  # fmt: skip - a row for each command


def _sentence(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"These words have no place here: {shlex.join(error.unused_tokens or ())}."
    text: Text | str = str(error)
    return str(text).strip()


def _help_command(error: CycloptsError) -> str:
    return " ".join(["gatewright", *(error.command_chain or ()), "--help"])
