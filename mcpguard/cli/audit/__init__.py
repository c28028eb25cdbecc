"""`mcpguard audit`: what was recorded. `verify` says whether it still is what was written.

verify.py    the chain, signatures, proofs
prove.py     proofs for others
show.py      records for people and for pipes, as they come
stats.py     what there is how often
evidence.py  evidence of calls, and whether some is of a log
metrics.py   the same for Prometheus: a command of its own
replay.py    what other rules would have decided
export.py    it in other formats
ship.py      deliver it to collectors
choosing.py  which logs, which records of them
"""

import click

from mcpguard.cli import render
from mcpguard.cli.audit.evidence import evidence_command
from mcpguard.cli.audit.export import export_command
from mcpguard.cli.audit.prove import prove_command
from mcpguard.cli.audit.replay import replay_command
from mcpguard.cli.audit.ship import ship_command
from mcpguard.cli.audit.show import show_command, tail_command
from mcpguard.cli.audit.stats import stats_command
from mcpguard.cli.audit.verify import verify_command

__all__ = ["audit"]


@click.group(invoke_without_command=True)
@click.pass_context
def audit(context: click.Context) -> None:
    """The audit log: one chained record for every decision."""
    render.needs_subcommand(context)


for _command in (
    show_command,
    tail_command,
    stats_command,
    verify_command,
    prove_command,
    evidence_command,
    replay_command,
    export_command,
    ship_command,
):
    audit.add_command(_command)
