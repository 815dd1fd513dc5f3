"""Where the command line finds the data folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gatewright.cli import folder
from gatewright.cli.failures import ExitCode, Failure

CREDENTIALS = {"issuer": "http://localhost:8844/", "client_id": "id", "client_secret": "secret"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a data folder, and a folder deep inside as the current one."""
    (tmp_path / ".gatewright").mkdir()
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "deep")
    return tmp_path


def test_folder_is_found_in_a_parent_as_git_finds_its_own(project: Path) -> None:
    assert folder.find(None, environ={}) == project / ".gatewright"


def test_nearest_folder_wins(project: Path) -> None:
    (project / "src" / ".gatewright").mkdir()
    assert folder.find(None, environ={}) == project / "src" / ".gatewright"


def test_flag_wins_over_variable_and_variable_over_search(project: Path) -> None:
    environ = {"GATEWRIGHT_DATA": str(project / "by-variable")}
    assert folder.find(Path("by-flag"), environ=environ) == Path.cwd() / "by-flag"
    assert folder.find(None, environ=environ) == project / "by-variable"
    assert folder.find(None, environ={"GATEWRIGHT_DATA": ""}) == project / ".gatewright"


def test_no_folder_at_all_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as failure:
        folder.find(None, environ={})
    assert failure.value.code == ExitCode.NOT_FOUND
    assert "gatewright serve" in failure.value.steps[0]


def test_folder_of_somebody_else_is_not_used_unless_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(Failure, match="another user"):
        folder.find(None, environ={})
    assert folder.find(project / ".gatewright", environ={}) == project / ".gatewright"


def test_credentials_are_read_and_the_secret_does_not_show(project: Path) -> None:
    (project / ".gatewright" / "cli.json").write_text(json.dumps(CREDENTIALS))
    read = folder.read_credentials(None)
    assert (read.issuer, read.client_id, read.client_secret) == tuple(CREDENTIALS.values())
    assert read.audience == "http://localhost:8844/api/v2/"
    assert "secret" not in repr(read).replace("client_secret", "")


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"issuer": 1}', json.dumps({**CREDENTIALS, "issuer": ""})]
)
def test_file_of_another_kind_is_a_failure_in_words(project: Path, text: str) -> None:
    (project / ".gatewright" / "cli.json").write_text(text)
    with pytest.raises(Failure, match="does not hold"):
        folder.read_credentials(None)


def test_folder_without_credentials_says_that_starting_the_server_helps(project: Path) -> None:
    with pytest.raises(Failure) as failure:
        folder.read_credentials(None)
    assert failure.value.code == ExitCode.NOT_FOUND
    assert f"gatewright serve --data {project / '.gatewright'}" in failure.value.steps[0]
