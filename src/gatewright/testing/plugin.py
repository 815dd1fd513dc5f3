"""The pytest plugin: a test for each guarded route and defect, one of what is public; issuer and server.

::

    # conftest.py
    pytest_plugins = ["gatewright.testing.plugin"]

    # pytest.ini
    [pytest]
    gatewright_app = app:app
    gatewright_public = GET /health

A route that needs no token and is not named in `gatewright_public` is tested as if it were guarded, so
that it fails by its own name. The framework's own documentation pages are left out.

The fixtures: `issuer`, of a test's own, and `gatewright_server`, of a file of tests, with what
`gatewright_seed` names (a file, relative to pytest's root) brought in.
"""

import importlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from gatewright.guard.routes import NotProtectedError, Policy, Route, discover
from gatewright.testing.issuer import TokenIssuer
from gatewright.testing.negatives import Negative, check, negatives
from gatewright.testing.throwaway import ThrowawayServer, server

_APP: Final = "gatewright_app"
_PUBLIC: Final = "gatewright_public"
_PATHS: Final = "gatewright_path_values"
_SEED: Final = "gatewright_seed"
_SERVER: Final = "gatewright_server"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options in pytest's own configuration file."""
    parser.addini(_APP, "the application to test, module:attribute")
    parser.addini(_PUBLIC, "the routes that need no token, one a line, such as GET /health", type="linelist")
    parser.addini(_PATHS, "values for parameters of paths, one a line, such as id=42", type="linelist")
    parser.addini(_SEED, "a file as of `gatewright import`, for the fixture gatewright_server")


@pytest.fixture
def issuer() -> TokenIssuer:
    """An issuer of its own for the test."""
    return TokenIssuer()


@pytest.fixture(scope="module")
def gatewright_server(request: pytest.FixtureRequest) -> Iterator[ThrowawayServer]:
    """An authorization server on a free port, of this file of tests; its records last as long as the file."""
    named = request.config.getini(_SEED)
    with server(seed=request.config.rootpath / named if named else None) as running:
        yield running


@pytest.fixture(autouse=True)
def _gatewright_server_as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test nothing of the server's goes wrong any more, and its clock shows the time."""
    used = request.getfixturevalue(_SERVER) if _SERVER in request.fixturenames else None
    yield
    if isinstance(used, ThrowawayServer):
        used.faults.clear()
        used.clock.reset()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the generated tests to those that pytest finds, early enough for `-k` to choose among them."""
    named = config.getini(_APP)
    if not named:
        return
    root = str(config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    collector = Routes.from_parent(session, name="gatewright", named=named)
    made: list[pytest.Item | pytest.Collector] = list(collector.collect())
    # So that the terminal counts them.
    config.hook.pytest_collectreport(report=pytest.CollectReport(collector.nodeid, "passed", None, made))
    items += [item for item in made if isinstance(item, pytest.Item)]


class Routes(pytest.Collector):
    """The generated tests of one application."""

    def __init__(self, *, named: str, **options: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**options)
        self._named = named

    def collect(self) -> Iterable[pytest.Item]:
        """One test for each route and defect, and one of what is public."""
        app = loaded(self._named)
        try:
            policy = discover(app)
        except NotProtectedError as error:
            raise pytest.UsageError(f"{_APP}: {error}") from error
        declared = frozenset(" ".join(line.split()) for line in self.config.getini(_PUBLIC))
        yield Public.from_parent(self, name="public routes", policy=policy, declared=declared)
        for negative in negatives(due(policy.routes, declared)):
            yield Refusal.from_parent(self, name=str(negative), app=app, policy=policy, negative=negative)


class _Told(pytest.Item):
    """A generated test: pytest makes those by inheritance; its failure is one sentence."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401 - pytest's own
        """The message alone, where it says all."""
        return (
            str(excinfo.value)
            if excinfo.errisinstance(AssertionError)
            else super().repr_failure(excinfo, style)
        )

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the test stands: in the application's routes."""
        return self.path, None, self.name


class Refusal(_Told):
    """One request that must be refused."""

    def __init__(self, *, app: object, policy: Policy, negative: Negative, **options: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**options)
        self._app = app
        self._policy = policy
        self._negative = negative

    def runtest(self) -> None:
        """Send it and judge the answer."""
        values = dict(line.split("=", 1) for line in self.config.getini(_PATHS))
        check(self._app, self._policy.guard, self._negative, path_values=values)


class Public(_Told):
    """The routes that need no token are those declared, no more and no fewer."""

    def __init__(self, *, policy: Policy, declared: frozenset[str], **options: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**options)
        self._policy = policy
        self._declared = declared

    def runtest(self) -> None:
        """Compare them."""
        free = [route for route in self._policy.routes if route.needs_no_token]
        found = {spelled(route) for route in free if route.access != "documentation"}
        faults = [f"{name} needs no token and is not declared" for name in sorted(found - self._declared)]
        faults += [f"{name} is declared and is not public" for name in sorted(self._declared - found)]
        if faults:
            raise AssertionError("; ".join(faults))


def due(routes: Iterable[Route], declared: frozenset[str]) -> list[Route]:
    """The routes that must refuse: all but the declared ones and the framework's own pages."""
    return [
        route
        for route in routes
        if route.access != "documentation" and not (route.needs_no_token and spelled(route) in declared)
    ]


def spelled(route: Route) -> str:
    """A route as `gatewright_public` names it, such as `GET /health`."""
    return f"{route.method} {route.path}"


def loaded(named: str) -> object:
    """The application at `module:attribute`.

    Raises:
        pytest.UsageError: not of that form.
    """
    module, _, attribute = named.partition(":")
    if not module or not attribute:
        raise pytest.UsageError(f"{_APP} is module:attribute, such as app:app, not {named!r}")
    app: object = getattr(importlib.import_module(module), attribute)
    return app
