"""`mcpguard audit prove`: what others can check without the log."""

from pathlib import Path

import click

from mcpguard.audit.proof import prove_consistency, prove_inclusion
from mcpguard.cli import render
from mcpguard.errors import UsageError

__all__ = ["prove_command"]


@click.command(name="prove", short_help="Prove that a record is in a signed log.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("record", required=False)
@click.option(
    "--since",
    type=click.IntRange(1),
    metavar="SIZE",
    help="Instead: that nothing was taken back since the checkpoint of SIZE records.",
)
@click.option(
    "--until", type=click.IntRange(1), default=None, metavar="SIZE", help="Up to that of SIZE."
)
def prove_command(file: Path, record: str | None, since: int | None, until: int | None) -> None:
    """Write a proof to stdout, as JSON.

    That RECORD (its number, or the first 8 or more digits of its hash) is in what the newest
    checkpoint of the log FILE signs; it shows this record and of the others nothing. Or, with
    --since, that the log only grew between two checkpoints.

    Whoever has the public key checks it with: mcpguard audit verify --proof PROOF --key KEY

    Exit codes: 0 written, 2 it cannot be proved.
    """
    if (record is None) == (since is None):
        raise UsageError(
            "either a record or --since belongs here",
            hint="for example: mcpguard audit prove files.jsonl 17",
        )
    if record is not None:
        proof = prove_inclusion(file, record)
    else:
        proof = prove_consistency(file, since or 0, until or 0)
    render.answer([render.json_text(proof)])
