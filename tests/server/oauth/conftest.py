"""What the tests of the token endpoint share: an API, and an application that may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.calling import AUDIENCE, Asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running import Application, Caller


@pytest.fixture(scope="module")
def blogs(caller: Caller) -> str:
    """The API at `AUDIENCE`, with three permissions."""
    scopes = [{"value": value} for value in ("read:blog", "create:blog", "delete:blog")]
    caller.create("resource-servers", identifier=AUDIENCE, name="Blogs", scopes=scopes)
    return AUDIENCE


@pytest.fixture(scope="module")
def author(caller: Caller, blogs: str) -> Application:
    """An application that may read and create blogs, but not delete them."""
    application = caller.application("Author")
    caller.authorize(application, blogs, "read:blog", "create:blog")
    return application


@pytest.fixture(scope="module")
def asking(caller: Caller) -> Callable[..., Asking]:
    """`asking(application)` makes sound token requests of an application, for `AUDIENCE` or another API."""

    def sound(application: Application, audience: str = AUDIENCE) -> Asking:
        members = {
            "grant_type": "client_credentials",
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "audience": audience,
        }
        return Asking(caller, members)

    return sound


@pytest.fixture(scope="module")
def ask(author: Application, asking: Callable[..., Asking]) -> Asking:
    """Sound token requests of `author`."""
    return asking(author)
