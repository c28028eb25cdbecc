"""A text as the concepts it speaks of, one letter each, so that a rule can be about meaning.

"Never mention this to the user" and "no se lo digas al usuario" are NEG, TELL, USER. A rule is a
short pattern over these letters; `codes` also holds `.` where a sentence ends and `_` where more
than a few words stand between two concepts.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.scan.threats.text import normalise
from mcpguard.scan.threats.words import CONCEPTS

if TYPE_CHECKING:
    import re2

__all__ = ["CODES", "Reading", "form", "read"]

GAP = 48
"""Characters between two concepts, from which they are no longer next to each other."""

MEMORY = 32 * 1024 * 1024
"""Bytes that the automaton of all words may grow to. It needs 12 MiB for ordinary text; with 8 it
starts over again and again, forty times slower."""

_SPOKEN: Mapping[str, str] = {
    "URL": r"(?:https?|wss?|ftp)://[^\s\"'<>)\]`\x1f]+",
    "MAIL": r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+",
    "TAG": (
        r"<\s*/?\s*(?:important|system|critical|secret|instructions?|hidden|admin|priority|mandatory"
        r"|assistant|note|override|rules?|policy|urgent|attention|directive|sys|developer|tool_use|im_start)\b[^>\x1f]*>"
        r"|<\|[a-z_]+\|>|\[/?(?:inst|system|sys|admin|important|hidden|override|developer|secret|internal)\]|<<\s*/?sys\s*>>"
        r"|\[(?:system|admin|internal|developer|security|hidden|ai)[ _:-][^\]\n\x1f]*\]"
    ),
    "PATH": (
        r"(?:~|\$home|%userprofile%|/root|/home/[a-z0-9_.<>{}*-]+|/users/[a-z0-9_.<>{}*-]+)/\.[a-z0-9_./*-]+"
        r"|\bid_(?:rsa|ed25519|ecdsa|dsa)(?:\.pub)?\b|\bauthorized_keys\b|\bknown_hosts\b"
        r"|/etc/(?:passwd|shadow|sudoers|hosts|ssl|ssh)\b|/proc/self/environ\b"
        r"|\.(?:aws|ssh|gnupg|kube|docker|azure|gcloud|cursor|claude|vscode|codeium|config)/[a-z0-9_./*-]+"
        r"|\.(?:npmrc|netrc|pypirc|git-credentials|bash_history|zsh_history|pgpass|bashrc|zshrc|htpasswd)\b"
        r"|(?:^|[\s\"'`(/])\.env(?:\.[a-z]+)?\b|\b(?:mcp|claude_desktop_config|credentials|secrets|wallet)\.(?:json|ya?ml|dat|env)\b"
        r"|\b[a-z0-9_-]+\.(?:pem|kdbx|p12|pfx|keystore)\b|\blogin data\b|\bkeychain-db\b"
    ),
    "SHELL": (
        r"\b(?:curl|wget)\s+(?:-\S+\s+)*[\"']?(?:https?:|\$|-[a-z]|[a-z0-9.-]+\.[a-z]+/)|\bbash\s+-[ci]\b|\bsh\s+-c\b|\bchmod\s+(?:\+x|[0-7][0-7][0-7])|\brm\s+-[rf]+\b"
        r"|\bcat\s+(?:[~/$.][^\s]*|\S+\.\w+)|\bbase64\s+(?:-|<|[~/])|\bnc\s+-|\|\s*(?:ba|z)?sh\b|\bpython3?\s+-c\b|\bpowershell\s+-|\bos\.system\(|\bsubprocess\.|\beval\(|\bexec\(|\bscp\s+\S|\bssh-keygen\b"
        r"|\bpip3?\s+install\b|\bnpm\s+(?:install|i)\b|\bcrontab\b|\becho\s+[\"'$][^|>\x1f\n]*>+|\bsudo\s+\w|\bnpx\s+-y\b|\btouch\s+[~/]|\bprintenv\b|\bwhoami\b|\binvoke-expression\b|\biex\b|\bnslookup\s|\bdig\s+\+"
    ),
    "IDENT": r"`[a-z][a-z0-9_.-]+(?:\(\))?`|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b|(?-i:\b[a-z]+[0-9]*(?:[A-Z][a-z0-9]+)+\b)|\b[a-z][a-z0-9]+(?:-[a-z0-9]+)*\(\)",
}
"""Concepts of more than words."""

_ENDS = r"[.]+(?:[\s\"')\]]|$)|[!?。।؟]|\n\s*\n|\n\s*[-*•]\s|\x1f|;\s"
_WORD_SCRIPTS = r"\p{Arabic}+|\p{Devanagari}+"

_NAMES = (*CONCEPTS, *_SPOKEN)
CODES: dict[str, str] = {
    name: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[number]
    for number, name in enumerate(_NAMES)
}
"""Concept -> its letter."""

_ANY = "[A-Za-z_]"
_SHORT, _LONG = 3, 8
"""Concepts that may stand between two others of a form, at `~` and `~~`."""


class Reading(NamedTuple):
    """`codes` of a text, and for each letter the bytes of the text's UTF-8 it stands for."""

    codes: str
    spans: list[tuple[int, int]]


def form(written: str) -> str:
    """The pattern over codes that `A|B ~ C ~~ D` means. Raises KeyError for an unknown concept."""
    parts = []
    for word in written.split():
        if word.startswith("~"):
            parts.append(f"{_ANY}{{0,{_LONG if word == '~~' else _SHORT}}}")
        else:
            letters = "".join(CODES[each] for each in word.split("|"))
            parts.append(f"[{letters}]" if len(letters) > 1 else letters)
    return "".join(parts)


def read(raw: bytes) -> Reading:
    """The concepts of a reading, given as UTF-8, in order."""
    codes: list[str] = []
    spans: list[tuple[int, int]] = []
    known, last = _known(), 0
    for match in _words().finditer(raw):
        span = match.span()
        word = raw[span[0] : span[1]]
        code = known.get(word) or _code(word)
        if not code:
            continue
        if span[0] - last > GAP and codes:
            codes.append("_")
            spans.append((last, span[0]))
        last = span[1]
        codes.append(code)
        spans.append(span)
    return Reading("".join(codes), spans)


@cache
def _vocabulary() -> dict[str, str]:
    """Word, folded as a reading is -> code."""
    found: dict[str, str] = {}
    for name, words in CONCEPTS.items():
        for word in words.split(";"):
            bare = " ".join(normalise(word).text.lower().split())
            if bare:
                found.setdefault(bare, CODES[name])
    return found


@cache
def _known() -> dict[bytes, str]:
    return {word.encode(): code for word, code in _vocabulary().items()}


@cache
def _words() -> "re2._Regexp[bytes]":
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.longest_match = True
    options.log_errors = False
    options.max_mem = MEMORY
    latin, rest = [], []
    for word in _vocabulary():
        pattern = r"[\s_-]+".join(re2.escape(part) for part in word.rstrip("*").split())
        first = word[0]
        if word.endswith("*"):
            latin.append(rf"{pattern}[a-z]*")
        elif first.isascii():
            latin.append(pattern)
        elif " " in word or not _worded(first):
            rest.append(pattern)
    spoken = "|".join(_SPOKEN.values())
    each = (rf"\b(?:{'|'.join(latin)})\b", "|".join(rest), _WORD_SCRIPTS, spoken, _ENDS)
    return re2.compile("|".join(each), options)


def _worded(letter: str) -> bool:
    """Whether the script puts spaces between words and has no upper case."""
    return "\u0600" <= letter < "\u0980"


@lru_cache(maxsize=8192)
def _code(word: bytes) -> str:
    """The code of what the automaton found and the table has in another form; empty for none."""
    text = word.decode("utf-8", "replace")
    if _ended(text):
        return "."
    bare = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    found = _vocabulary().get(bare) or _vocabulary().get(" ".join(text.lower().split()))
    if found:
        return found
    if _worded(text[0]):
        return next((code for form in _stems(text) if (code := _vocabulary().get(form))), "")
    return _spoken(word) or _starred(bare)


def _ended(text: str) -> bool:
    return (
        text[0] in ".!?。।؟\n\x1f;"
        and text[1:2] not in "abcdefghijklmnopqrstuvwxyz"
        or not text.strip()
    )


_PREFIXES = ("وال", "بال", "فال", "كال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "س", "ت", "ي", "ن")
_SUFFIXES = ("ها", "هم", "نا", "كم", "ات", "ه", "ك", "ي", "ا", "ة", "ت")


def _stems(word: str) -> Iterator[str]:
    """An Arabic word without what is written together with it; a Hindi one without its ending."""
    if word[0] >= "\u0900":
        yield from (word[:-1], word[:-2])
        return
    fronts = [word, *(word[len(each) :] for each in _PREFIXES if word.startswith(each))]
    for front in fronts:
        if len(front) > _SHORT:
            yield front
            yield from (front[: -len(each)] for each in _SUFFIXES if front.endswith(each))


@cache
def _spoken_patterns() -> tuple[tuple[str, "re2._Regexp[bytes]"], ...]:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    return tuple(
        (CODES[name], re2.compile(rf"\A(?:{pattern})\z", options))
        for name, pattern in _SPOKEN.items()
    )


def _spoken(word: bytes) -> str:
    return next((code for code, regex in _spoken_patterns() if regex.search(word)), "")


def _starred(word: str) -> str:
    for known, code in _vocabulary().items():
        if known.endswith("*") and word.startswith(known[:-1]):
            return code
    return ""
