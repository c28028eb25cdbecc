"""Trust: what was proved (level), what was observed (score), what is asked (tier). Never mixed.

    score.py     events -> score and dimensions; levels; the matrix of score and tier
    fold.py      audit records -> events -> standings
    policy.py    which tool asks for how much
    limits.py    how often: rates, budgets of a session, calls that fail again and again

No value of it is ever read from a message.
"""
