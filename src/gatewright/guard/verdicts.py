"""What became of each request: counted by reason, and one structured log event a verdict.

An event is a log record of `gatewright.guard` whose attribute `gatewright` is a dict: `event` (`accepted`,
`refused`, or `would_refuse` where nothing is enforced), `reason`, `status`, `request_id`, `method`, `path`
without its query, `issuer`, `client_id` and `scope` of a verified token, and `required`. It never holds a
token.
"""

import logging
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from gatewright.guard.errors import Denied
from gatewright.guard.reporting import Reporter
from gatewright.guard.request import Request
from gatewright.guard.rules import Rule
from gatewright.guard.token import AccessToken

Verdict: TypeAlias = AccessToken | Denied | None
Observer: TypeAlias = Callable[[Request, Verdict], None]

ACCEPTED: Final = "accepted"
ANONYMOUS: Final = "anonymous"
_WARNED_OF: Final = frozenset({"bad_signature"})
_UNAVAILABLE: Final = 503

logger = logging.getLogger("gatewright.guard")
_every_record: "weakref.WeakSet[Verdicts]" = weakref.WeakSet()


class Verdicts:
    """Counts, logs and tells the observer; nothing that fails here changes a verdict."""

    def __init__(self, *, observe: Observer | None, enforce: bool, reporter: Reporter | None = None) -> None:
        self._observe = observe
        self.reporter = reporter
        self._enforce = enforce
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        _every_record.add(self)

    def record(self, request: Request, verdict: Verdict, rule: Rule | None = None) -> None:
        """One verdict about one request, of which `rule` was asked."""
        with self._lock:
            self._counts[_reason(verdict)] += 1
        if isinstance(verdict, Denied):
            self._log_refusal(request, verdict)
        elif logger.isEnabledFor(logging.DEBUG):
            said = {"event": _reason(verdict), **_asked(request), **_about(verdict)}
            logger.debug("let in %r %r", request.method, said["path"], extra={"gatewright": said})
        if self.reporter is not None:
            self._report(self.reporter, request, verdict, rule)
        if self._observe is None:
            return
        try:
            self._observe(request, verdict)
        except Exception:
            logger.exception("observe raised; the decision stands")

    def use(self, request: Request, token: AccessToken, rule: Rule | None) -> None:
        """A token that was let in before has met one more rule."""
        if self.reporter is not None and rule is not None:
            self._report(self.reporter, request, token, rule)

    def _report(self, reporter: Reporter, request: Request, verdict: Verdict, rule: Rule | None) -> None:
        try:
            if isinstance(verdict, Denied):
                reporter.refused(request, verdict)
            elif verdict is not None:
                reporter.accepted(verdict, rule)
        except Exception:
            logger.exception("nothing could be noted for the reports; the decision stands")

    def counts(self) -> Mapping[str, int]:
        """How often each reason came, `accepted` and `anonymous` included, since the guard was made."""
        with self._lock:
            return dict(self._counts)

    def _log_refusal(self, request: Request, refusal: Denied) -> None:
        is_alarming = refusal.reason in _WARNED_OF or refusal.status == _UNAVAILABLE
        said = {
            "event": "refused" if self._enforce else "would_refuse",
            "reason": refusal.reason,
            "status": refusal.status,
            "request_id": refusal.request_id,
            "required": " ".join(getattr(refusal, "scopes", ())),
            **_asked(request),
            **_about(refusal.token),
        }
        logger.log(
            logging.WARNING if is_alarming else logging.INFO,
            "refused %r %r: %s (%s)" if self._enforce else "would refuse %r %r: %s (%s)",
            request.method,
            said["path"],
            refusal.reason,
            refusal.detail,
            extra={"gatewright": said},
        )

    def _start_anew(self) -> None:
        # In the child of a fork: a thread that does not exist there may hold the lock.
        self._lock = threading.Lock()


def _reason(verdict: Verdict) -> str:
    if isinstance(verdict, Denied):
        return verdict.reason
    return ANONYMOUS if verdict is None else ACCEPTED


def _asked(request: Request) -> dict[str, object]:
    # Without the query: some callers put their token there, which is no reason to log it.
    return {"method": request.method, "path": request.url.partition("?")[0]}


def _about(token: AccessToken | None) -> dict[str, object]:
    if token is None:
        return {}
    return {"issuer": token.issuer, "client_id": token.client_id, "scope": " ".join(token.scopes)}


def _start_every_record_anew() -> None:
    for record in _every_record:
        record._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_record_anew)
