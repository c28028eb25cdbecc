"""How much a sentence reads like those that steer a model: a linear classifier that was trained.

    fastpath/    what is done for every sentence, in Python and in C
    features.py  a text as sentences, a sentence as the numbers of its features
    manner.py    what the words of a sentence do not say, as numbers as well
    model.py     the weights of the features, and the log-odds they add up to
    *.bin        what scripts/train learned, from texts of this project and from honest servers

Rules find what somebody thought of. This finds what is said in other words, in any order, and by
itself proves nothing: it is one signal among the others, and decision 28 says how it was made.
"""

from mcpguard.scan.threats.classifier.fastpath import Sentence
from mcpguard.scan.threats.classifier.features import Topic, sentences, topic, units
from mcpguard.scan.threats.classifier.manner import brought, listed
from mcpguard.scan.threats.classifier.model import Model, learned

__all__ = [
    "Model",
    "Sentence",
    "Topic",
    "brought",
    "learned",
    "listed",
    "sentences",
    "topic",
    "units",
]
