"""`gatewright export` and `gatewright import`: a whole tenant to a file and back, as often as you like."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gatewright.cli.management import connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import say, write, write_json
from gatewright.cli.tenant_changes import READS, Change, Tenant, changes, scopes_for
from gatewright.cli.tenant_file import SECTIONS, TENANT, TENANT_OWN, left_out, read_file, written_file


def export(
    file: Annotated[Path | None, Parameter(help="The file to write; stdout without it.")] = None,
    /,
    *,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Write the tenant to a file, in the YAML form of auth0-deploy-cli; no ids and no secrets."""
    server = connect(shared.data, *READS)
    tenant = Tenant.read(server)
    settings = server.get("tenants/settings")
    written: dict[str, object] = {
        TENANT: {name: value for name, value in settings.items() if name not in TENANT_OWN},
        **{
            section.name: [section.written(each) for each in tenant.records[section.name]]
            for section in SECTIONS
        },
    }
    if shared.json:
        write_json(written)
        return
    text = written_file(written)
    if file is None:
        write(text.rstrip("\n"))
        return
    file.write_text(text, encoding="utf-8")
    counts = ", ".join(f"{len(tenant.records[section.name])} {section.name}" for section in SECTIONS)
    say(f"Wrote {file}: {counts}.")


def import_(
    file: Annotated[Path, Parameter(help="A file of `gatewright export` or of auth0-deploy-cli.")],
    /,
    *,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Show what would be done and do nothing.")
    ] = False,
    delete: Annotated[
        bool,
        Parameter(negative="", help="Delete what is there and not in the file, in the sections it has."),
    ] = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Bring the tenant to what the file says; done twice, the second time changes nothing."""
    document = read_file(file)
    server = connect(shared.data, *scopes_for(document, delete=delete))
    done: list[Change] = []
    for change in changes(server, document, delete=delete, dry_run=dry_run):
        if not shared.json:
            write(str(change))
        done.append(change)
    if shared.json:
        write_json([{"verb": each.verb, "what": _word(each), "title": each.title} for each in done])
    if left := left_out(document):
        say(left)
    verb = "would be done" if dry_run else "done"
    say(f"{len(done)} changes {verb}." if done else "Nothing to change: the tenant is as the file says.")


def _word(change: Change) -> str:
    return "tenant" if change.section is None else change.section.name
