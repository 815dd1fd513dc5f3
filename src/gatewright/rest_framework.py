"""The guard in Django REST framework: carries requests to it and its answers back, decides nothing.

::

    class Blogs(APIView):
        authentication_classes = [Authentication]
        permission_classes = [Permission("read:blog")]

The middleware of `gatewright.django` stands before it and gives a refusal its exact bytes.
"""

from dataclasses import dataclass
from typing import Any, cast

from rest_framework.exceptions import APIException

from gatewright.django import admit, configured, request_in
from gatewright.django_views import MARK, requirement_of, rule_in
from gatewright.guard import AccessToken, Denied, NoToken, Rule


class Permission:
    """`permission_classes = [Permission("read:blog")]` in REST framework; arguments as for `require`."""

    def __init__(self, *rules: Rule | str, **by_method: Rule | str) -> None:
        setattr(self, MARK, (requirement_of(rules, by_method),))

    def __call__(self) -> "Permission":
        """The permission itself: REST framework makes an instance of each entry for each request."""
        return self

    def has_permission(self, request: Any, _: object) -> bool:  # noqa: ANN401 - REST framework's
        """True; a refusal is raised, as an APIException that knows its answer."""
        try:
            admit(request_in((request,)), rule_in(getattr(self, MARK), request.method))
        except Denied as refusal:
            raise _refused(refusal) from refusal
        return True

    def has_object_permission(self, *_: object) -> bool:
        """True: rules are about requests."""
        return True


class Authentication:
    """`authentication_classes = [Authentication]` in Django REST framework.

    `request.auth` is the `AccessToken`, `request.user` a `Client`. Without a token the next class is asked.
    """

    def authenticate(self, request: Any) -> "tuple[Client, AccessToken] | None":  # noqa: ANN401 - REST framework's
        """Who asks, and with which token; one that is not accepted raises an APIException."""
        try:
            token = admit(request_in((request,)), None)
        except NoToken:
            return None
        except Denied as refusal:
            raise _refused(refusal) from refusal
        return None if token is None else (Client(token), token)

    def authenticate_header(self, _: object) -> str:
        """The challenge of REST framework's own refusals."""
        return dict(NoToken(realm=configured().guard.audience[0]).headers)["WWW-Authenticate"]


@dataclass(frozen=True, slots=True)
class Client:
    """Whoever holds an access token, in the place of Django's user: authenticated, and no row of a table."""

    token: AccessToken
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True

    @property
    def pk(self) -> str | None:
        """What tells callers apart, such as for throttling."""
        return self.token.subject or self.token.client_id


class _Body(dict[str, str]):
    """The body of a refusal, with the refusal itself: how it comes through REST framework's handler."""

    def __init__(self, refusal: Denied) -> None:
        super().__init__(refusal.body)
        self.refusal = refusal


def _refused(refusal: Denied) -> Exception:
    error: Any = APIException()
    error.status_code, error.detail = refusal.status, _Body(refusal)
    # The two names by which REST framework's handler takes headers from an exception.
    headers = dict(refusal.headers)
    error.auth_header, error.wait = headers.get("WWW-Authenticate"), int(headers.get("Retry-After", 0))
    return cast("Exception", error)
