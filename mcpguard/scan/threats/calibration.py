"""What signals weigh, and the lines of the score. Written by `scripts/calibrate`."""

__all__ = ["BLOCK", "LEAST", "REVIEW", "SHARES", "SLOPE"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

SLOPE = 1.5
"""What each one of a sentence's log-odds weighs."""

LEAST = -1.5
"""Log-odds of a sentence up to which it weighs nothing."""

SHARES: dict[str, float] = {
    "authority.for-data": 0.81,
    "authority.label": 0.2,
    "authority.orders": 0.68,
    "collecting.about-user": 0.45,
    "collecting.conversation": 0.24,
    "collecting.of-the-model": 0.2,
    "collecting.order-in-name": 0.66,
    "collecting.personal-1": 0.2,
    "collecting.personal-2": 0.2,
    "collecting.personal-3": 0.2,
    "collecting.prompt": 0.28,
    "collecting.secrets": 0.2,
    "collecting.whole-conversation": 0.31,
    "command.ordered": 0.55,
    "concealment.from-user": 0.5,
    "concealment.no-consent": 0.31,
    "concealment.silent": 0.2,
    "concealment.unasked": 0.36,
    "exfiltration.beside-the-point": 0.2,
    "exfiltration.destination": 0.56,
    "exfiltration.private-file": 0.79,
    "exfiltration.read-then-send": 0.29,
    "exfiltration.through-tool": 0.76,
    "exfiltration.to-somebody": 0.2,
    "instruction.every-response": 0.73,
    "instruction.ignore-rules": 0.6,
    "instruction.ignores-some": 0.25,
    "instruction.new-role": 0.91,
    "instruction.or-else": 0.2,
    "instruction.precondition": 0.2,
    "instruction.scripted": 0.2,
    "instruction.tag": 0.7,
    "instruction.to-model": 0.2,
    "instruction.weakens": 0.59,
    "instruction.when-user": 0.36,
    "override.user": 0.33,
    "override.value": 0.2,
    "promotion.always-this": 0.2,
    "promotion.best-of-all": 0.49,
    "promotion.best-so-use-it": 0.2,
    "promotion.compares": 0.2,
    "promotion.every-time": 0.28,
    "promotion.excludes": 0.2,
    "promotion.others-worse": 0.74,
    "promotion.over-named": 0.2,
    "promotion.over-others": 0.2,
    "promotion.praise": 0.2,
    "redirect.other-gone": 0.58,
    "redirect.replaces": 0.5,
    "shadowing.foreign-arguments": 0.2,
    "shadowing.gate": 0.36,
    "shadowing.rewires": 0.61,
    "side-effect.all-of-them": 0.2,
    "side-effect.destroys": 0.67,
    "side-effect.excuse": 0.2,
    "side-effect.foreign-tool": 0.2,
    "side-effect.link": 0.2,
    "side-effect.other-tool": 0.2,
    "side-effect.path": 0.64,
    "side-effect.replaces": 0.2,
    "side-effect.untold": 0.2,
    "side-effect.when-used": 0.2,
    "side-effect.whose-data": 0.2,
}
"""Rule -> what is left of the weight that its author gave it, where honest definitions say that it
tells less."""
