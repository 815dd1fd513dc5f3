"""The files of a project: the templates of its kind, filled in."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Final, cast

from gatewright.scaffold import places
from gatewright.scaffold.kinds import FOREIGN, KINDS, Framework
from gatewright.scaffold.places import Api
from gatewright.scaffold.spelling import file_name

TEMPLATES: Final = files("gatewright.scaffold") / "templates"
SUFFIX: Final = ".txt"
"""Ends the name of each template, so that nothing takes it for a source of this package."""

READS: Final = "read:blog"
CREATES: Final = "create:blog"


def new_project(name: str, framework: Framework, *, issuer: str, audience: str) -> dict[str, str]:
    """File -> content of a project for an API that no server knows yet."""
    values = places.common(name, issuer=issuer, audience=audience, reads=READS, creates=CREATES)
    values |= places.of_new_api(KINDS[framework], issuer=issuer, audience=audience)
    return _filled(("every", framework), values)


def project_for(api: Api, framework: str) -> tuple[str, dict[str, str]]:
    """The folder's name, and file -> content, of a project for an API that a server knows.

    Raises:
        KeyError: there is no such framework.
        ValueError: it cannot be made for this API; the text says why.
    """
    if framework == "express" and api.algorithm == "EdDSA":
        raise ValueError("express-jwt knows no EdDSA: let the API sign with ES256, or guard it otherwise.")
    name = f"{file_name(api.name) or 'api'}-{framework}"
    reads, creates = chosen(api.permissions)
    values = places.common(name, issuer=api.issuer, audience=api.identifier, reads=reads, creates=creates)
    values |= places.of_known_api(api)
    if framework in FOREIGN:
        values |= places.in_other_languages(FOREIGN[framework], api)
        return name, _filled(("download", framework), values)
    values |= places.in_python(KINDS[cast("Framework", framework)], api)
    for_tests = ("shared-secret",) if api.has_shared_secret else ()
    return name, _filled(("every", framework, "download", *for_tests), values)


def sources(api: Api, framework: str) -> dict[str, str]:
    """File -> content of what a project without Python is written in.

    Raises:
        KeyError, ValueError: as ``project_for``.
    """
    _, project = project_for(api, framework)
    return {file: text for file, text in project.items() if file.endswith((".js", ".go"))}


def chosen(permissions: tuple[str, ...]) -> tuple[str, str]:
    """The permission to read and the one to create: of those that are defined, else examples."""
    reads = next((each for each in permissions if each.startswith("read")), next(iter(permissions), READS))
    others = [each for each in permissions if each != reads]
    writing = [each for each in others if each.startswith(("create", "write"))]
    example = CREATES if reads != CREATES else READS
    return reads, next(iter([*writing, *others]), example)


def _filled(folders: tuple[str, ...], values: Mapping[str, str]) -> dict[str, str]:
    return {
        file: Template(template.read_text(encoding="utf-8")).substitute(values)
        for file, template in _templates(folders).items()
    }


def _templates(folders: tuple[str, ...]) -> dict[str, Traversable]:
    """File of the project -> its template; those of a later folder stand in place of an earlier one's."""
    found = {
        template.name.removesuffix(SUFFIX): template
        for folder in folders
        for template in (TEMPLATES / folder).iterdir()
        if template.name.endswith(SUFFIX)
    }
    return dict(sorted(found.items()))
