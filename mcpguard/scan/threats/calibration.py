"""What signals weigh, and the lines of the score. Written by `scripts/calibrate`."""

__all__ = ["BLOCK", "LEAST", "REVIEW", "SHARES", "SLOPE"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

SLOPE = 1.39
"""What each one of a sentence's log-odds weighs."""

LEAST = -1.38
"""Log-odds of a sentence up to which it weighs nothing."""

SHARES: dict[str, float] = {
    "authority.for-data": 0.85,
    "authority.label": 0.47,
    "authority.orders": 0.57,
    "collecting.about-user": 0.88,
    "collecting.conversation": 0.26,
    "collecting.of-the-model": 0.2,
    "collecting.order-in-name": 0.58,
    "collecting.personal-1": 0.2,
    "collecting.personal-2": 0.2,
    "collecting.personal-3": 0.2,
    "collecting.prompt": 0.2,
    "collecting.secrets": 0.22,
    "collecting.whole-conversation": 0.64,
    "command.ordered": 0.97,
    "concealment.from-user": 0.36,
    "concealment.no-consent": 0.2,
    "concealment.silent": 0.49,
    "concealment.unasked": 0.38,
    "deputy.acting-as": 0.98,
    "deputy.callback": 0.2,
    "deputy.elevated": 0.85,
    "deputy.passed-through": 0.2,
    "encoded.decode": 0.94,
    "exfiltration.beside-the-point": 0.2,
    "exfiltration.destination": 0.7,
    "exfiltration.private-file": 0.56,
    "exfiltration.read-then-send": 0.43,
    "exfiltration.through-tool": 0.68,
    "exfiltration.to-somebody": 0.25,
    "hidden.look-alike": 0.87,
    "hidden.zero-width": 0.85,
    "instruction.every-response": 0.34,
    "instruction.ignore-rules": 0.75,
    "instruction.ignores-some": 0.58,
    "instruction.new-role": 0.92,
    "instruction.or-else": 0.2,
    "instruction.precondition": 0.2,
    "instruction.scripted": 0.84,
    "instruction.tag": 0.8,
    "instruction.to-model": 0.2,
    "instruction.weakens": 0.32,
    "override.user": 0.77,
    "override.value": 0.2,
    "promotion.always-this": 0.2,
    "promotion.best-of-all": 0.2,
    "promotion.best-so-use-it": 0.2,
    "promotion.compares": 0.2,
    "promotion.every-time": 0.5,
    "promotion.excludes": 0.2,
    "promotion.others-worse": 0.82,
    "promotion.over-named": 0.2,
    "promotion.over-others": 0.55,
    "promotion.praise": 0.2,
    "redirect.other-gone": 0.88,
    "redirect.replaces": 0.39,
    "schema.sentence-name": 0.81,
    "shadowing.foreign-arguments": 0.36,
    "shadowing.gate": 0.2,
    "shadowing.rewires": 0.79,
    "side-effect.all-of-them": 0.2,
    "side-effect.destroys": 0.41,
    "side-effect.excuse": 0.2,
    "side-effect.foreign-tool": 0.2,
    "side-effect.other-tool": 0.2,
    "side-effect.path": 0.36,
    "side-effect.replaces": 0.21,
    "side-effect.untold": 0.2,
    "side-effect.when-used": 0.2,
    "side-effect.whose-data": 0.2,
}
"""Rule -> what is left of the weight that its author gave it, where honest definitions say that it
tells less."""
