"""`gatewright keys`: the keys that sign access tokens."""

from typing import Annotated

from cyclopts import Parameter

from gatewright.cli.management import Record, connect, segment
from gatewright.cli.options import SHARED_DEFAULTS, Force, Shared, confirm, examples, noun
from gatewright.cli.output import say, table, write_json

READS = "read:signing_keys"
STATES = ("current", "next", "previous", "revoked")

app = noun("keys", purpose="Signing keys.")


@app.command(
    name="list", alias="ls", help_epilogue=examples("gatewright keys list", "gatewright keys ls --json")
)
def list_all(*, shared: Shared = SHARED_DEFAULTS) -> None:
    """List the signing keys: the current ones sign, next and previous ones are published too."""
    keys = connect(shared.data, READS).get("keys/signing")
    if shared.json:
        write_json(keys)
        return
    rows = [
        [key["kid"], key.get("alg"), _state(key), key.get("current_since"), key["fingerprint"]]
        for key in keys
    ]
    table(["KID", "ALG", "STATE", "SIGNS SINCE", "FINGERPRINT"], rows)


@app.command(help_epilogue=examples("gatewright keys rotate"))
def rotate(*, shared: Shared = SHARED_DEFAULTS) -> None:
    """Sign with the next key from now on; tokens of the key before stay valid."""
    announced = connect(shared.data, "create:signing_keys", "update:signing_keys").post("keys/signing/rotate")
    if shared.json:
        write_json(announced)
    else:
        table(["KID", "STATE"], [[announced["kid"], "next"]])
    say("The next key signs now. Tokens of the previous one stay valid until they expire or it is revoked.")


@app.command(help_epilogue=examples("gatewright keys revoke ktaC4DWY2NT7lBqFsnVEk --force"))
def revoke(
    kid: Annotated[str, Parameter(help="A previous key's id, as `gatewright keys list` shows it.")],
    /,
    *,
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """End a previous key at once: every token it signed is refused. It cannot be undone."""
    confirm(f"Revoke {kid}, so that every token it signed is refused?", force=force)
    revoked = connect(shared.data, READS, "update:signing_keys").put(f"keys/signing/{segment(kid)}/revoke")
    if shared.json:
        write_json(revoked)
    say(f"Revoked {kid}. Guards that poll this server refuse from now on, within ten seconds.")
    say("Other APIs notice when they fetch the key set again.")


def _state(key: Record) -> str:
    return " ".join(state for state in STATES if key.get(state) is True)
