"""The throw-away server: what a test says in one call, what is gone afterwards, and ten of them at once."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright import Denied, Guard, Request
from gatewright.jose import jws, jwt
from gatewright.testing import Refused, ThrowawayServer, server
from tests.running import environment, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIENCE = "https://blog-api"
SCOPES = ["read:blog", "create:blog"]
TENANT = """
resourceServers: [{identifier: "https://blog-api", scopes: [{value: read:blog}]}]
clients: [{name: Reader, client_id: ci-reader, client_secret: "@@READER_SECRET@@", app_type: non_interactive}]
clientGrants: [{client_id: Reader, audience: "https://blog-api", scope: [read:blog]}]
"""


@pytest.fixture(scope="module", params=[0, None], ids=["port", "in process"])
def running(request: pytest.FixtureRequest) -> Iterator[ThrowawayServer]:
    with server(port=request.param) as made:
        made.api(AUDIENCE, scopes=SCOPES)
        yield made
        made.clock.reset()


def guarding(made: ThrowawayServer) -> Guard:
    return Guard(made.issuer, audience=AUDIENCE, fetch=made.fetch, now=made.clock)


def answer(guard: Guard, headers: dict[str, str], rule: str | None = None) -> str:
    try:
        guard.check(Request("GET", "/blogs", headers.items()), rule)
    except Denied as refusal:
        return refusal.reason
    return "accepted"


def kid(token: str) -> object:
    return jws.parse(token).header["kid"]


def test_token_of_the_real_endpoint_is_admitted_by_a_guard_and_holds_what_was_granted(
    running: ThrowawayServer,
) -> None:
    app = running.app("Both", grants={AUDIENCE: SCOPES})
    guard = guarding(running)

    assert answer(guard, running.bearer(app, AUDIENCE), "create:blog") == "accepted"
    assert answer(guard, running.bearer(app, AUDIENCE, "read:blog"), "create:blog") == "insufficient_scope"
    claims = jwt.claims(jws.parse(running.token(app, AUDIENCE)))
    assert (claims["iss"], claims["aud"], claims["azp"]) == (running.issuer, AUDIENCE, app.client_id)
    assert app.client_secret not in repr(app)


def test_what_was_said_before_is_changed_and_not_made_twice(running: ThrowawayServer) -> None:
    first = running.app("Changing", grants={AUDIENCE: ["read:blog"]})
    second = running.app("Changing", grants={AUDIENCE: ["create:blog"]}, description="Changed")

    assert first == second == running.app("Changing")
    claims = jwt.claims(jws.parse(running.token(second, AUDIENCE)))
    assert claims["scope"] == "create:blog"
    shown = running.management.get(f"clients/{first.client_id}")
    assert (shown["description"], shown["app_type"]) == ("Changed", "non_interactive")
    assert running.app("Changing", callbacks=("https://a.example/", "https://b.example/")) == first
    assert running.api(AUDIENCE, token_lifetime=60)["token_lifetime"] == 60
    assert [scope["value"] for scope in running.api(AUDIENCE)["scopes"]] == SCOPES


def test_refusals_tell_status_code_and_words(running: ThrowawayServer) -> None:
    stranger = running.app("Stranger")

    with pytest.raises(Refused, match="POST /oauth/token: 403 access_denied: ") as refused:
        running.token(stranger, AUDIENCE)
    assert refused.value.status == 403
    with pytest.raises(Refused, match="GET /api/v2/clients/nobody: 404 inexistent_client: ") as missing:
        running.management.get("clients/nobody")
    assert missing.value.status == 404
    with pytest.raises(ValueError, match=r"client grant Stranger at https://nowhere: .*does not exist"):
        running.app("Stranger", grants={"https://nowhere": []})


def test_management_makes_changes_lists_and_removes(running: ThrowawayServer) -> None:
    management = running.management
    made = management.post("roles", {"name": "Editor"})
    management.patch(f"roles/{made['id']}", {"description": "Edits"})

    assert management.get("roles", per_page=5, name_filter="Edit")[0]["description"] == "Edits"
    management.delete(f"roles/{made['id']}")
    assert management.get("roles") == []


def test_clock_moves_server_and_guard_together(running: ThrowawayServer) -> None:
    running.api(AUDIENCE, token_lifetime=60)
    headers = running.bearer(running.app("Timed", grants={AUDIENCE: SCOPES}), AUDIENCE)
    guard = guarding(running)

    assert answer(guard, headers) == "accepted"
    running.clock.forward(60 + 31)
    assert answer(guard, headers) == "expired"
    assert answer(guard, running.bearer(running.app("Timed"), AUDIENCE)) == "accepted"


def test_rotated_key_stays_good_until_it_is_revoked(running: ThrowawayServer) -> None:
    app = running.app("Rotating", grants={AUDIENCE: SCOPES})
    before = running.token(app, AUDIENCE)
    running.rotate_keys()
    after = running.token(app, AUDIENCE)

    assert kid(before) != kid(after)
    assert [answer(guarding(running), bearer(each)) for each in (before, after)] == ["accepted"] * 2
    running.revoke_old_keys()
    assert answer(guarding(running), bearer(before)) == "unknown_key"
    assert answer(guarding(running), bearer(after)) == "accepted"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_guard_of_another_issuer_trusts_the_server_for_a_while(running: ThrowawayServer) -> None:
    guard = Guard("https://issuer.example/", audience=AUDIENCE)
    headers = running.bearer(running.app("Both", grants={AUDIENCE: SCOPES}), AUDIENCE)

    with running.trusted_by(guard):
        assert answer(guard, headers, "read:blog") == "accepted"
    assert answer(guard, headers) == "untrusted_issuer"


def test_frozen_clock_gives_every_token_the_same_times() -> None:
    with server(port=None, frozen=True) as made:
        made.clock.freeze(1_900_000_000)
        made.api(AUDIENCE, token_lifetime=3600)
        app = made.app("Reader", grants={AUDIENCE: []})
        made.clock.forward(5)
        claims = jwt.claims(jws.parse(made.token(app, AUDIENCE)))
    assert (claims["iat"], claims["exp"]) == (1_900_000_005, 1_900_003_605)


def test_without_a_port_the_issuer_is_chosen_and_asked_by_an_asgi_client() -> None:
    async def ask(made: ThrowawayServer) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=made.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url=made.url) as client:
            return await client.get(".well-known/openid-configuration")

    with server(port=None, issuer="https://issuer.example/") as made:
        assert asyncio.run(ask(made)).json()["jwks_uri"] == "https://issuer.example/.well-known/jwks.json"


def test_seed_is_a_file_with_the_environment_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_SECRET", "made-up-for-this-test-0123456789")
    file = tmp_path / "tenant.yaml"
    file.write_text(TENANT)

    with server(seed=file, port=None) as made:
        app = made.app("Reader")
        claims = jwt.claims(jws.parse(made.token(app, AUDIENCE)))
    assert (app.client_id, app.client_secret) == ("ci-reader", "made-up-for-this-test-0123456789")
    assert (claims["azp"], claims["scope"]) == ("ci-reader", "read:blog")


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        ({"clients": [{"name": "a"}, {"name": "a"}]}, "The seed cannot be used: clients has a twice"),
        ({"resourceServers": [{"identifier": AUDIENCE, "token_lifetime": -1}]}, "API https://blog-api: "),
        (Path("nowhere.yaml"), "nowhere.yaml cannot be used"),
    ],
)
def test_wrong_seed_starts_nothing_and_leaves_nothing(
    seed: dict[str, object] | Path, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = threads()
    with pytest.raises(ValueError, match=said):
        server(seed=seed)
    assert not threads() - before  # those of other tests' guards may end meanwhile
    assert list(tmp_path.iterdir()) == []


def test_issuer_that_is_none_and_a_taken_port_are_told() -> None:
    with pytest.raises(ValueError, match="the issuer ends with '/'"):
        server(issuer="https://issuer.example")
    with server(port=free_port()) as made, pytest.raises(OSError, match="is taken"):
        server(port=int(made.url.rpartition(":")[2].rstrip("/")))


def threads() -> set[threading.Thread]:
    # Not those that read for the module's server, which come as they are needed.
    return {each for each in threading.enumerate() if not each.name.startswith("gatewright-reader")}


def test_stop_ends_threads_port_and_folder_and_may_be_said_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = threads()
    made = server()
    assert len(list(tmp_path.iterdir())) == 1
    made.stop()
    made.stop()
    assert list(tmp_path.iterdir()) == []
    assert not threads() - before  # those of other tests' guards may end meanwhile
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(made.url)


@pytest.mark.filterwarnings("error")
def test_guard_that_outlives_its_server_knows_nothing_and_harms_nothing() -> None:
    made = server(port=None)
    made.api(AUDIENCE, scopes=["read:1"])
    token = made.token(made.app("Reader", grants={AUDIENCE: ["read:1"]}), AUDIENCE)
    guard = guarding(made)
    made.stop()
    assert answer(guard, bearer(token), "read:1") == "keys_unavailable"
    with pytest.raises(ConnectionError, match="it has ended"):
        made.fetch(made.issuer + ".well-known/jwks.json")
    gc.collect()  # a request that nobody waits for would be told here


def test_ten_servers_side_by_side_do_not_meet() -> None:
    def issue(number: int) -> tuple[ThrowawayServer, str]:
        made = server(issuer="https://issuer.example/", port=None if number % 2 else 0)
        made.api(AUDIENCE, scopes=[f"read:{number}"])
        app = made.app("Reader", grants={AUDIENCE: [f"read:{number}"]})
        return made, made.token(app, AUDIENCE)

    with ThreadPoolExecutor(10) as pool:
        issued = list(pool.map(issue, range(10)))
    try:
        for number, (made, _) in enumerate(issued):
            guard = guarding(made)
            judged = [answer(guard, bearer(token), f"read:{number}") for _, token in issued]
            # The issuer has the same name everywhere: what parts them are their keys.
            expected = ["unknown_key"] * 10
            expected[number] = "accepted"
            assert judged == expected
            assert len(made.management.get("clients")) == 2  # its own and the command line's
    finally:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(ThrowawayServer.stop, [made for made, _ in issued]))
    assert len({made.url for made, _ in issued[::2]}) == 5


def run(program: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment(TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_forgotten_stop_keeps_no_process_and_no_folder(tmp_path: Path) -> None:
    done = run("from gatewright.testing import server; s = server(); print(s.issuer)", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "extra"), [("uvicorn", "server"), ("msgspec", "server"), ("yaml", "cli")]
)
def test_missing_package_is_one_sentence_that_names_the_extra(
    tmp_path: Path, package: str, extra: str
) -> None:
    (tmp_path / "tenant.yaml").write_text("clients: []\n")
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from gatewright.testing import server\n"
        "try:\n"
        f"    server(port=None, seed={str(tmp_path / 'tenant.yaml')!r})\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = run(program, folder=tmp_path)
    said = f"gatewright.testing.server() needs the package {package}: install gatewright[{extra}].\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_the_test_kit_loads_no_server_until_one_is_started(tmp_path: Path) -> None:
    program = (
        "import sys, gatewright.testing\n"
        "print([name for name in sys.modules if name.startswith(('gatewright.server', 'gatewright.cli'))])"
    )
    assert run(program, folder=tmp_path).stdout == "[]\n"


def test_it_serves_other_processes_and_their_guards(tmp_path: Path) -> None:
    program = (
        "import sys; from gatewright import Guard, Request\n"
        f"guard = Guard(sys.argv[1], audience={AUDIENCE!r})\n"
        "print(guard.check(Request('GET', '/', {'Authorization': 'Bearer ' + sys.argv[2]}.items())).scopes)"
    )
    with server() as made:
        made.api(AUDIENCE, scopes=SCOPES)
        token = made.token(made.app("Reader", grants={AUDIENCE: ["read:blog"]}), AUDIENCE)
        done = subprocess.run(
            [sys.executable, "-c", program, made.issuer, token],
            env=environment(TMPDIR=str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("('read:blog',)\n", "")
