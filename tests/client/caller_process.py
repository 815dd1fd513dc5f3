"""A process that takes one token many times over, in threads and tasks, and prints which ones it got.

    python caller_process.py ISSUER CLIENT_ID AUDIENCE CACHE THREADS TASKS

The secret is in the environment, as CLIENT_SECRET. It starts when a line comes in.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections import Counter

from gatewright.client import TokenSource


def main() -> None:
    issuer, client_id, audience, cache, threads, tasks = sys.argv[1:]
    source = TokenSource(
        issuer,
        audience,
        client_id=client_id,
        client_secret=os.environ["CLIENT_SECRET"],
        cache=cache or None,
    )
    taken: Counter[str] = Counter()

    def take() -> None:
        taken[source.token()] += 1

    async def take_all() -> None:
        taken.update(await asyncio.gather(*(source.atoken() for _ in range(int(tasks)))))

    print("ready", flush=True)  # noqa: T201 - what it is for
    sys.stdin.readline()
    workers = [threading.Thread(target=take) for _ in range(int(threads))]
    for each in workers:
        each.start()
    asyncio.run(take_all())
    for each in workers:
        each.join()
    print(json.dumps(taken), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
