"""`gatewright demo`: tells the walk on a stage of its own, then serves until Ctrl-C."""

import contextlib
import shlex
import shutil
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

from rich.console import Console

from gatewright._version import __version__
from gatewright.demo import sample
from gatewright.demo.breakin import break_in
from gatewright.demo.remedies import after_no_token, after_refusal
from gatewright.demo.stage import FOLDER, Build, Stage, open_stage
from gatewright.demo.walk import APP_NAME, AUDIENCE, CREATE, READ, NotAsTold, Walk, tutorial


def run(
    folder: Path | None, *, once: bool = False, open_browser: bool = False, build: Build = sample.build
) -> int:
    """The demo; the exit code: 0, or 1 when a step answered otherwise than told.

    Args:
        folder: the data folder, kept; `None` walks in a temporary one.
        once: end after the walk.
        open_browser: show the start page.
        build: makes the sample API of its guard.

    Raises:
        gatewright.server.errors.StartupError: the server cannot start; a plain sentence.
    """
    console = Console(highlight=False, emoji=False)
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatewright-demo-")))
        stage = stack.enter_context(open_stage(place, console, build))
        if open_browser:
            webbrowser.open(stage.server.issuer)
        _greet(stage, is_kept=folder is not None)
        try:
            _tell(stage)
        except NotAsTold as error:
            _say_what_went_wrong(stage, error, is_kept=folder is not None)
            return 1
        stage.narrator.step(7, "That is the story")
        stage.narrator.as_told("Each step answered as told.")
        if not once:
            _serve(stage)
    return 0


def _greet(stage: Stage, *, is_kept: bool) -> None:
    tell = stage.narrator
    tell.line()
    tell.line(f"gatewright {__version__}   demo", "bold")
    tell.line()
    for port in stage.taken:
        tell.line(f"Port {port} is taken, so the next free one is used.", "yellow")
    where = f"{_shown(stage.folder)}   (delete the folder to start over)" if is_kept else "a temporary folder"
    link = stage.dashboard() if is_kept else None
    tell.facts(
        [
            ("Issuer", stage.server.issuer),
            *([("Dashboard", link)] if link is not None else []),
            ("Key set", f"{stage.server.issuer}.well-known/jwks.json"),
            ("Sample API", f"{stage.sample}/authtest   {stage.sample}/blogs"),
            ("Data", where),
        ]
    )
    tell.line("Every request below is really made. Secrets and tokens are shortened: eyJhbG…4Kpw.")


def _tell(stage: Stage) -> None:
    walk = Walk(
        issuer=stage.server.issuer,
        sample=stage.sample,
        credentials=stage.credentials(),
        narrator=stage.narrator,
        decisions=stage.feed.decisions,
        report=stage.report,
    )
    tutorial(walk)
    break_in(walk, stage.sign)
    own_client = walk.credentials["client_id"]
    stage.feed.silent.add(own_client)
    stage.feed.names = {walk.application["client_id"]: APP_NAME, own_client: "Gatewright CLI"}


def _say_what_went_wrong(stage: Stage, error: NotAsTold, *, is_kept: bool) -> None:
    sys.stderr.write(f"Error: {error}\n")
    if is_kept:
        folder = shlex.quote(str(stage.folder))
        sys.stderr.write(f"  If {APP_NAME!r} was changed since, start over: rm -r {folder}\n")


def _serve(stage: Stage) -> None:
    tell = stage.narrator
    tell.line("Now it is yours. In a second terminal:")
    tell.line()
    tell.code(*_lines_to_copy(stage))
    tell.line("Ctrl-C stops. Waiting for requests …")
    tell.line()
    stage.feed.remedy = after_refusal
    stage.feed.token_remedy = after_no_token
    stage.feed.is_live = True
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        stage.feed.is_live = False
        tell.line()
        tell.line(f"Stopped. {_shown(stage.folder)} is kept for the next run; delete it to start over.")


def _lines_to_copy(stage: Stage) -> list[str]:
    """What works in another terminal, wherever that is."""
    assignments = []
    program = Path(sys.argv[0])
    if shutil.which("gatewright") is None and program.name == "gatewright":
        assignments.append(f'PATH={shlex.quote(str(program.absolute().parent))}:"$PATH"')
    assignments.append(f"GATEWRIGHT_DATA={shlex.quote(str(stage.folder.absolute()))}")
    blogs = f"{stage.sample}/blogs"
    header = '-H "Authorization: Bearer $TOKEN"'
    grant = f'gatewright grants set "{APP_NAME}" {AUDIENCE} --scope'
    return [
        f"export {' '.join(assignments)}",
        f"curl -i {stage.sample}/authtest",
        f"TOKEN=$(gatewright token --api {AUDIENCE})",
        f"curl -i {stage.sample}/authtest {header}",
        f"curl -i {blogs} {header}",
        f"curl -i -X POST {blogs} {header}",
        "",
        "# take a permission away, and see the new token refused",
        f"{grant} {READ}",
        f"gatewright call -X POST {blogs} --api {AUDIENCE}",
        f'{grant} "{READ} {CREATE}"',
    ]


def _shown(folder: Path) -> str:
    """The folder as one would type it."""
    return f"./{FOLDER}" if folder.absolute() == Path.cwd() / FOLDER else str(folder)
