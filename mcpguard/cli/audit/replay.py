"""`mcpguard audit replay`: which past decisions other rules would have changed, and why."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from mcpguard.audit.verify import read_lines
from mcpguard.cli import policy as policies
from mcpguard.cli import render
from mcpguard.cli.audit.choosing import files_of, logs
from mcpguard.policy.loading import load
from mcpguard.policy.replay import Record, read_records, replay

__all__ = ["replay_command"]


@click.command(name="replay", short_help="Try other rules on what was recorded.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[FILE]...")
@click.option(
    "--policy",
    "policy",
    type=click.Path(path_type=Path),
    required=True,
    metavar="NEW.yaml",
    help="The rules to try.",
)
@click.option("--zone", metavar="ZONE", help="For now.*. Default: what each session recorded.")
@render.FORM
@click.pass_context
def replay_command(
    context: click.Context, files: tuple[Path, ...], policy: Path, zone: str | None, form: str
) -> None:
    """Show which recorded calls the rules in NEW.yaml would decide otherwise, and by which rule.

    Of the logs FILE with their earlier parts, or of all logs of this user. The log holds
    arguments only where audit.capture.arguments kept them whole: of others, what a rule would say
    that reads them is not known, and counted as such. A session that recorded no zone is read in
    UTC.

    Exit codes: 0 nothing changes, 1 a call is decided otherwise, 2 it could not be found out.
    """
    rules = load(policies.text_of(policy), str(policy))
    found = list(replay(rules, _records(logs(files), zone)))
    summary = policies.summary_of(found)
    if form == "json":
        render.answer([render.json_text(policies.replayed_json(rules, found, summary))])
    else:
        changed = [each for each in found if each.changed]
        render.answer(policies.replayed_lines(rules, changed, summary))
    context.exit(policies.exit_code(found))


def _records(files: Sequence[Path], zone: str | None) -> Iterator[Record]:
    for file in files:
        zones = policies.Zones(zone)
        known = policies.facts(datetime.now(zones.last))
        for part in files_of(file):
            yield from read_records(read_lines(part), str(part), known, zones)
