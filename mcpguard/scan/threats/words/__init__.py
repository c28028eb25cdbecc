"""What words mean, in twelve languages: concept -> its words, `;` between them."""

from mcpguard.scan.threats.words.first import FIRST
from mcpguard.scan.threats.words.tongues import TONGUES

__all__ = ["CONCEPTS"]

CONCEPTS: dict[str, str] = {
    concept: f"{words};{TONGUES.get(concept, '')}" for concept, words in FIRST.items()
}
"""A word has one concept, the first that names it."""
