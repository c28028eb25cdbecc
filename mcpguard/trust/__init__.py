"""Trust: what was proved (level), what was observed (score), what is asked (tier). Never mixed.

    score.py     events -> score and dimensions; levels; the matrix of score and tier
    account.py   entries of one caller or server, in order -> what is kept of it
    fold.py      audit records -> entries -> standings
    shared.py    the copy that proxies share: a JSON value that grows by entries
    watch.py     what one session observes, collected on its messages' way
    policy.py    which tool asks for how much
    limits.py    how often: rates, budgets of a session, calls that fail again and again

No value of it is ever read from a message.
"""
