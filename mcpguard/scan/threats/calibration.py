"""What signals weigh, and the lines of the score. Written by `scripts/calibrate`."""

__all__ = ["BLOCK", "LEAST", "REVIEW", "SHARES", "SLOPE"]

REVIEW = 3.0
"""Score from which a person should look."""

BLOCK = 6.0
"""Score from which a definition is not shown."""

SLOPE = 1.38
"""What each one of a sentence's log-odds weighs."""

LEAST = -1.87
"""Log-odds of a sentence up to which it weighs nothing."""

SHARES: dict[str, float] = {
    "authority.for-data": 0.63,
    "authority.label": 0.2,
    "authority.orders": 0.39,
    "collecting.about-user": 0.2,
    "collecting.conversation": 0.2,
    "collecting.of-the-model": 0.2,
    "collecting.order-in-name": 0.36,
    "collecting.personal-1": 0.2,
    "collecting.personal-2": 0.2,
    "collecting.personal-3": 0.2,
    "collecting.prompt": 0.2,
    "collecting.secrets": 0.2,
    "collecting.whole-conversation": 0.2,
    "command.ordered": 0.2,
    "command.spelt-out": 0.9,
    "concealment.from-user": 0.5,
    "concealment.no-consent": 0.2,
    "concealment.silent": 0.2,
    "concealment.unasked": 0.2,
    "exfiltration.beside-the-point": 0.2,
    "exfiltration.destination": 0.23,
    "exfiltration.private-file": 0.37,
    "exfiltration.read-then-send": 0.2,
    "exfiltration.through-tool": 0.58,
    "exfiltration.to-somebody": 0.2,
    "instruction.every-response": 0.44,
    "instruction.ignore-rules": 0.5,
    "instruction.ignores-some": 0.2,
    "instruction.new-role": 0.79,
    "instruction.or-else": 0.2,
    "instruction.precondition": 0.2,
    "instruction.scripted": 0.2,
    "instruction.tag": 0.55,
    "instruction.to-model": 0.2,
    "instruction.weakens": 0.2,
    "instruction.when-user": 0.2,
    "override.user": 0.2,
    "override.value": 0.2,
    "promotion.always-this": 0.2,
    "promotion.best-of-all": 0.38,
    "promotion.best-so-use-it": 0.2,
    "promotion.compares": 0.2,
    "promotion.every-time": 0.2,
    "promotion.excludes": 0.2,
    "promotion.others-worse": 0.35,
    "promotion.over-named": 0.2,
    "promotion.over-others": 0.2,
    "promotion.praise": 0.2,
    "redirect.other-gone": 0.35,
    "redirect.replaces": 0.2,
    "shadowing.foreign-arguments": 0.2,
    "shadowing.gate": 0.2,
    "shadowing.rewires": 0.28,
    "side-effect.address": 0.88,
    "side-effect.all-of-them": 0.2,
    "side-effect.destroys": 0.35,
    "side-effect.excuse": 0.2,
    "side-effect.foreign-tool": 0.2,
    "side-effect.link": 0.2,
    "side-effect.other-tool": 0.2,
    "side-effect.path": 0.38,
    "side-effect.replaces": 0.2,
    "side-effect.untold": 0.2,
    "side-effect.when-used": 0.2,
    "side-effect.whose-data": 0.2,
}
"""Rule -> what is left of the weight that its author gave it, where honest definitions say that it
tells less."""
