"""The application that a command is about: imported from the current folder, as a server does it."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

from cyclopts import Parameter

from gatewright.cli.failures import Failure, misuse
from gatewright.guard import routes as listing
from gatewright.guard.routes import NotProtectedError, Policy

_DJANGO_HANDLER = "django.core.wsgi:get_wsgi_application"

Target: TypeAlias = Annotated[str, Parameter(help="MODULE:APP, as a server takes it; not with --django.")]
Django: TypeAlias = Annotated[
    str | None, Parameter(help="A Django project, by its settings module: project.settings.")
]
Factory: TypeAlias = Annotated[
    bool, Parameter(negative="", help="APP is a function without arguments that makes the application.")
]


def policy_of(
    target: str, *, django: str | None, factory: bool, command: str = "gatewright routes"
) -> Policy:
    """The guard of an application and its routes; the application is that of `MODULE:APP`, or Django's.

    Raises:
        Failure: not exactly one is named, it cannot be imported, or nothing protects it.
    """
    if bool(target) == bool(django):
        raise misuse(
            "Name the application, as MODULE:APP, or the settings of a Django project.",
            f"{command} app:app",
            f"{command} --django project.settings",
        )
    if django:
        os.environ["DJANGO_SETTINGS_MODULE"] = django
        app = _application(_DJANGO_HANDLER, factory=True)
        # An application without the middleware has loaded no adapter that could tell its routes.
        _imported("gatewright.django")
    else:
        app = _application(target, factory=factory)
    try:
        return listing.discover(app)
    except NotProtectedError as error:
        raise Failure(
            f"{target or django} is not protected, so it tells no routes.",
            "Call protect(app, guard) of its framework's adapter where the application is made.",
        ) from error


def _application(target: str, *, factory: bool) -> object:
    """What `MODULE:APP` names, imported from here.

    Raises:
        Failure: there is no such module or name in it, or it fails.
    """
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise misuse(f"{target!r} names no application.", "Name it as MODULE:APP, such as app:app.")
    found: Any = _imported(module)
    for part in name.split("."):
        if not hasattr(found, part):
            raise Failure(f"The module {module} has no {name}.", "Name the application as MODULE:APP.")
        found = getattr(found, part)
    if not factory:
        return cast("object", found)
    return _run(cast("Callable[[], object]", found), f"{target} failed")


def _imported(module: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return _run(lambda: importlib.import_module(module), f"The module {module} cannot be imported")


def _run(made: Callable[[], object], fault: str) -> object:
    try:
        return made()
    except Exception as error:
        raise Failure(
            f"{fault}: {type(error).__name__}: {error}",
            "It is looked for in the current folder and where Python finds packages.",
        ) from error
