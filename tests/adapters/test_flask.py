"""Flask: the view's own rule is found as Flask finds the view, and holds where it is not found."""

# ruff: noqa: ANN401 - views give what Flask may answer; misuse of any shape is part of the point
import functools
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, stream_with_context
from flask.views import MethodView, View
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import BaseConverter
from werkzeug.test import Client

import gatewright.wsgi
from gatewright import AccessToken, any_of
from gatewright.flask import Require, current_token, protect
from tests.guard.issuing import bearer, guard, token

Auth = dict[str, str]


def auth(scope: str = "") -> Auth:
    return dict(bearer(token(scope=scope)))


def hello(**_: object) -> dict[str, str]:
    assert isinstance(current_token, AccessToken)
    assert g.access_token == current_token
    return {"client": current_token.client_id or ""}


def application(**options: Any) -> tuple[Flask, Require]:
    app = Flask(__name__)
    return app, protect(app, options.pop("guard", None) or guard(), **options)


def statuses(app: Flask, path: str, *scopes: str, method: str = "GET") -> list[int]:
    client = app.test_client()
    return [client.open(path, method=method, headers=auth(scope)).status_code for scope in scopes]


def test_the_token_is_the_current_one_and_in_g() -> None:
    app, require = application()
    app.add_url_rule("/<name>", view_func=require("read")(hello))
    assert app.test_client().get("/x", headers=auth("read")).json == {"client": "app"}


def test_a_public_view_has_no_token_even_if_one_was_sent() -> None:
    app, _ = application(public=["/health"])

    @app.get("/health")
    def health() -> dict[str, object]:
        with pytest.raises(RuntimeError, match="public"):
            current_token.client_id  # noqa: B018 - reading it is the point
        return {"token": bool(current_token), "g": "access_token" in g}

    app.add_url_rule("/private", view_func=hello)
    client = app.test_client()
    # Requests inside of one application context share `g`.
    with app.app_context():
        assert client.get("/private", headers=auth()).status_code == 200
        assert client.get("/health", headers=auth()).json == {"token": False, "g": False}
        assert client.get("/private").status_code == 401


def test_async_views_are_guarded_and_have_the_token() -> None:
    app, require = application()

    @app.get("/")
    @require(any_of("read", "admin"))
    async def view() -> dict[str, str]:
        return hello()

    assert view.__name__ == "view"
    assert statuses(app, "/", "", "read", "admin") == [403, 200, 200]


def test_decorators_add_up() -> None:
    app, require = application()
    app.add_url_rule("/", view_func=require("a")(require("b")(lambda: "in")), endpoint="x")
    assert statuses(app, "/", "a", "b", "a b") == [403, 403, 200]
    refused = app.test_client().get("/", headers=auth("b"))
    assert refused.headers["www-authenticate"].endswith('scope="b a"')


def test_a_rule_holds_above_the_route_and_through_other_decorators() -> None:
    app, require = application()

    def plain(view: Any) -> Any:
        @functools.wraps(view)
        def within() -> Any:
            return view() + "!"

        return within

    @require("late")
    @plain
    @app.get("/late")
    def late() -> str:
        return "in"

    @app.get("/within")
    @plain
    @require("within")
    def within() -> str:
        return "in"

    assert statuses(app, "/late", "", "late") == [403, 200]
    assert statuses(app, "/within", "", "within") == [403, 200]


def test_a_class_of_views_can_be_decorated_whole_and_by_method() -> None:
    app, require = application()

    @require("blogs")
    class Blogs(MethodView):
        def get(self) -> Any:
            return hello()

        @require("create")
        async def post(self) -> Any:
            return hello()

    class Others(MethodView):
        def get(self) -> Any:
            return hello()

    class More(Blogs):
        pass

    @require("page")
    class Page(View):
        async def dispatch_request(self) -> Any:  # type: ignore[override] # Flask's types know no async one
            return hello()

    app.add_url_rule("/blogs", view_func=Blogs.as_view("blogs"))
    app.add_url_rule("/others", view_func=Others.as_view("others"))
    app.add_url_rule("/more", view_func=More.as_view("more"))
    app.add_url_rule("/page", view_func=Page.as_view("page"))
    app.add_url_rule("/view", view_func=require("view")(Others.as_view("view")))
    assert statuses(app, "/blogs", "", "blogs") == [403, 200]
    assert statuses(app, "/blogs", "", "blogs", method="HEAD") == [403, 200]
    assert statuses(app, "/blogs", "blogs", "create", "blogs create", method="POST") == [403, 403, 200]
    assert statuses(app, "/others", "") == [200], "another class is not concerned"
    assert statuses(app, "/more", "", "blogs") == [403, 200]
    assert statuses(app, "/page", "", "page") == [403, 200]
    assert statuses(app, "/view", "", "view") == [403, 200]


def test_the_decorators_of_a_class_are_found() -> None:
    seen: list[object] = []
    app, require = application(guard=guard(observe=lambda _, decision: seen.append(decision)))

    class Blogs(MethodView):
        decorators = (require("blogs"),)  # type: ignore[assignment] # any sequence will do

        def get(self) -> Any:
            return hello()

    app.add_url_rule("/", view_func=Blogs.as_view("blogs"))
    assert statuses(app, "/", "", "blogs") == [403, 200]
    assert len(seen) == 2, "one decision for one request: the rule was known to it"


def test_a_blueprint_can_require_something_of_its_own() -> None:
    app, require = application(public=["/admin/open"])
    admin = require("admin")(Blueprint("admin", __name__, url_prefix="/admin"))
    users = require("users")(Blueprint("users", __name__, url_prefix="/users"))
    users.get("/")(hello)
    admin.register_blueprint(users)
    admin.get("/open")(lambda: "in")
    app.register_blueprint(admin)
    app.register_blueprint(users, name="again")
    assert statuses(app, "/admin/users/", "", "admin", "users", "admin users") == [403, 403, 403, 200]
    refused = app.test_client().get("/admin/users/", headers=auth())
    assert 'scope="admin users"' in refused.headers["www-authenticate"]
    assert statuses(app, "/users/", "admin", "users") == [403, 200]
    assert app.test_client().get("/admin/open").status_code == 401, "the rule is stricter than the path"


def test_a_head_request_needs_what_get_needs() -> None:
    app, require = application()
    app.add_url_rule("/", view_func=require("read")(hello))
    assert statuses(app, "/", "", "read", method="HEAD") == [403, 200]
    assert statuses(app, "/", "", "read", method="head") == [403, 200]
    refused = app.test_client().head("/")
    assert (refused.status_code, refused.data) == (401, b"")
    assert int(refused.headers["content-length"]) > 0


def test_the_options_that_flask_answers_need_a_token_and_those_of_a_view_its_rule() -> None:
    app, require = application()
    app.add_url_rule("/flask", view_func=require("read")(hello))
    options = require("read")(lambda: "in")
    app.add_url_rule("/own", "own", options, methods=["OPTIONS"])
    blueprint = require("read")(Blueprint("blueprint", __name__))
    blueprint.get("/blueprint")(hello)
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert [client.options(path).status_code for path in ("/flask", "/own", "/blueprint")] == [401] * 3
    assert statuses(app, "/flask", "", method="OPTIONS") == [200]
    assert statuses(app, "/blueprint", "", method="OPTIONS") == [200]
    assert statuses(app, "/own", "", "read", method="OPTIONS") == [403, 200]


def test_static_files_are_public_only_where_that_is_said(tmp_path: Any) -> None:
    (tmp_path / "a.css").write_text("body {}")
    (tmp_path / "secret").write_text("secret")
    for public, status in ((["/health"], 401), (["/static/*", "!/static/secret"], 200)):
        app = Flask(__name__, static_folder=tmp_path, static_url_path="/static")
        protect(app, guard(), public=public)
        with app.test_client().get("/static/a.css") as answer:
            assert answer.status_code == status
        paths = (
            "/static/secret",
            "/static//secret",
            "/static/x/../secret",
            "/static/%73ecret",
            "/STATIC/secret",
        )
        for path in paths:
            assert app.test_client().get(path).status_code == 401


@pytest.mark.parametrize(
    "path", ["/health/", "//health", "/x/../health", "/HEALTH", "/health%2f", "/%2fhealth"]
)
def test_no_trick_with_the_path_makes_it_public(path: str) -> None:
    app, _ = application(public=["/health"])
    app.url_map.strict_slashes = False
    app.add_url_rule("/health", view_func=lambda: "up", endpoint="health")
    client = app.test_client()
    assert client.get("/health").data == b"up"
    assert client.get(path).status_code == 401


def test_a_redirect_of_slashes_tells_a_stranger_nothing() -> None:
    app, require = application()
    app.add_url_rule("/blogs/", view_func=require("read")(hello))
    assert app.test_client().get("/blogs").status_code == 401
    assert app.test_client().get("/blogs", headers=auth()).status_code == 308


def test_patterns_are_below_the_mount() -> None:
    app, require = application(public=["/health"])
    app.add_url_rule("/health", view_func=lambda: "up", endpoint="health")
    app.add_url_rule("/blogs", view_func=require("read")(hello))
    client = Client(DispatcherMiddleware(Flask("outer"), {"/v1": app}))
    assert client.get("/v1/health").status_code == 200
    assert client.get("/v1/blogs").status_code == 401
    assert client.get("/v1/blogs", headers=auth()).status_code == 403
    assert client.get("/v1/blogs", headers=auth("read")).status_code == 200


def test_nothing_of_the_application_runs_before_the_decision() -> None:
    app, _ = application()
    ran: list[str] = []
    app.before_request(lambda: ran.append("before"))
    app.before_request_funcs[None].insert(0, lambda: ran.append("first"))
    app.url_value_preprocessor(lambda *_: ran.append("preprocessor"))
    app.add_url_rule("/", view_func=hello)
    assert app.test_client().get("/").status_code == 401
    assert ran == []
    assert app.test_client().get("/", headers=auth()).status_code == 200
    assert ran == ["preprocessor", "first", "before"]


def test_a_url_converter_that_fails_is_still_401_for_a_stranger() -> None:
    class Failing(BaseConverter):
        def to_python(self, value: str) -> Any:
            raise LookupError(value)

    app, _ = application()
    app.url_map.converters["failing"] = Failing
    app.add_url_rule("/<failing:x>", view_func=hello)
    for testing in (False, True):
        app.testing = testing
        assert app.test_client().get("/x").status_code == 401
    app.testing = False
    assert statuses(app, "/x", "") == [500]


@pytest.mark.parametrize("trapped", [False, True])
def test_error_handlers_of_the_application_do_not_swallow_refusals(*, trapped: bool) -> None:
    app, require = application()
    app.config["TRAP_HTTP_EXCEPTIONS"] = trapped

    def swallow(_: Exception) -> tuple[str, int]:
        return "fine", 200

    for kind in (401, 403, 404, HTTPException, Exception):
        app.register_error_handler(kind, swallow)
    app.add_url_rule("/", view_func=require("read")(hello))
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/", "/nowhere")] == [401, 401]
    assert statuses(app, "/", "") == [403]
    assert statuses(app, "/nowhere", "") == [200], "what is no refusal is the application's own"


def test_what_the_guard_did_not_see_is_refused_by_itself() -> None:
    require = Require(guard())
    bare = Flask(__name__)

    @bare.get("/async")
    @require("x")
    async def asynchronous() -> str:
        return current_token.client_id or ""

    @require("x")
    class Views(MethodView):
        def get(self) -> str:
            return current_token.client_id or ""

    blueprint = require("x")(Blueprint("blueprint", __name__))
    blueprint.get("/blueprint")(lambda: str(current_token.client_id))
    bare.register_blueprint(blueprint)
    bare.add_url_rule("/sync", "sync", require("x")(lambda: g.access_token.client_id))
    bare.add_url_rule("/class", view_func=Views.as_view("views"))
    client = bare.test_client()
    for path in ("/async", "/sync", "/class", "/blueprint"):
        no_token, no_scope = client.get(path), client.get(path, headers=auth())
        assert (no_token.status_code, no_scope.status_code) == (401, 403)
        assert no_token.headers["www-authenticate"] == 'Bearer realm="https://blog-api"'
        assert client.get(path, headers=auth("x")).text == "app"


def test_a_rule_that_only_another_guard_checked_does_not_count() -> None:
    app, _ = application()
    other = Require(guard(audience="https://other"))
    app.add_url_rule("/", view_func=other("read")(hello))
    assert statuses(app, "/", "read") == [401]


def test_a_guard_outside_of_flask_has_decided_already() -> None:
    seen: list[object] = []
    mine = guard(observe=lambda _, decision: seen.append(decision))
    app, require = application(guard=mine)
    app.add_url_rule("/", view_func=require("read")(hello))
    app.wsgi_app = gatewright.wsgi.protect(app.wsgi_app, mine)  # type: ignore[assignment,method-assign]
    assert statuses(app, "/", "read") == [200]
    assert len(seen) == 1


def test_the_token_is_there_while_the_answer_is_streamed() -> None:
    app, _ = application()

    @app.get("/")
    def stream() -> Response:
        return Response(stream_with_context(str(current_token.client_id) for _ in "ab"))

    assert app.test_client().get("/", headers=auth()).text == "appapp"


def test_routes_that_are_added_later_are_guarded() -> None:
    app, require = application()
    assert statuses(app, "/late", "") == [404]
    app = Flask(__name__)
    require = protect(app, guard())
    app.add_url_rule("/late", view_func=require("late")(hello))
    assert app.test_client().get("/late").status_code == 401
    assert statuses(app, "/late", "", "late") == [403, 200]


@pytest.mark.parametrize("wrong", [None, 1, ["read"], b"read"])
def test_requiring_what_is_no_rule_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Require(guard())(wrong)


@pytest.mark.parametrize("wrong", [None, "view", dict, Flask])
def test_what_is_no_view_cannot_be_guarded(wrong: Any) -> None:
    with pytest.raises(TypeError, match="require guards"):
        Require(guard())("read")(wrong)


def test_misuse_is_refused_when_the_application_is_built() -> None:
    with pytest.raises(TypeError, match="Flask"):
        protect(hello, guard())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="collection"):
        protect(Flask(__name__), guard(), public="/health")
    with pytest.raises(ValueError, match="pattern"):
        protect(Flask(__name__), guard(), public=["health"])
    with pytest.raises(ValueError, match="scope"):
        Require(guard())("")
