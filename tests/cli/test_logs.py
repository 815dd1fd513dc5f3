"""`gatewright logs` against a real server."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.running import GATEWRIGHT, Application, environment

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Caller, ServerProcess


def refuse_once(caller: Caller, audience: str) -> None:
    """One `feccft` event that can be told from others."""
    application = caller.application(f"for {audience}")
    assert caller.ask_token(Application(application.client_id, "wrong"), audience).status_code == 401


def test_list_is_newest_first_and_can_be_filtered(cli: Cli, caller: Caller) -> None:
    refuse_once(caller, "urn:log:1")
    refuse_once(caller, "urn:log:2")
    events = cli("logs", "list", "-n", "2", "-f", "type:feccft", "--json").json
    assert [event["audience"] for event in events] == ["urn:log:2", "urn:log:1"]
    assert len(cli("logs", "ls", "-n", "3").rows) == 3


def test_filter_the_server_does_not_know_is_invalid_input(cli: Cli) -> None:
    assert cli("logs", "list", "-f", "colour:red").code == 6
    assert cli("logs", "tail", "-f", "nonsense").code == 2


def test_text_of_strangers_cannot_steer_the_terminal(cli: Cli, caller: Caller) -> None:
    refuse_once(caller, "urn:\x1b[2J\x9b1m")
    for words in (("logs", "list"), ("logs", "list", "--json")):
        out = cli(*words, "-f", "type:feccft", "-n", "1").out
        assert "\x1b" not in out
        assert "\x9b" not in out


def follow(tail: subprocess.Popen[bytes], caller: Caller) -> dict[str, object]:
    """The next event that a tail shows of those made meanwhile."""
    assert tail.stdout is not None
    for number in range(60):
        refuse_once(caller, f"urn:tail:{number}")
        if select.select([tail.stdout], [], [], 0.5)[0]:
            return dict(json.loads(tail.stdout.readline()))
    raise AssertionError("nothing was shown")


def test_tail_follows_as_json_lines_until_interrupted(caller: Caller, server: ServerProcess) -> None:
    words = [GATEWRIGHT, "logs", "tail", "-n", "0", "-f", "type:feccft", "--json", "--data", str(server.data)]
    refuse_once(caller, "urn:before")
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as tail:
        try:
            events = [follow(tail, caller), follow(tail, caller)]
        finally:
            tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=20)
    assert tail.returncode == 130
    assert [event["type"] for event in events] == ["feccft", "feccft"]
    assert all(str(event["audience"]).startswith("urn:tail:") for event in events)
    assert events[0]["log_id"] != events[1]["log_id"]
