"""A worker process of the revocation test: one guard as anybody makes it, which answers when it is asked.

Run as `python revocation_worker.py ISSUER AUDIENCE`. A line in is a list of tokens, a line out
`{"answers": [...], "stale": bool}`: what each gets, "entered" or the reason it does not, and the gauge.
"""

from __future__ import annotations

import json
import sys

from gatewright.guard import Denied, Guard, Request


def main(issuer: str, audience: str) -> None:
    """Answer until the input ends."""
    guard = Guard(issuer, audience=audience)

    def answer(token: str) -> str:
        try:
            guard.check(Request("GET", "/", [("Authorization", f"Bearer {token}")]))
        except Denied as refusal:
            return refusal.reason
        return "entered"

    for line in sys.stdin:
        answers = [answer(token) for token in json.loads(line)]
        (health,) = guard.health()
        stale = health.revocations is not None and health.revocations.stale
        sys.stdout.write(json.dumps({"answers": answers, "stale": stale}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
