"""The OpenAPI document of a small API, member by member: other programs read it."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright import Guard, Issuer, all_of, any_of
from gatewright.guard import openapi
from gatewright.guard.routes import Route
from tests.guard.issuing import AUDIENCE, guard, key

READ = all_of("read:blog")
OWN_ANSWER = {"default": {"description": "The endpoint's own answer"}}


def refusal(description: str, header: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {header: {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
    }


NO_TOKEN = refusal("There is no valid access token", "WWW-Authenticate")
NO_KEYS = refusal("The keys to check access tokens cannot be fetched", "Retry-After")


def test_a_document_says_everything_of_its_routes() -> None:
    routes = [
        Route("GET", "/health", None, "public"),
        Route("GET", "/me", None, "guarded"),
        Route("DELETE", "/blogs/{id}/texts/{text}", READ, "guarded"),
    ]
    assert openapi.written(guard(), routes) == {
        "openapi": "3.1.0",
        "info": {"title": AUDIENCE, "version": "0"},
        "paths": {
            "/health": {"get": {"operationId": "get_health", "responses": OWN_ANSWER, "security": []}},
            "/me": {
                "get": {
                    "operationId": "get_me",
                    "responses": OWN_ANSWER | {"401": NO_TOKEN, "503": NO_KEYS},
                    "security": [{"oauth2": []}],
                }
            },
            "/blogs/{id}/texts/{text}": {
                "delete": {
                    "operationId": "delete_blogs_id_texts_text",
                    "parameters": [
                        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                        {"name": "text", "in": "path", "required": True, "schema": {"type": "string"}},
                    ],
                    "responses": OWN_ANSWER
                    | {
                        "401": NO_TOKEN,
                        "403": refusal(
                            'The access token does not meet: all_of("read:blog")', "WWW-Authenticate"
                        ),
                        "503": NO_KEYS,
                    },
                    "security": [{"oauth2": ["read:blog"]}],
                }
            },
        },
        "components": {
            "securitySchemes": {
                "oauth2": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "scopes": {"read:blog": ""},
                            "tokenUrl": "https://issuer.example/oauth/token",
                        }
                    },
                }
            },
            "schemas": {
                "Refusal": {
                    "title": "Refusal",
                    "type": "object",
                    "required": ["error", "error_description"],
                    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
                }
            },
        },
    }


def test_where_issuers_are_looked_up_a_bearer_token_is_all_that_is_said() -> None:
    looked_up = Guard(audience=AUDIENCE, tenants=lambda _: None)
    document = openapi.written(looked_up, [Route("GET", "/me", READ, "guarded")])
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert document["components"]["securitySchemes"] == {"oauth2": scheme}
    assert openapi.token_url(looked_up) is None


@pytest.mark.parametrize("issuer", ["https://a.example", "https://a.example/"])
def test_tokens_are_taken_below_the_issuer(issuer: str) -> None:
    at = Guard(Issuer(issuer, keys=key()), audience=AUDIENCE)
    assert openapi.token_url(at) == "https://a.example/oauth/token"


def test_what_holds_for_one_method_is_said_instead_of_what_holds_for_all() -> None:
    routes = [
        Route("POST", "/blogs", any_of("create:blog"), "guarded"),
        Route("*", "/blogs", READ, "guarded"),
    ]
    for given in (routes, routes[::-1]):
        mine = {"paths": {"/blogs": {"get": {}, "post": {}, "summary": "Blogs"}}}
        item = openapi.written(guard(), given, mine)["paths"]["/blogs"]
        assert item["get"]["security"] == [{"oauth2": ["read:blog"]}]
        assert item["post"]["security"] == [{"oauth2": ["create:blog"]}]
        assert item["summary"] == "Blogs"


def test_a_route_for_every_method_is_written_as_get_where_nothing_is_known() -> None:
    paths = openapi.written(guard(), [Route("*", "/all", READ, "guarded")])["paths"]
    assert list(paths["/all"]) == ["get"]
    assert paths["/all"]["get"]["operationId"] == "get_all"


def test_a_method_of_somebodys_own_is_left_out() -> None:
    document = openapi.written(guard(), [Route("PURGE", "/cache", READ, "guarded")])
    assert document["paths"] == {}


def test_an_operation_keeps_the_schemes_of_others_and_what_it_says_of_refusals() -> None:
    operation: dict[str, Any] = {
        "security": [{"key": []}, {"oauth2": ["old"]}, {"oauth2": ["old"], "key": []}],
        "responses": {"401": "mine", "403": "mine", "503": "mine"},
    }
    openapi.describe(operation, Route("GET", "/blogs", any_of("a", "b"), "guarded"))
    assert operation == {
        "security": [{"key": []}, {"oauth2": ["old"], "key": []}, {"oauth2": ["a"]}, {"oauth2": ["b"]}],
        "responses": {"401": "mine", "403": "mine", "503": "mine"},
    }


def test_an_operation_that_says_nothing_is_given_its_answers() -> None:
    operation: dict[str, Any] = {}
    openapi.describe(operation, Route("GET", "/blogs", None, "guarded"))
    assert operation == {"security": [{"oauth2": []}], "responses": {"401": NO_TOKEN, "503": NO_KEYS}}


def test_components_keep_what_they_have() -> None:
    components: dict[str, Any] = {"securitySchemes": {"key": {}}, "schemas": {"Blog": {}}}
    openapi.describe_components(components, guard(), [])
    assert {name: list(found) for name, found in components.items()} == {
        "securitySchemes": ["key", "oauth2"],
        "schemas": ["Blog", "Refusal"],
    }


def test_an_empty_part_of_a_document_is_filled() -> None:
    mine = {"paths": None, "components": {"securitySchemes": None, "schemas": None}}
    document = openapi.written(guard(), [Route("GET", "/me", None, "guarded")], mine)
    assert list(document["paths"]) == ["/me"]
    assert list(document["components"]["schemas"]) == ["Refusal"]
