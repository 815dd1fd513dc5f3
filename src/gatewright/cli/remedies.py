"""What helps after a refusal: the commands that fix it, for a person to copy. Pure text."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a `WWW-Authenticate: Bearer …` header says (RFC 6750, section 3)."""

    realm: str = ""
    error: str = ""
    error_description: str = ""
    scope: str = ""

    @staticmethod
    def parse(header: str) -> "Challenge | None":
        """The challenge of a header; `None` when it is of another scheme."""
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        told = dict(_PARAMETER.findall(rest))
        return Challenge(**{name: told.get(name, "") for name in Challenge.__dataclass_fields__})

    @property
    def scopes(self) -> list[str]:
        """The scopes the endpoint needs."""
        return self.scope.split()


def grant_commands(
    *, api: str, application: str, missing: Sequence[str], defined: Sequence[str]
) -> list[str]:
    """Defines, where needed, and grants what is missing."""
    undefined = [scope for scope in missing if scope not in defined]
    commands = [["apis", "scopes", "add", api, *undefined]] if undefined else []
    commands.append(["grants", "add", application, api, "--scope", " ".join(missing)])
    return [command(*words) for words in commands]


def command(*words: str) -> str:
    """A command line, quoted for the shell."""
    return shlex.join(["gatewright", *words])
