"""`gatewright doctor` against real servers: one that is well, and others that are not."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from gatewright._version import __version__
from gatewright.client import TokenSource
from gatewright.server.app import RunningServer, start
from gatewright.server.settings import Settings
from tests.records import Clock
from tests.running import calling, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Cli, Ran
    from tests.running import Application, Caller

API = "https://blog-api"
DAY = 86400.0


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def running(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """A server of the test's own, with a clock that the test moves."""
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{free_port()}")
    monkeypatch.setenv("GATEWRIGHT_DATA", str(settings.data))
    with start(settings, now=clock) as running:
        yield running


@pytest.fixture
def caller(running: RunningServer) -> Iterator[Caller]:
    with calling(running) as caller:
        yield caller


@pytest.fixture
def reader(caller: Caller) -> Application:
    caller.create("resource-servers", identifier=API)
    application = caller.application("Reader")
    caller.authorize(application, API)
    return application


def findings(ran: Ran, check: str) -> list[dict[str, str]]:
    """What a check found, without its name."""
    found = [each for each in ran.json["checks"] if each["check"] == check]
    return [{name: value for name, value in each.items() if name != "check"} for each in found]


def test_a_server_that_is_well_needs_nothing(running: RunningServer, bare_cli: Cli) -> None:
    ran = bare_cli("doctor")
    assert ran.code == 0
    assert ran.err == "Nothing needs attention.\n"
    assert ran.out.splitlines() == [
        f"ok    server          {running.issuer} answers and is ready",
        f"ok    issuer          It calls itself {running.issuer}, as the data folder says",
        f"ok    version         Server and command line are {__version__}",
        "ok    clock           This machine's clock and the server's agree",
        "ok    keys            RS256: the current key has signed for 0 days, the next is announced",
        "ok    token requests  No application asks for tokens while it holds good ones",
        "-     refusals        No guard reports what it refuses",
        "                      => gatewright env --reports",
        "ok    applications    No secret and no application has been left behind",
    ]
    shown = bare_cli("doctor", "--json").json
    assert shown["fine"] is True
    assert [each["verdict"] for each in shown["checks"]] == [*["ok"] * 6, "-", "ok"]


def test_an_application_that_asks_all_the_time_is_named(
    caller: Caller, reader: Application, bare_cli: Cli
) -> None:
    for _ in range(20):
        caller.token(reader, API)
    assert bare_cli("doctor").code == 0  # 19 of 20: a restart or two
    for _ in range(20):
        caller.token(reader, API)

    ran = bare_cli("doctor")

    assert ran.code == 1
    assert ran.err == "To look after: 1.\n"
    said = f"'Reader' asked 40 times today for {API}, 39 of them while its token was still good"
    assert f"LOOK  token requests  {said}\n" in ran.out
    assert "=> Keep the token until it expires; gatewright.client does\n" in ran.out
    shown = bare_cli("doctor", "--json")
    assert shown.json["fine"] is False
    advice = "Keep the token until it expires; gatewright.client does"
    assert findings(shown, "token requests") == [{"verdict": "look", "said": said, "next": advice}]


def test_an_application_that_guards_keep_out_is_named_with_the_command(
    caller: Caller, reader: Application, clock: Clock, bare_cli: Cli
) -> None:
    api = caller.manage("GET", f"resource-servers/{API.replace('/', '%2F')}").json()
    caller.update(f"resource-servers/{api['id']}", scopes=[{"value": "create:blog"}])
    row = {
        "minute": int(clock.now), "audience": API, "method": "POST", "route": "/blogs", "enforced": True,
        "reason": "insufficient_scope", "client_id": reader.client_id, "missing": ["create:blog"],
        "count": 14, "request_id": "0123456789abcdef",
    }  # fmt: skip
    expired = {**row, "reason": "expired", "missing": [], "count": 99}
    caller.manage("POST", "guard-reports", json={"refusals": [expired]})
    fine = "In the last hour no guard refused what could have been granted"
    assert findings(bare_cli("doctor", "--json"), "refusals") == [{"verdict": "ok", "said": fine, "next": ""}]
    caller.manage("POST", "guard-reports", json={"refusals": [row, {**row, "route": "/b"}]})

    ran = bare_cli("doctor", "--json")

    assert ran.code == 1
    advice = f"If it may: gatewright grants add {reader.client_id} {API} --scope create:blog"
    lacks = "'Reader' lacks create:blog for POST {}: refused 14 times in the last hour"
    assert findings(ran, "refusals") == [
        {"verdict": "look", "said": lacks.format(route), "next": advice} for route in ("/b", "/blogs")
    ]


def test_whoever_follows_the_advice_is_not_named(
    running: RunningServer, reader: Application, bare_cli: Cli
) -> None:
    source = TokenSource(running.issuer, API, client_id=reader.client_id, client_secret=reader.client_secret)
    for _ in range(100):
        source.token()
    assert bare_cli("doctor").code == 0


def test_an_application_that_nobody_uses_and_secrets_that_stay_are_named(
    caller: Caller, clock: Clock, reader: Application, bare_cli: Cli
) -> None:
    today = clock.now
    clock.now = today - 100 * DAY
    caller._management_token = None  # noqa: SLF001 - of another time
    forgotten = caller.application("Forgotten")
    halfway, finished = caller.application("Halfway"), caller.application("Finished")
    added = {
        each.client_id: caller.create(f"clients/{each.client_id}/secrets") for each in (halfway, finished)
    }
    clock.now = today
    caller._management_token = None  # noqa: SLF001
    caller.authorize(halfway, API)
    caller.authorize(finished, API)
    caller.token(halfway, API)
    new = type(finished)(finished.client_id, added[finished.client_id]["secret"])
    caller.token(new, API)
    caller.token(reader, API)
    old = {
        each.client_id: caller.manage("GET", f"clients/{each.client_id}/secrets").json()[1]["id"]
        for each in (halfway, finished)
    }

    ran = bare_cli("doctor", "--json")

    assert ran.code == 1
    assert findings(ran, "applications") == [
        {
            "verdict": "look",
            "said": "Nobody has used 'Forgotten' for 100 days",
            "next": f"If it is needed no more: gatewright apps delete {forgotten.client_id}",
        },
        {
            "verdict": "look",
            "said": "'Halfway' has had two secrets for 100 days; the older one is still in use",
            "next": f"Move what uses it over to {added[halfway.client_id]['id']}, "
            f"then end {old[halfway.client_id]}",
        },
        {
            "verdict": "look",
            "said": "'Finished' has had two secrets for 100 days; the older one is used no more",
            "next": f"End it: gatewright apps secrets remove {finished.client_id} {old[finished.client_id]}",
        },
    ]


def test_a_key_that_has_signed_for_years_is_named(
    tmp_path: Path, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(time.time() - 400 * DAY)
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{free_port()}")
    monkeypatch.setenv("GATEWRIGHT_DATA", str(settings.data))
    with start(settings, now=clock):
        clock.now = time.time()
        ran = bare_cli("doctor", "--json")
        said = "RS256: the current key has signed for 400 days, the next is announced"
        advice = "Rotate: gatewright keys rotate (tokens stay valid)"
        assert findings(ran, "keys") == [{"verdict": "look", "said": said, "next": advice}]
        assert bare_cli("keys", "rotate").code == 0
        assert findings(bare_cli("doctor", "--json"), "keys")[0]["verdict"] == "ok"


def test_no_server_is_told_with_how_to_start_it(running: RunningServer, bare_cli: Cli) -> None:
    running.stop()
    ran = bare_cli("doctor")
    assert ran.code == 1
    assert ran.out.startswith(
        f"FAIL  server          Nothing answers at {running.issuer} (connection refused)\n"
    )
    assert "=> Start it: gatewright serve --data" in ran.out
    assert len(ran.out.splitlines()) == 2


def test_no_data_folder_is_not_found(bare_cli: Cli, tmp_path: Path) -> None:
    assert bare_cli("doctor", "--data", str(tmp_path / "nothing")).code == 3


def test_credentials_that_the_server_does_not_know_are_told_once(
    running: RunningServer, bare_cli: Cli
) -> None:
    file = running.settings.data / "cli.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"client_secret": "of another server"}))
    ran = bare_cli("doctor", "--json")
    assert ran.code == 1
    (keys,) = findings(ran, "keys")
    assert keys["verdict"] == "fail"
    assert "does not know the credentials" in keys["said"]
    assert not findings(ran, "applications")
    assert "of another server" not in ran.out


class Impostor:
    """Something on the server's port that answers as told; a path to status and document."""

    def __init__(self, answers: dict[str, tuple[int, object]], *, ahead: float = 0.0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, document = answers.get(self.path, (404, {}))
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + ahead)

            def log_message(self, *arguments: object) -> None:
                pass  # the test's own report is enough

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def examined(tmp_path: Path, bare_cli: Cli) -> Iterator[Any]:
    """`examined(answers)` is what the doctor says of a server that answers so; `{}` stands for its URL."""
    impostors = []

    def examine(answers: dict[str, tuple[int, object]], **options: float) -> Ran:
        impostor = Impostor(answers, **options)
        impostors.append(impostor)
        for path, (status, document) in list(answers.items()):
            answers[path] = status, json.loads(json.dumps(document).replace("ISSUER", impostor.url))
        members = {"issuer": impostor.url, "client_id": "cli", "client_secret": "none-of-yours"}
        (tmp_path / "cli.json").write_text(json.dumps(members))
        return bare_cli("doctor", "--json", "--data", str(tmp_path))

    yield examine
    for each in impostors:
        each.http.shutdown()
        each.http.server_close()


READY: dict[str, tuple[int, object]] = {
    "/health/ready": (200, {}),
    "/.well-known/openid-configuration": (200, {"issuer": "ISSUER"}),
}


def test_a_server_without_its_database_is_not_ready(examined: Any) -> None:  # noqa: ANN401 - the fixture's function
    ran = examined({"/health/ready": (503, {"reason": "the database does not answer"})})
    (server,) = ran.json["checks"]
    assert server["verdict"] == "fail"
    assert server["said"].endswith("answers, but is not ready: the database does not answer")


def test_another_server_on_the_port_is_told(examined: Any) -> None:  # noqa: ANN401
    other = {"issuer": "https://other.example/"}
    ran = examined({**READY, "/.well-known/openid-configuration": (200, other)})
    (issuer,) = findings(ran, "issuer")
    assert issuer["verdict"] == "fail"
    assert issuer["said"].endswith("calls itself https://other.example/")
    assert not findings(ran, "keys")  # nobody is shown the credentials
    assert ran.code == 1


@pytest.mark.parametrize(("ahead", "words"), [(90.0, "90 s ahead of"), (-3600.0, "3600 s behind")])
def test_clocks_that_differ_are_told(examined: Any, ahead: float, words: str) -> None:  # noqa: ANN401
    (clock,) = findings(examined(dict(READY), ahead=ahead), "clock")
    assert clock["verdict"] == "look"
    near = {words.replace(f"{abs(ahead):.0f}", f"{abs(ahead) + by:.0f}") for by in range(-5, 6)}
    assert any(each in clock["said"] for each in near), clock["said"]


def test_another_version_is_told(examined: Any) -> None:  # noqa: ANN401
    described = {"info": {"version": "9.9.9"}}
    (version,) = findings(examined({**READY, "/api/v2/openapi.json": (200, described)}), "version")
    assert version["verdict"] == "look"
    assert version["said"] == f"The server is 9.9.9, this command line is {__version__}"
    (untold,) = findings(examined(dict(READY)), "version")
    assert untold["verdict"] == "-"
