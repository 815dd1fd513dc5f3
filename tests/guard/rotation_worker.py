"""A worker process of the rotation tests: one guard; each line asked carries the time it is.

Run as `python rotation_worker.py ISSUER AUDIENCE`. A line in is `{"now": seconds, "tokens": [...]}`, a line
out the list of what each token gets: "entered" or the reason it does not.
"""

from __future__ import annotations

import json
import sys

from gatewright.guard import Denied, Guard, Request


def main(issuer: str, audience: str) -> None:
    """Answer until the input ends."""
    now = 0.0
    guard = Guard(issuer, audience=audience, now=lambda: now)

    def answer(token: str) -> str:
        try:
            guard.check(Request("GET", "/", [("Authorization", f"Bearer {token}")]))
        except Denied as refusal:
            return refusal.reason
        return "entered"

    for line in sys.stdin:
        asked = json.loads(line)
        now = asked["now"]
        sys.stdout.write(json.dumps([answer(token) for token in asked["tokens"]]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
