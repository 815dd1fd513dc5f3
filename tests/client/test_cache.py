"""The file that processes share: whom it belongs to, when it is believed, and that no harm comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from gatewright.client.cache import TokenFile
from tests.client.endpoint import Reply, TokenEndpoint, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gatewright.client import TokenSource
    from tests.guard.issuing import Clock

    Making = Callable[..., TokenSource]

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes as Unix has them")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


@posix
def test_what_is_kept_is_for_its_owner_alone(source_of: Making, folder: Path) -> None:
    source_of(cache=folder).token()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


def test_another_source_takes_what_is_kept(source_of: Making, endpoint: TokenEndpoint, folder: Path) -> None:
    assert source_of(cache=folder).token() == "token-1"
    assert source_of(cache=folder).token() == "token-1"
    assert asyncio.run(source_of(cache=str(folder)).atoken()) == "token-1"
    assert len(endpoint.asked) == 2  # discovery and one token


def test_other_audiences_scopes_and_clients_have_files_of_their_own(
    source_of: Making, endpoint: TokenEndpoint, folder: Path
) -> None:
    others = [{}, {"audience": "urn:other"}, {"scope": "read:blog"}, {"client_id": "other"}]
    tokens = [source_of(cache=folder, **other).token() for other in others]
    assert tokens == ["token-1", "token-2", "token-3", "token-4"]
    assert source_of(cache=folder, scope=["b", "a"]).token() == source_of(cache=folder, scope="a b").token()
    assert len(endpoint.tokens) == 5


def test_a_token_that_is_due_is_renewed_by_one_and_taken_by_the_other(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, folder: Path
) -> None:
    first, second = source_of(cache=folder), source_of(cache=folder)
    assert (first.token(), second.token()) == ("token-1", "token-1")
    clock.forward(3595)
    assert (first.token(), second.token()) == ("token-2", "token-2")
    assert len(endpoint.tokens) == 2


def test_a_token_near_its_end_is_not_taken_from_the_file(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, folder: Path
) -> None:
    source_of(cache=folder).token()
    clock.forward(3290)
    assert source_of(cache=folder).token() == "token-1"
    clock.forward(20)
    assert source_of(cache=folder).token() == "token-2"
    assert len(endpoint.tokens) == 2


def test_a_token_that_an_api_refused_is_not_taken_from_the_file(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, folder: Path
) -> None:
    first, second = source_of(cache=folder), source_of(cache=folder)
    assert (first.token(), second.token()) == ("token-1", "token-1")
    clock.forward(60)
    assert first.invalidate("token-1")
    assert first.token() == "token-2"
    assert second.invalidate("token-1")
    assert second.token() == "token-2"
    assert len(endpoint.tokens) == 2


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_not_used_and_replaced(
    source_of: Making, folder: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    source_of(cache=folder).token()
    only_file(folder).chmod(mode)
    assert source_of(cache=folder).token() == "token-2"
    assert "is not used: others may" in caplog.text
    assert stat.S_IMODE(only_file(folder).stat().st_mode) == 0o600


@posix
def test_a_link_is_not_followed(source_of: Making, folder: Path, tmp_path: Path) -> None:
    source_of(cache=folder).token()
    elsewhere = tmp_path / "elsewhere.json"
    only_file(folder).rename(elsewhere)
    (folder / elsewhere.name).unlink(missing_ok=True)
    name = next(folder.glob("*.lock")).name.removesuffix(".lock")
    (folder / name).symlink_to(elsewhere)
    before = elsewhere.read_text()
    assert source_of(cache=folder).token() == "token-2"
    assert elsewhere.read_text() == before


@posix
@pytest.mark.parametrize("mode", [0o755, 0o701, 0o770])
def test_a_folder_that_others_may_enter_is_refused(source_of: Making, folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ValueError, match="open to others: chmod 700"):
        source_of(cache=folder)


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused(
    source_of: Making, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source_of(cache=folder).token()
    os.chown(only_file(folder), 12345, -1)
    assert source_of(cache=folder).token() == "token-2"
    assert "belongs to another user" in caplog.text
    os.chown(folder, 12345, -1)
    with pytest.raises(ValueError, match="belongs to another user"):
        source_of(cache=folder)


def test_a_path_that_is_a_file_is_refused(source_of: Making, folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(ValueError, match="is to be a folder"):
        source_of(cache=folder)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"for": {"issuer": "https://other.example/"}},
        {"access_token": 5},
        {"access_token": "a\r\nX-Injected: 1"},
        {"access_token": ""},
        {"expires_at": "soon"},
        {"expires_at": True},
        {"obtained_at": None},
        {"obtained_at": 4_000_000_000.0, "expires_at": 4_000_003_600.0},  # of a time to come
        {"expires_at": 1e300},
    ],
)
def test_a_file_that_says_anything_else_is_not_believed(
    source_of: Making, folder: Path, change: dict[str, object]
) -> None:
    source_of(cache=folder).token()
    file = only_file(folder)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert source_of(cache=folder).token() == "token-2"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"x" * 100_000])
def test_a_file_that_is_no_json_is_not_believed(source_of: Making, folder: Path, content: bytes) -> None:
    source_of(cache=folder).token()
    only_file(folder).write_bytes(content)
    assert source_of(cache=folder).token() == "token-2"


def test_a_process_that_is_stuck_keeps_nobody_for_ever(
    source_of: Making, endpoint: TokenEndpoint, folder: Path
) -> None:
    source = source_of(cache=folder, timeout=1.0)
    stuck = TokenFile(folder, source._file._identified)  # type: ignore[union-attr]  # noqa: SLF001 - the very file
    turn = stuck.turns.take()
    assert source.token() == "token-1"
    stuck.turns.end(turn)
    assert len(endpoint.tokens) == 1


def test_a_turn_ends_with_a_failure_too(source_of: Making, endpoint: TokenEndpoint, folder: Path) -> None:
    endpoint.replies.append(refused(401, "access_denied"))
    with pytest.raises(Exception, match="401"):
        source_of(cache=folder, timeout=30).token()
    endpoint.delay = 0
    assert source_of(cache=folder, timeout=30).token() == "token-2"


@pytest.mark.parametrize("reply", [Reply(503), Reply(500)])
def test_a_full_or_vanished_folder_costs_nothing_but_the_sharing(
    source_of: Making, endpoint: TokenEndpoint, folder: Path, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(cache=folder)
    folder.rmdir()
    endpoint.replies.append(reply)
    assert source.token() == "token-2"
    assert "cannot be locked" in caplog.text
