"""The file that a quick start offers: its name, its bytes, what is in it and what never is."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from markdown_it import MarkdownIt

from gatewright.server.dashboard.quickstarts import QUICKSTARTS
from tests.server.dashboard.browsing import alert, blocks

if TYPE_CHECKING:
    import httpx2

    from tests.running import Application, Caller
    from tests.server.dashboard.browsing import Browser

each_framework = pytest.mark.parametrize("framework", QUICKSTARTS)
ODD = {
    "name": "../..\\\"';\n$(id)`x`/script\r\nX-Evil: ${{ y }} é",
    "identifier": "urn:'\"$x`y`${{ z }}\n```\n</script>é",
    "scopes": [{"value": "read:`x``y`</script>"}, {"value": "*<!--"}],
}


def download(browser: Browser, api_id: str, framework: str) -> httpx2.Response:
    return browser.http.get(f"ui/apis/{api_id}/quickstart/{framework}/download")


def files_of(answer: httpx2.Response) -> dict[str, str]:
    """Name -> content, the one folder left out."""
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}


def top_of(answer: httpx2.Response) -> str:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (top,) = {name.partition("/")[0] for name in archive.namelist()}
    return top


@each_framework
def test_page_offers_a_folder_named_after_the_api(
    ada: Browser, caller: Caller, api: dict[str, Any], framework: str
) -> None:
    caller.update(f"resource-servers/{api['id']}", name="My Blog")
    link = f"/ui/apis/{api['id']}/quickstart/{framework}/download"
    assert f'href="{link}"' in ada.page(f"/apis/{api['id']}/quickstart/{framework}")
    answer = download(ada, api["id"], framework)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="my-blog-{framework}.zip"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert top_of(answer) == f"my-blog-{framework}"
    assert {"README.md", ".env.example", ".gitignore", "calls.sh"} <= set(files_of(answer))
    assert download(ada, api["id"], framework).content == answer.content


def test_scripts_may_be_run_and_nothing_else_may(ada: Browser, api: dict[str, Any]) -> None:
    with zipfile.ZipFile(io.BytesIO(download(ada, api["id"], "flask").content)) as archive:
        modes = {entry.filename.partition("/")[2]: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes.pop("calls.sh") == 0o100755
    assert set(modes.values()) == {0o100644}


@each_framework
def test_hostile_texts_stay_inside_of_their_places(ada: Browser, caller: Caller, framework: str) -> None:
    made = caller.create("resource-servers", **{**ODD, "identifier": f"{ODD['identifier']}{framework}"})
    answer = download(ada, made["id"], framework)
    name = f"id-x-script-x-evil-y-e-{framework}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    assert "x-evil" not in answer.headers
    files = files_of(answer)
    assert top_of(answer) == name
    assert all(re.fullmatch(r"[\w.-]+", file) for file in files)
    tokens = MarkdownIt().parse(files["README.md"])
    kinds = [token.type for token in tokens if token.type in {"heading_open", "fence", "html_block"}]
    assert kinds == ["heading_open", "fence"]
    inside = [child for token in tokens for child in token.children or []]
    assert not [child for child in inside if child.type == "html_inline"]
    codes = [child.content for child in inside if child.type == "code_inline"]
    assert {"read:`x``y`</script>", "*<!--"} <= set(codes)


@pytest.mark.parametrize("name", ["Блог", "...", "-", "😀"])
def test_name_of_which_nothing_is_left_is_api(ada: Browser, caller: Caller, name: str) -> None:
    made = caller.create("resource-servers", name=name, identifier=f"urn:name:{name}")
    assert top_of(download(ada, made["id"], "curl")) == "api-curl"


def test_long_name_is_cut(ada: Browser, caller: Caller) -> None:
    made = caller.create("resource-servers", name="long " * 40, identifier="urn:long")
    assert len(top_of(download(ada, made["id"], "curl"))) < 70


@pytest.mark.parametrize(
    ("scopes", "used"),
    [
        ([], ("read:blog", "create:blog")),
        (["create:blog"], ("create:blog", "read:blog")),
        (["delete:it", "write:it", "read:it"], ("read:it", "write:it")),
        (["other:scope", "a", "b"], ("other:scope", "a")),
    ],
)
def test_permissions_are_those_of_the_api(
    ada: Browser, caller: Caller, scopes: list[str], used: tuple[str, str]
) -> None:
    values = [{"value": value} for value in scopes]
    made = caller.create("resource-servers", identifier=f"urn:scopes:{len(scopes)}:{used}", scopes=values)
    files = files_of(download(ada, made["id"], "flask"))
    assert tuple(re.findall(r'@require\("(.*)"\)', files["app.py"])) == used
    (useless,) = re.findall(r'call\(method, path, "(.*)"\)\[0\] == 403', files["test_app.py"])
    assert useless not in used


@each_framework
def test_shared_secret_is_never_in_the_folder(ada: Browser, caller: Caller, framework: str) -> None:
    made = caller.create("resource-servers", identifier=f"urn:shared:{framework}", signing_alg="HS256")
    files = files_of(download(ada, made["id"], framework))
    assert made["signing_secret"] not in "".join(files.values())
    assert "SIGNING_SECRET=\n" in files[".env.example"]
    assert "CLIENT_SECRET=\n" in files[".env.example"]


def test_express_says_that_it_knows_no_eddsa(ada: Browser, caller: Caller) -> None:
    made = caller.create("resource-servers", identifier="urn:eddsa", signing_alg="EdDSA")
    page = ada.page(f"/apis/{made['id']}/quickstart/express")
    assert "express-jwt knows no EdDSA" in page
    assert "/download" not in page
    answer = download(ada, made["id"], "express")
    assert answer.status_code == 409
    assert "express-jwt knows no EdDSA" in answer.text


def test_identifier_that_no_shell_can_write_is_refused_with_a_sentence(ada: Browser, caller: Caller) -> None:
    made = caller.create("resource-servers", name="NUL", identifier="urn:\0")
    assert download(ada, made["id"], "curl").status_code == 409
    assert "NUL" in ada.page(f"/apis/{made['id']}/quickstart/go")


@pytest.mark.parametrize(
    ("framework", "files"), [("express", ["server.js"]), ("go", ["main.go", "token.go"])]
)
def test_page_shows_the_sources_of_the_folder(
    ada: Browser, api: dict[str, Any], framework: str, files: list[str]
) -> None:
    inside = files_of(download(ada, api["id"], framework))
    page = ada.page(f"/apis/{api['id']}/quickstart/{framework}")
    assert re.findall(r"<h2>Write (\S+)</h2>", page) == files
    shown = [block.rstrip("\n") for block in blocks(page)]
    assert [inside[file].rstrip("\n") in shown for file in files] == [True] * len(files)


def test_package_and_module_are_named_after_the_folder(ada: Browser, caller: Caller) -> None:
    made = caller.create("resource-servers", **{**ODD, "identifier": "urn:named"})
    express, go = download(ada, made["id"], "express"), download(ada, made["id"], "go")
    assert json.loads(files_of(express)["package.json"])["name"] == top_of(express)
    assert files_of(go)["go.mod"].startswith(f"module {top_of(go)}\n")


def test_viewer_may_download_and_nobody_else_may(
    vera: Browser, browser: Browser, api: dict[str, Any]
) -> None:
    assert download(vera, api["id"], "flask").status_code == 200
    answer = download(browser, api["id"], "flask")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/ui/login?next=")


def test_unknown_api_or_framework_is_not_found(ada: Browser, api: dict[str, Any]) -> None:
    for framework in ("cobol", "django-rest", "every", "..%2Fcurl"):
        assert download(ada, api["id"], framework).status_code == 404, framework
    assert download(ada, "none", "flask").status_code == 404


def test_download_leaves_the_notice_to_the_next_page(ada: Browser, api: dict[str, Any]) -> None:
    path = f"/apis/{api['id']}/permissions"
    assert ada.send(path, {"value": "list:blog", "description": ""}).status_code == 303
    assert download(ada, api["id"], "curl").status_code == 200
    assert "list:blog" in alert(ada.page(path))


def test_quick_start_of_an_application_offers_its_calls(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    caller.authorize(application, api["identifier"])
    page = ada.page(f"/apps/{application.client_id}/quickstart")
    (link,) = re.findall(r'href="/(ui/apps/\S+/download\?audience=\S+)"', page)
    assert link.endswith(quote(api["identifier"], safe=""))
    files = files_of(ada.http.get(link))
    assert f"CLIENT_ID={application.client_id}\n" in files[".env.example"]
    assert api["identifier"] in files["calls.sh"]
    assert application.client_secret not in "".join(files.values())
    for audience in ("https://none", ""):
        assert ada.http.get(link.partition("?")[0], params={"audience": audience}).status_code == 404
