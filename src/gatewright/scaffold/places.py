"""What stands in the places of the templates; how a guard is set up, in each language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gatewright.scaffold.kinds import Foreign, Kind
from gatewright.scaffold.spelling import code, literal, plain, word

# What a token has in tests that opens nothing.
_OTHERS: Final = ("other:scope", "another:scope", "third:scope")
_IMPORT: Final = "from gatewright import Guard"
_FROM_ENV: Final = "guard = Guard.from_env({**DEFAULTS, **os.environ})"
_FROM_VALUES: Final = """\
values = {**DEFAULTS, **os.environ}
guard = Guard(
    values["GATEWRIGHT_ISSUER"],
    audience=values["GATEWRIGHT_AUDIENCE"],
    algorithms=(%s,),%s
)"""
_SHARED_KEY: Final = """
    keys=JWK.symmetric(values["SIGNING_SECRET"].encode(), alg="HS256"),"""
_SHARED_VARIABLE: Final = """\
# What the server signs with: gatewright apis show %s --json
SIGNING_SECRET=
"""
_EXPRESS_KEYS: Final = """\
expressJwtSecret({
    jwksUri: new URL('.well-known/jwks.json', issuer).href,
    cache: true,
    rateLimit: true,
  })"""
_STAYS: Final = "    # stays; the next in another terminal"
_PYTHON_STEPS: Final = "pip install -r requirements.txt && python -m pytest    # passes with no server at all"


@dataclass(frozen=True, slots=True)
class Api:
    """An API that a server knows; ``applications_url`` is where its applications get permissions."""

    name: str
    identifier: str
    issuer: str
    algorithm: str
    permissions: tuple[str, ...]
    applications_url: str
    client_id: str = ""
    """The application that calls, where it is known."""

    @property
    def has_shared_secret(self) -> bool:
        """Whether a guard needs the secret that the server signs with."""
        return self.algorithm.startswith("HS")

    @property
    def fits_variables(self) -> bool:
        """Whether ``Guard.from_env`` can be told of it: blanks would part the identifier in several."""
        return not self.has_shared_secret and self.identifier.split() == [self.identifier]


def common(name: str, *, issuer: str, audience: str, reads: str, creates: str) -> dict[str, str]:
    """What every project has."""
    return {
        "name": name,
        "name_literal": literal(name),
        "issuer_literal": literal(issuer),
        "issuer_word": word(issuer),
        "issuer_code": code(issuer),
        "audience_literal": literal(audience),
        "audience_word": word(audience),
        "reads_literal": literal(reads),
        "creates_literal": literal(creates),
        "other_literal": literal(next(each for each in _OTHERS if each not in {reads, creates})),
        "reads_words": plain(reads, "the first permission"),
        "creates_words": plain(creates, "the second permission"),
        "reads_code": code(reads),
        "creates_code": code(creates),
    }


def of_new_api(kind: Kind, *, issuer: str, audience: str) -> dict[str, str]:
    """What a project in Python has for an API that no server knows yet."""
    defaults = {"GATEWRIGHT_ISSUER": issuer, "GATEWRIGHT_AUDIENCE": audience}
    pairs = ", ".join(_pairs(defaults))
    return {**_of_kind(kind), "guard_import": _IMPORT, "defaults": f"{{{pairs}}}", "guard": _FROM_ENV}


def of_known_api(api: Api) -> dict[str, str]:
    """What a project in any language has for an API that a server knows."""
    return {
        "applications_url": api.applications_url,
        "algorithm_literal": literal(api.algorithm),
        "client_id_word": word(api.client_id) if api.client_id else "",
        "guard_variables": _SHARED_VARIABLE % plain(api.identifier, "IDENTIFIER")
        if api.has_shared_secret
        else "",
    }


def in_python(kind: Kind, api: Api) -> dict[str, str]:
    """What a project in Python has beside."""
    defaults = {"GATEWRIGHT_ISSUER": api.issuer, "GATEWRIGHT_AUDIENCE": api.identifier}
    values = {**_of_kind(kind), "steps": f"{_PYTHON_STEPS}\n{kind.serve}{_STAYS}", "guard_import": _IMPORT}
    if api.fits_variables:
        defaults["GATEWRIGHT_ALGORITHMS"] = api.algorithm
        values |= {"guard": _FROM_ENV, "guard_variables": f"GATEWRIGHT_ALGORITHMS={word(api.algorithm)}\n"}
    else:
        key = _SHARED_KEY if api.has_shared_secret else ""
        values |= {"guard": _FROM_VALUES % (literal(api.algorithm), key)}
        values |= {"guard_import": f"{_IMPORT}\nfrom gatewright.jose import JWK"} if key else {}
    lines = "".join(f"    {pair},\n" for pair in _pairs(defaults))
    return {**values, "defaults": f"{{\n{lines}}}"}


def in_other_languages(kind: Foreign, api: Api) -> dict[str, str]:
    """What a project without Python has beside."""
    is_shared = api.has_shared_secret
    return {
        "title": kind.title,
        "steps": f"{kind.prepare}\n{kind.serve}{_STAYS}",
        "express_import": "" if is_shared else "const { expressJwtSecret } = require('jwks-rsa');\n",
        "express_secret": "process.env.SIGNING_SECRET" if is_shared else _EXPRESS_KEYS,
    }


def _of_kind(kind: Kind) -> dict[str, str]:
    return {"title": kind.title, "serve": kind.serve, "packages": "\n".join(kind.packages)}


def _pairs(members: Mapping[str, str]) -> list[str]:
    return [f'"{name}": {literal(value)}' for name, value in members.items()]
