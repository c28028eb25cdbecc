"""Where the score's lines are. Written by `scripts/calibrate`; the table it comes from is in README."""

__all__ = ["BLOCK", "REVIEW", "WEIGHTS"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

WEIGHTS: dict[str, float] = {}
"""Rule -> weight, where the data says less than the rule's author did."""
