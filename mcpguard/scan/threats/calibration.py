"""What signals weigh, and the lines of the score. Written by `scripts/calibrate`."""

__all__ = ["BLOCK", "LEAST", "REVIEW", "SHARES", "SLOPE"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

SLOPE = 1.37
"""What each one of a sentence's log-odds weighs."""

LEAST = -1.69
"""Log-odds of a sentence up to which it weighs nothing."""

SHARES: dict[str, float] = {
    "authority.for-data": 0.76,
    "authority.label": 0.2,
    "authority.orders": 0.51,
    "collecting.about-user": 0.23,
    "collecting.conversation": 0.2,
    "collecting.of-the-model": 0.2,
    "collecting.order-in-name": 0.61,
    "collecting.personal-1": 0.2,
    "collecting.personal-2": 0.2,
    "collecting.personal-3": 0.2,
    "collecting.prompt": 0.2,
    "collecting.secrets": 0.2,
    "collecting.whole-conversation": 0.2,
    "command.ordered": 0.43,
    "command.spelt-out": 0.98,
    "concealment.from-user": 0.5,
    "concealment.no-consent": 0.21,
    "concealment.silent": 0.2,
    "concealment.unasked": 0.27,
    "exfiltration.beside-the-point": 0.2,
    "exfiltration.destination": 0.5,
    "exfiltration.private-file": 0.59,
    "exfiltration.read-then-send": 0.23,
    "exfiltration.through-tool": 0.73,
    "exfiltration.to-somebody": 0.2,
    "instruction.every-response": 0.7,
    "instruction.ignore-rules": 0.58,
    "instruction.ignores-some": 0.2,
    "instruction.new-role": 0.87,
    "instruction.or-else": 0.2,
    "instruction.precondition": 0.2,
    "instruction.scripted": 0.2,
    "instruction.tag": 0.61,
    "instruction.to-model": 0.2,
    "instruction.weakens": 0.51,
    "instruction.when-user": 0.3,
    "override.user": 0.24,
    "override.value": 0.2,
    "promotion.always-this": 0.2,
    "promotion.best-of-all": 0.45,
    "promotion.best-so-use-it": 0.2,
    "promotion.compares": 0.2,
    "promotion.every-time": 0.2,
    "promotion.excludes": 0.2,
    "promotion.others-worse": 0.56,
    "promotion.over-named": 0.2,
    "promotion.over-others": 0.2,
    "promotion.praise": 0.2,
    "redirect.other-gone": 0.51,
    "redirect.replaces": 0.37,
    "shadowing.foreign-arguments": 0.2,
    "shadowing.gate": 0.24,
    "shadowing.rewires": 0.58,
    "side-effect.all-of-them": 0.2,
    "side-effect.destroys": 0.36,
    "side-effect.excuse": 0.2,
    "side-effect.foreign-tool": 0.2,
    "side-effect.link": 0.2,
    "side-effect.other-tool": 0.2,
    "side-effect.path": 0.41,
    "side-effect.replaces": 0.2,
    "side-effect.untold": 0.2,
    "side-effect.when-used": 0.2,
    "side-effect.whose-data": 0.2,
}
"""Rule -> what is left of the weight that its author gave it, where honest definitions say that it
tells less."""
