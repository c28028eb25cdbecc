"""Rules that a person writes: YAML with places, CEL conditions, one outcome each."""
