"""Where the lines of the score are. Written by `scripts/calibrate`."""

__all__ = ["BLOCK", "REVIEW", "WEIGHTS"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

WEIGHTS: dict[str, float] = {}
"""Rule -> weight, where honest definitions say that it tells less than its author thought."""
