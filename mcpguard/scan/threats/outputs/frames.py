"""What makes a text an instruction: senses in an order, near one another."""

from typing import NamedTuple

from mcpguard.scan.threats.outputs.lexicon import Sense

__all__ = ["FRAMES", "Frame", "Step"]


S = Sense


class Step(NamedTuple):
    """A word with one of `senses`, at most `gap` words after the end of the step before."""

    senses: int
    gap: int = 0


class Frame(NamedTuple):
    """`rule` weighs `weight` where `steps` come one after another.

    `order`: the first step is an order: it begins a clause. `topic`: of the frames of one topic
    only the heaviest counts.
    """

    rule: str
    topic: str
    weight: float
    message: str
    steps: tuple[Step, ...]
    order: bool = False


_ANY_RULES = S.RULES | S.SOFT_RULES
_ANY_MODEL = S.MODEL | S.AGENT
_DEEDS = S.SEND | S.CALL | S.ACT | S.GRANT | S.LEAD
_OUT = S.LINK | S.MAIL | S.OUTSIDE
_STOPS = S.COLON | S.EDGE | S.COMMA | S.STOP | S.HASH


def _frames(rule: str, topic: str, message: str, *rows: tuple[object, ...]) -> list[Frame]:
    return [Frame(rule, topic, row[0], message, row[1], *row[2:]) for row in rows]  # type: ignore[arg-type]


def _s(*steps: tuple[int, int] | int) -> tuple[Step, ...]:
    return tuple(
        Step(int(each[0]), each[1]) if isinstance(each, tuple) else Step(int(each))
        for each in steps
    )


FRAMES: tuple[Frame, ...] = (
    *_frames(
        "output-override",
        "override",
        "it tells the model to ignore what it was told",
        (4.5, _s(S.VOID, (S.PRIOR, 5), (_ANY_RULES, 4))),
        (4.5, _s(S.VOID, (S.RULES, 5), (S.PRIOR, 3))),
        (4.5, _s(S.VOID, (S.YOUR, 4), (S.RULES, 4))),
        (3.5, _s(S.VOID, (S.YOUR, 4), (S.SOFT_RULES, 4))),
        (4.0, _s(S.VOID, (S.SYSTEM, 5), (S.RULES, 4))),
        (3.3, _s(S.VOID, (S.ALL, 2), (S.RULES, 4))),
        (2.5, _s(S.VOID, (S.ALL, 2), (S.SOFT_RULES, 4)), True),
        (2.5, _s(S.YOU, (S.VOID, 2), (S.ALL, 2), (_ANY_RULES, 4))),
        (3.0, _s(S.VOID, (S.ALL, 1), (S.PRIOR, 1), (_STOPS | S.AND | S.ANYONE, 0)), True),
        (1.6, _s(S.VOID, (S.ALL, 1)), True),
        (2.4, _s(S.VOID, (S.ALL, 1), (S.ANYONE, 1)), True),
        (3.3, _s(S.VOID, (S.GIVEN, 5))),
        (4.5, _s(S.PRIOR, (S.RULES, 4), (S.VOIDED, 5))),
        (4.5, _s(S.RULES, (S.VOIDED, 5))),
        (3.5, _s(S.YOUR, (S.SOFT_RULES, 3), (S.VOIDED, 3))),
        (3.3, _s(S.ALL, (_ANY_RULES, 2), (S.VOIDED, 3))),
        (3.0, _s(S.YOUR, (S.RULES, 2), (S.CANCELLED, 4))),
        (2.4, _s(S.PRIOR, (S.RULES, 2), (S.CANCELLED, 4))),
        (2.4, _s(S.PRIOR, (S.SOFT_RULES, 2), (S.CANCELLED, 4))),
        (2.4, _s(_ANY_RULES, (S.AUTHORITY, 3), (S.CANCELLED, 4))),
        (3.5, _s(S.NOT, (S.FOLLOW, 2), (S.PRIOR | S.YOUR | S.SYSTEM, 5), (_ANY_RULES, 4))),
        (3.0, _s(_ANY_RULES, (S.CANCELLED, 3), (S.YOU, 1))),
        (2.4, _s(S.VOID, (S.REQUESTS, 2), (S.USER, 3)), True),
        (2.0, _s(S.VOID, (S.USER, 2), (S.REQUESTS | S.RULES, 2))),
    ),
    *_frames(
        "output-switch",
        "switch",
        "it gives the model another task",
        (2.4, _s(S.SWITCH)),
        (2.4, _s(S.NEW_TASK), True),
        (2.4, _s(S.NEW_TASK, S.COLON)),
        (0.8, _s(S.ONWARD)),
        (2.0, _s(S.ONWARD, (S.YOU, 3), (S.MUST, 3))),
        (2.0, _s(S.ONWARD, (S.MUST, 2), (S.ANSWER, 2))),
        (1.9, _s(S.BEFORE, (S.TELL | S.SUMMARISE, 2), (S.USER, 4))),
        (1.2, _s(S.ASIDE)),
        (1.7, _s(S.BEFORE, (S.SUMMARISE, 3), (S.MUST | S.SEND | S.CALL | S.ACT, 8))),
        (1.4, _s(S.TOOL, S.CALL, (S.MUST, 2))),
        (1.6, _s(S.BEFORE, (S.GET, 1), (S.MUST, 8), (S.FOLLOW | S.SEND | S.CALL | S.LEAD, 2))),
        (2.4, _s(S.MUST, (S.FOLLOW, 3), (S.SWITCH | S.RULES, 6))),
        (1.2, _s(S.INSTEAD, (S.SEND | S.CALL, 1))),
        (1.6, _s(S.YOU, (S.MUST, 2), (S.CALL, 2), (S.TOOL, 4))),
        (1.6, _s(_ANY_MODEL, (S.MUST, 2), (S.CALL | S.SEND | S.ACT, 1), (S.TOOL, 2))),
        (3.0, _s(S.BEFORE, (S.CALL, 2), (S.TOOL, 2), (S.TOOL, 2))),
        (2.4, _s(S.BEFORE, (S.SEND, 1), (S.SECRET, 4))),
    ),
    *_frames(
        "output-leak",
        "leak",
        "it asks for the model's own instructions",
        (4.0, _s(S.LEAK, (S.YOUR, 4), (S.SYSTEM | S.HIDDEN | S.PRIOR, 2), (S.PROMPT, 2))),
        (3.0, _s(S.LEAK, (S.YOUR, 2), S.SYSTEM, S.NOTE)),
        (3.0, _s(S.GAVE)),
        (3.2, _s(S.LEAK, (S.SYSTEM, 4), (S.PROMPT, 1)), True),
        (3.2, _s(S.LEAK, (S.HIDDEN, 4), (S.PROMPT, 1)), True),
        (3.3, _s(S.LEAK, (S.RULES, 5), (S.GIVEN, 3))),
        (3.3, _s(S.LEAK, (S.YOUR, 3), (S.RULES, 2), (S.VERBATIM, 4))),
        (3.0, _s(S.SYSTEM, (S.PROMPT, 1), (S.ORDER, 3))),
        (1.6, _s(S.YOU, (S.LEAK | S.SEND, 3), (S.SECRET, 2))),
    ),
    *_frames(
        "output-persona",
        "persona",
        "it gives the model another part to play, without limits",
        (4.0, _s(S.YOU_NOW, (S.UNBOUND, 7))),
        (3.3, _s(S.YOU_NOW, (S.WITHOUT, 7), (S.RESTRICT, 3))),
        (1.2, _s(S.YOU_NOW)),
        (2.4, _s(S.YOU_NOW, (S.SPECIAL_MODE, 3))),
        (1.6, _s(S.ENABLE, (S.SPECIAL_MODE, 3)), True),
        (3.3, _s(S.YOU, (S.NOT, 3), (S.RESTRICT, 3))),
        (3.0, _s(S.ANSWER, (S.WITHOUT, 3), (S.RESTRICT, 3))),
        (3.0, _s(S.ANSWER, (S.UNBOUND, 3))),
        (2.6, _s(_ANY_MODEL, (S.WITHOUT, 2), (S.RESTRICT, 2))),
        (2.4, _s(S.SAFETY, (S.OFF, 4))),
        (2.4, _s(_ANY_MODEL, (S.UNBOUND, 1))),
        (1.6, _s(S.YOUR, (S.RESTRICT, 1), (S.OFF, 2))),
    ),
    *_frames(
        "output-obey",
        "obey",
        "it asks the model to do whatever it is told",
        (2.0, _s(S.ANSWER, (S.ALL, 3), (S.REQUESTS, 2))),
        (2.0, _s(S.REQUESTS, (S.ANSWER, 2), (S.ORDER, 1))),
        (1.4, _s(S.ANSWER, (S.FULLY, 2))),
        (1.4, _s(S.YOU, S.MAY, (S.FULLY, 2))),
        (2.0, _s(S.GRANT, (S.ALL, 1), (S.REQUESTS, 2)), True),
        (1.6, _s(S.GRANT, (S.ADMIN, 5)), True),
    ),
    *_frames(
        "output-authority",
        "authority",
        "it speaks as if it were the system, a developer or the user",
        (2.0, _s(S.AUTHORITY, (S.NOTE, 1), (_STOPS, 2)), True),
        (2.0, _s(S.NOTE, (S.AUTHORITY, 2), (S.COLON, 1)), True),
        (1.6, _s(S.NOTE, (S.AUTHORITY, 3)), True),
        (2.0, _s(S.NOTE, (S.YOUR, 2), (S.AUTHORITY, 1)), True),
        (1.8, _s(_ANY_MODEL, (S.ALLOWED, 2), (S.SEND | S.LEAK | S.CALL, 2))),
        (1.7, _s(S.OWNER_CLAIM)),
        (1.2, _s(S.OFFICE, (S.NOTE, 1), (_STOPS, 2)), True),
        (2.2, _s(S.HEADER), True),
        (1.2, _s(S.URGENT, (_STOPS, 2)), True),
        (2.4, _s(S.PERSON_CLAIM)),
        (1.3, _s(S.ROLE | _ANY_MODEL, S.COLON), True),
    ),
    *_frames(
        "output-address",
        "address",
        "it speaks to the model that reads it",
        (2.6, _s(S.NOTE_TO, (_ANY_MODEL, 3), (_STOPS, 4)), True),
        (2.4, _s(S.MODEL, (S.TOWARD, 1), (S.NOTE, 1), (S.COLON, 1))),
        (2.4, _s(S.MODEL, S.COMMA, (_DEEDS, 1)), True),
        (1.8, _s(S.AGENT, S.COMMA, (_DEEDS, 1)), True),
        (2.4, _s(S.MAIL, S.MODEL, (_DEEDS, 1))),
        (2.4, _s(S.CALLING, (_ANY_MODEL, 3), (_STOPS, 3)), True),
        (2.4, _s(S.URGENT, (S.MODEL, 1), (_STOPS, 1))),
        (1.8, _s(S.TOWARD, (_ANY_MODEL, 2), (S.COLON, 2)), True),
        (2.4, _s(S.MODEL, (S.COLON, 3), (_DEEDS | S.VOID, 1)), True),
        (2.4, _s(_ANY_MODEL, S.COMMA, (S.VOID, 1)), True),
        (2.4, _s(_ANY_MODEL, (S.READING, 2), (S.COMMA | S.COLON, 4))),
        (3.0, _s(S.MODEL, (S.READING, 4), (S.MUST, 3))),
        (1.8, _s(S.CALLING, (S.MODEL, 1), S.COMMA)),
        (2.4, _s(S.IF_YOU_ARE, (S.MODEL, 1))),
        (1.2, _s(S.NOTE, (S.TOWARD, 1), (_ANY_MODEL, 2))),
        (1.6, _s(_ANY_MODEL, (S.MUST, 2), (S.NOT, 2), (S.TELL, 2))),
        (2.0, _s(S.INTENDED, S.TOWARD, (_ANY_MODEL, 2))),
        (3.0, _s(_ANY_MODEL, (S.READING, 1), S.ANYONE | S.ARTICLE)),
        (2.4, _s(S.IF_YOU_ARE, S.ARTICLE, (S.MODEL, 2))),
        (1.6, _s(S.IF_YOU_ARE, S.ARTICLE, (S.AGENT, 2))),
        (1.8, _s(S.MODEL, (S.MUST, 2), (S.CALL | S.SEND | S.ACT | S.ADD | S.GRANT, 3))),
        (1.8, _s(S.MODEL, (S.MUST, 1), (S.TOOL, 8))),
        (1.4, _s(S.AGENT, (S.MUST, 2), (S.CALL | S.SEND | S.ACT | S.ADD | S.GRANT, 3))),
    ),
    *_frames(
        "output-conceal",
        "conceal",
        "it asks to keep something from the user",
        (2.3, _s(S.NOT, (S.TELL, 2), (S.USER, 4))),
        (2.3, _s(S.USER, (S.NOT, 2), (S.TELL_LAST, 2))),
        (2.3, _s(S.USER, (S.TELL_LAST, 2), (S.NOT, 1))),
        (2.0, _s(S.USER, (S.NOT, 3), (S.KNOW, 3))),
        (2.0, _s(S.UNNOTICED)),
        (2.3, _s(S.WITHOUT, (S.TELL, 1), (S.USER, 3))),
        (1.0, _s(S.SILENT)),
        (2.0, _s(S.NOT, (S.TELL, 1), (S.YOUR, 5), (S.REPLY, 1))),
        (1.2, _s(S.NOT, (S.TELL, 1), (S.ANYONE, 2)), True),
    ),
    *_frames(
        "output-persist",
        "persist",
        "it tells the model what its replies are to hold",
        (2.3, _s(S.ADD, (S.YOUR, 12), (S.MODEL_REPLY, 3))),
        (1.7, _s(S.ADD, (S.YOUR, 12), (S.REPLY, 3))),
        (2.4, _s(S.ENDING, (S.YOUR | S.ALL, 3), (S.REPLY, 2))),
        (2.4, _s(S.WHEN_YOU, (S.ASKED, 1), (S.SAY, 8))),
        (1.0, _s(S.WHEN_YOU, (S.ASKED, 1), (S.ANSWER | S.SEND | S.CALL, 10))),
        (2.3, _s(S.REMEMBER, (S.FUTURE, 3))),
        (2.3, _s(S.ADD, (S.FUTURE, 12))),
        (2.3, _s(S.ADDED, (S.FUTURE, 8))),
        (2.3, _s(S.FUTURE, (S.ADDED | S.ADD, 6))),
        (2.4, _s(S.WHEN_YOU, (S.SUMMARISE, 1), (S.MUST, 5))),
        (2.4, _s(S.REMEMBER, (S.YOUR, 8), (S.MEMORY, 2)), True),
        (1.5, _s(S.FUTURE)),
    ),
    *_frames(
        "output-action",
        "action",
        "it asks for an action, with a recipient",
        (3.2, _s(S.SEND, (S.SECRET, 8), (_OUT, 10)), True),
        (3.0, _s(S.ACT | S.CALL, (S.SECRET, 6), (S.SEND | S.ADD, 6), (_OUT, 8)), True),
        (3.0, _s(S.CALL, (S.SEND, 4), (S.DATA, 5), (S.OUTSIDE, 5), (S.LINK, 4)), True),
        (2.4, _s(S.MUST, (S.SECRET | S.DATA, 6), (S.MAIL | S.LINK, 6), (S.SEND, 5))),
        (3.0, _s(S.SECRET | S.DATA, (S.MAIL | S.LINK, 6), (S.ORDER, 5))),
        (2.4, _s(S.SEND, (S.SECRET, 6)), True),
        (2.1, _s(S.SEND, (S.DATA, 8), (_OUT, 10)), True),
        (2.2, _s(S.CALL, (S.SEND, 8), (_OUT, 12)), True),
        (1.6, _s(S.CALL, (S.TOOL, 5), (S.LINK | S.MAIL, 10)), True),
        (2.4, _s(S.SEND, (S.SECRET, 3), (S.OUTSIDE, 6))),
        (1.5, _s(S.SEND, (_OUT, 10)), True),
        (2.0, _s(S.SEND | S.LEAK | S.ACT, (S.SPOT, 6)), True),
        (1.2, _s(S.SEND | S.CALL | S.ACT, (S.PERSONAL | S.SECRET | S.DATA | S.TOOL, 8)), True),
        (1.0, _s(S.SEND), True),
        (0.7, _s(S.CALL | S.ACT | S.LEAK | S.ADD | S.ANSWER), True),
    ),
    *_frames(
        "output-todo",
        "todo",
        "it is a task that only the user can set",
        (3.2, _s(S.TODO, S.COLON, (S.SEND, 1), (S.PERSONAL | S.DATA | S.SECRET, 12)), True),
        (3.0, _s(S.TODO, S.COLON, (S.ACT | S.CALL, 1), (S.PERSONAL, 12)), True),
    ),
    *_frames(
        "output-decode",
        "decode",
        "it asks to decode something and to do what it says",
        (3.6, _s(S.DECODE, (S.OBEY_IT, 10))),
        (1.5, _s(S.OBEY_IT)),
    ),
    *_frames(
        "output-pretext",
        "pretext",
        "it gives a rule or an audit as the reason",
        (0.8, _s(S.REQUIRED, (S.PURPOSE, 3))),
        (0.8, _s(S.TOWARD, S.PURPOSE)),
    ),
    *_frames(
        "output-phishing",
        "phishing",
        "it asks for the key of a wallet",
        (3.3, _s(S.ENTER, (S.YOUR, 3), (S.SEED, 6)), True),
    ),
    *_frames(
        "output-image",
        "image",
        "it holds an address that carries data away",
        (3.1, _s(S.IMAGE)),
        (1.9, _s(S.BEACON)),
    ),
    *_frames(
        "output-unseen",
        "unseen",
        "it is styled so that a person does not see it",
        (1.0, _s(S.STYLED)),
    ),
    *_frames(
        "output-boundary",
        "markup",
        "it pretends that the data ends here",
        (2.2, _s(S.END_OF, (S.INPUT, 3), (S.HASH | S.EDGE | S.COMMENT, 2)), True),
        (2.4, _s(S.MARKUP)),
    ),
)
"""Every frame. The texts of a passage weigh what its heaviest frame of each topic weighs."""
