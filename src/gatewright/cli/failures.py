"""How a command fails: one sentence what, one line what to do, and an exit code programs can rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command; documented in `docs/reference/cli.md` and fixed by tests."""

    FINE = 0
    FAILED = 1
    WRONG_USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    INVALID_INPUT = 6
    CANNOT_REACH = 7
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.FINE: "fine",
    ExitCode.FAILED: "failed; the error says why",
    ExitCode.WRONG_USAGE: "wrong usage: an unknown option, a missing or ambiguous argument, no --force",
    ExitCode.NOT_FOUND: "not found: no such API, application, grant, key or data folder",
    ExitCode.REFUSED: "refused: 401 or 403, from the server or from the API that was called",
    ExitCode.CONFLICT: "conflict: it exists already",
    ExitCode.INVALID_INPUT: "invalid input: the server does not take the values, or a setting is wrong",
    ExitCode.CANNOT_REACH: "cannot reach: no server answers",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}


class Failure(Exception):
    """A command that cannot do what it was asked to; rendered in one place, without a traceback.

    `message` says what is wrong, `steps` what to do about it, a line each.
    """

    def __init__(self, message: str, *steps: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.steps = steps
        self.code = code


def misuse(message: str, *steps: str) -> Failure:
    """A command that was called wrongly."""
    return Failure(message, *steps, code=ExitCode.WRONG_USAGE)
