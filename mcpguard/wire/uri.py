"""URIs in normal form (RFC 3986) and the URI templates they may come from (RFC 6570).

A URI that is not already in normal form is refused, never normalised: a server may read `%2e%2e`,
`..` or an upper-case host in its own way, so only what everybody reads alike goes through.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re2

__all__ = ["MAX_PREFIX", "MAX_TEMPLATE", "MAX_URI", "MAX_VARIABLES", "Template", "is_normal"]

MAX_URI = 8192
"""Characters. Longer than any listed URI, short enough to be looked at one by one."""

MAX_TEMPLATE = 2048
"""Characters of a template: it is compiled, and comes from a server."""

MAX_VARIABLES = 16
"""Variables of one template: an expression's pattern grows with their square."""

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_ALPHA = _LOWER | {letter.upper() for letter in _LOWER}
_UNRESERVED = _ALPHA | _DIGITS | frozenset("-._~")
_SUB_DELIMS = frozenset("!$&'()*+,;=")
_RESERVED = frozenset(":/?#[]@") | _SUB_DELIMS
_ANY = _UNRESERVED | _RESERVED | {"%"}
_SCHEME = _LOWER | _DIGITS | frozenset("+-.")
_HOST = _LOWER | _DIGITS | frozenset("-._~") | _SUB_DELIMS
_HEX = frozenset("0123456789ABCDEF")
_ADDRESS = frozenset("0123456789abcdef:.")
_DELIMITERS = str.maketrans(dict.fromkeys(_RESERVED, "/"))

_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
"""Schemes with a default port, which normal form leaves out; they need a host and a path."""


class _Split(NamedTuple):
    scheme: str
    authority: str | None
    rest: str


def is_normal(uri: str) -> bool:
    """Whether `uri` is in the normal form of RFC 3986 section 6.2.2 and .3, and without tricks.

    Lower-case scheme and host, no user-info, no default or empty port, upper-case percent-encoding
    of valid UTF-8 and never of what needs none. Refused besides: `.` and `..` between any two
    delimiters (in a query too), an encoded slash, backslash, control character or
    percent-encoding, and raw text beyond ASCII (RFC 3987 has it percent-encoded).
    """
    if len(uri) > MAX_URI or not _characters_ok(uri):
        return False
    split = _split(uri)
    if split is None or not _encodings_ok(uri):
        return False
    if not {".", ".."}.isdisjoint(split.rest.translate(_DELIMITERS).split("/")):
        return False
    if split.authority is None:
        return not {"[", "]"} & set(split.rest) and split.scheme not in _PORTS
    return _hierarchy_ok(split, split.authority)


def _characters_ok(uri: str) -> bool:
    return _ANY.issuperset(uri)


def _split(uri: str) -> _Split | None:
    """RFC 3986 appendix B, by hand. None without a scheme in normal form."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not scheme or scheme[0] not in _LOWER or not _SCHEME.issuperset(scheme):
        return None
    if not rest.startswith("//"):
        return _Split(scheme, None, rest)
    hierarchy = rest[2:]
    end = min((at for at in map(hierarchy.find, "/?#") if at >= 0), default=len(rest))
    return _Split(scheme, hierarchy[:end], hierarchy[end:])


def _encodings_ok(uri: str) -> bool:
    pieces = uri.split("%")
    if len(pieces) == 1:
        return True
    if not all(map(_is_triplet, pieces[1:])):
        return False
    codes = [int(piece[:2], 16) for piece in pieces[1:]]
    if any(chr(code) in _UNRESERVED or code in _NEVER_ENCODED for code in codes):
        return False
    if any(_is_triplet(after.upper()) for after in uri.split("%25")[1:]):
        return False  # a second decoding would change the meaning
    return _is_utf8(uri)


_NEVER_ENCODED = frozenset(range(0x20)) | {ord("/"), ord("\\"), 0x7F}


def _is_triplet(after: str) -> bool:
    """Whether what stands behind a percent sign begins with two hexadecimal digits."""
    return len(after) > 1 and _HEX.issuperset(after[:2])


def _is_utf8(uri: str) -> bool:
    from urllib.parse import unquote_to_bytes  # only a URI that is encoded pays for it

    try:
        unquote_to_bytes(uri).decode()
    except UnicodeDecodeError:
        return False
    return True


def _hierarchy_ok(split: _Split, authority: str) -> bool:
    if {"[", "]"} & set(split.rest):
        return False
    if not authority and split.rest.startswith("//"):
        return False
    if split.scheme == "file" and authority == "localhost":
        return False
    if split.scheme in _PORTS and (not authority or not split.rest.startswith("/")):
        return False
    host, port = _host_and_port(authority)
    if port is not None and (not _port_ok(port) or port == _PORTS.get(split.scheme) or not host):
        return False
    return _literal_ok(host) if host.startswith("[") else _HOST.issuperset(host)


def _host_and_port(authority: str) -> tuple[str, str | None]:
    if authority.startswith("["):
        host, bracket, after = authority.partition("]")
        if after:
            return host + bracket, after[1:] if after.startswith(":") else ""
        return host + bracket, None
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _port_ok(port: str) -> bool:
    return 0 < len(port) <= 5 and _DIGITS.issuperset(port) and port[0] != "0"  # noqa: PLR2004


def _literal_ok(host: str) -> bool:
    """An IPv6 address in brackets, lower-case and without a zone."""
    inner = host[1:-1]
    return host.endswith("]") and bool(inner) and _ADDRESS.issuperset(inner)


# --- templates -----------------------------------------------------------------------------------


class _Operator(NamedTuple):
    """A row of RFC 6570 appendix A. `reserved`: reserved characters stand unencoded."""

    first: str
    separator: str
    named: bool = False
    equals_if_empty: bool = False
    reserved: bool = False


_OPERATORS = {
    "": _Operator("", ","),
    "+": _Operator("", ",", reserved=True),
    "#": _Operator("#", ",", reserved=True),
    ".": _Operator(".", "."),
    "/": _Operator("/", "/"),
    ";": _Operator(";", ";", named=True),
    "?": _Operator("?", "&", named=True, equals_if_empty=True),
    "&": _Operator("&", "&", named=True, equals_if_empty=True),
}
_IN_AUTHORITY = frozenset({"", "."})
"""Operators that may fill in a part of the authority; the others never add a character to it."""

_NAME = _ALPHA | _DIGITS | frozenset("_.%")
_NOT_LITERAL = frozenset('"<>\\^`|}') | {chr(code) for code in range(0x21)} | {"\x7f"}
MAX_PREFIX = 255
"""Characters. RFC 6570 section 2.4.1 has 9999, which takes RE2 seconds to compile."""


class _Variable(NamedTuple):
    name: str
    prefix: int = 0
    explode: bool = False


class _Expression(NamedTuple):
    operator: str
    variables: tuple[_Variable, ...]


_Part = str | _Expression


class Template:
    """A URI template of RFC 6570, levels 1 to 4, used backwards: is this URI one of its own?

    Tighter than the RFC where a server might be fooled: a value is never `.` or `..`, and only
    named variables (`;` `?` `&`) may be empty. `{var}` never spans a slash; `{+var}` does, but no
    two of them, within it or with what stands beside it (`docs/` and `/etc`), unless behind a colon
    as a URL's. The scheme and the authority of a match are the template's: a template that does not
    begin with a literal scheme matches nothing, and of the operators only `{var}` and `{.var}` can
    fill in a part of the authority.
    """

    __slots__ = ("_authority", "_held", "_parts", "_whole", "text")

    def __init__(self, text: str, parts: tuple[_Part, ...]) -> None:
        self.text = text
        self._whole: re2._Regexp[str] | None = None
        self._authority: re2._Regexp[str] | None = None
        self._held: list[re2._Regexp[str]] = []
        self._parts = parts
        if _scheme_is_literal(parts):
            self._whole = _compiled("".join(map(_pattern, parts)))
            authority = _authority_pattern(parts)
            self._authority = None if authority is None else _compiled(authority)

    @classmethod
    def parse(cls, text: str) -> "Template":
        """The template written as `text`.

        Raises:
            ValueError: Not a template of RFC 6570, or larger than the limits above.
        """
        if len(text) > MAX_TEMPLATE:
            raise ValueError(f"a URI template of more than {MAX_TEMPLATE} characters")
        parts = tuple(_parts(text))
        if (
            sum(len(part.variables) for part in parts if isinstance(part, _Expression))
            > MAX_VARIABLES
        ):
            raise ValueError(f"a URI template of more than {MAX_VARIABLES} variables")
        return cls(text, parts)

    @property
    def variables(self) -> frozenset[str]:
        """The names of its variables."""
        expressions = [each for each in self._parts if isinstance(each, _Expression)]
        return frozenset(each.name for every in expressions for each in every.variables)

    def matches(self, uri: str) -> bool:
        """Whether `uri` is in normal form and an expansion of this template. Linear time."""
        if self._whole is None or not is_normal(uri) or self._whole.fullmatch(uri) is None:
            return False
        split = _split(uri)
        if split is None or self._empties(uri, len(uri) - len(split.rest)):
            return False
        if split.authority is None or self._authority is None:
            return split.authority is None and self._authority is None
        return self._authority.fullmatch(split.authority) is not None

    def values(self, uri: str) -> Iterator[tuple[str, list[str]]]:
        """Each variable of a URI that matches, and what it holds, percent-decoded.

        That is its text whole and, for a list, its members. Where a URI can be divided in several
        ways, once with the first variables as long as can be, once with the last.

        Raises:
            ValueError: The template is too large to tell its variables apart.
        """
        for expression, variable, found, number in self._divided(uri):
            if text := found.group(number):
                yield variable.name, _readings(expression, variable, text)

    def _divided(self, uri: str) -> "Iterator[tuple[_Expression, _Variable, re2._Match[str], int]]":
        """Each variable of a URI that matches, and the group that holds it, in both divisions."""
        if not self._held:
            pattern = "".join(_pattern(part, "({})") for part in self._parts)
            self._held = [_compiled(pattern), _compiled(f"(?U:{pattern})")]
        expressions = [each for each in self._parts if isinstance(each, _Expression)]
        held = [(each, variable) for each in expressions for variable in _in_pattern(each)]
        for found in filter(None, (each.fullmatch(uri) for each in self._held)):
            for number, (expression, variable) in enumerate(held, start=1):
                yield expression, variable, found, number

    def _empties(self, uri: str, start: int) -> bool:
        """Whether a variable that spans slashes touches two of them, `start` and further on."""
        if "//" not in uri[start:]:
            return False
        pairs = (at for at in range(start, len(uri)) if uri.startswith("//", at))
        doubled = [at for at in pairs if uri[at - 1] != ":"]
        try:
            # A value of another variable neither begins nor ends with a slash, nor holds two.
            spans = [found.span(number) for _, _, found, number in self._divided(uri)]
        except ValueError:  # too large for its variables to be told apart
            return True
        return any(first - 1 <= at < end for at in doubled for first, end in spans)


def _parts(text: str) -> Iterator[_Part]:
    while text:
        literal, brace, rest = text.partition("{")
        if literal:
            yield _literal(literal)
        if not brace:
            return
        inner, brace, text = rest.partition("}")
        if not brace:
            raise ValueError("an expression without its closing brace")
        yield _expression(inner)


def _literal(text: str) -> str:
    """RFC 6570 section 3.1: as it stands, text beyond ASCII percent-encoded."""
    if not _NOT_LITERAL.isdisjoint(text):
        raise ValueError("a character that a URI template cannot hold")
    _refuse_bare_percent(text)
    return "".join(
        each if each.isascii() else "".join(f"%{byte:02X}" for byte in each.encode())
        for each in text
    )


def _refuse_bare_percent(text: str) -> None:
    if not all(_is_triplet(piece.upper()) for piece in text.split("%")[1:]):
        raise ValueError("a percent sign without two hexadecimal digits")


def _expression(inner: str) -> _Expression:
    operator = inner[:1] if inner[:1] in _OPERATORS else ""
    variables = tuple(_variable(each) for each in inner[len(operator) :].split(","))
    return _Expression(operator, variables)


def _variable(text: str) -> _Variable:
    explode = text.endswith("*")
    name, colon, prefix = text.removesuffix("*").partition(":")
    dots = name.startswith(".") or name.endswith(".") or ".." in name
    if not name or dots or not _NAME.issuperset(name):
        raise ValueError("an expression with a variable name that is not one")
    _refuse_bare_percent(name)
    if not colon:
        return _Variable(name, explode=explode)
    if explode or not 0 < len(prefix) <= 4 or not _DIGITS.issuperset(prefix):  # noqa: PLR2004
        raise ValueError(f"a prefix that is not a number up to {MAX_PREFIX}")
    if prefix[0] == "0" or int(prefix) > MAX_PREFIX:
        raise ValueError(f"a prefix that is not a number up to {MAX_PREFIX}")
    return _Variable(name, prefix=int(prefix))


def _scheme_is_literal(parts: tuple[_Part, ...]) -> bool:
    return bool(parts) and isinstance(parts[0], str) and _split(parts[0]) is not None


def _authority_pattern(parts: tuple[_Part, ...]) -> str | None:
    """What the authority must match; None when the template has none. Stops at its first end."""
    first = parts[0]
    scheme_and_rest = first.partition(":")[2] if isinstance(first, str) else ""
    if not scheme_and_rest.startswith("//"):
        return None
    pattern = ""
    for part in (scheme_and_rest[2:], *parts[1:]):
        if isinstance(part, _Expression):
            if part.operator not in _IN_AUTHORITY:
                break
            pattern += _pattern(part)
            continue
        end = min((at for at in map(part.find, "/?#") if at >= 0), default=-1)
        pattern += _escaped(part if end < 0 else part[:end])
        if end >= 0:
            break
    return pattern


def _compiled(pattern: str) -> "re2._Regexp[str]":
    import re2  # sessions without templates never pay for it

    options = re2.Options()  # among its defaults: 8 MiB at most for one program
    options.log_errors = False
    try:
        return re2.compile(f"(?:{pattern})", options)
    except re2.error as error:
        raise ValueError("a URI template too large to be matched") from error


def _escaped(text: str) -> str:
    return "".join(each if each.isalnum() else "\\" + each for each in text)


_ESCAPED_RESERVED = "".join("\\" + each for each in ":?#[]@!$&'()*+,;=")  # all but the slash
_ONE_TRIPLET = "%.."
_ONE_CHARACTER = "%[0-7].|%[CD].%..|%E.%..%..|%F.%..%..%.."
"""Of one to four bytes, where characters are counted; `is_normal` saw that it is UTF-8."""


def _one(more: str, dot: str, encoded: str) -> str:
    return f"(?:[A-Za-z0-9_~{dot}{more}\\-]|{encoded})"


def _bounded(character: str, at_least: int, at_most: int) -> str:
    """`character` that many times; `at_most` 0 is without end."""
    if not at_most:
        return character + ("+" if at_least else "*")
    return f"{character}{{{at_least},{at_most}}}"


def _not_dots(more: str, longest: int) -> str:
    """One to `longest` (0: any number of) characters that are neither `.` nor `..`."""
    encoded = _ONE_CHARACTER if longest else _ONE_TRIPLET
    other, any_one = _one(more, "", encoded), _one(more, ".", encoded)
    ways = ((other, 1, 0), (r"\." + other, 2, 0), (r"\.\.", 2, 1))
    usable = [
        head + _bounded(any_one, least, longest and longest - used)
        if not longest or longest > used
        else head
        for head, used, least in ways
        if not longest or longest >= used + least
    ]
    return f"(?:{'|'.join(usable)})"


def _item(operator: _Operator, prefix: int) -> str:
    """One value. With reserved characters it may hold slashes, but no dot segment."""
    if not operator.reserved:
        return _not_dots("", prefix)
    if prefix:
        return _bounded(_one(_ESCAPED_RESERVED + "/", ".", _ONE_CHARACTER), 1, prefix)
    segment = _not_dots(_ESCAPED_RESERVED, 0)
    return f"(?:{segment}(?:/{segment}?)*|(?:/{segment}?)+)"


def _value(operator: _Operator, variable: _Variable) -> str:
    """A string, a list or an associative array, as the operator writes it. Section 3.2.1."""
    item = _item(operator, variable.prefix)
    if variable.explode:
        pair = f"{item}(?:={item}?)?"
        return f"{pair}(?:{_escaped(operator.separator)}{pair})*"
    listed = item if variable.prefix else f"{item}(?:,{item})*"
    if not operator.named:
        return listed
    name = _escaped(variable.name)
    return f"{name}=(?:{listed})?" if operator.equals_if_empty else f"{name}(?:=(?:{listed}))?"


def _in_pattern(part: _Expression) -> list[_Variable]:
    """The variables in the order in which the values of `_pattern` stand."""
    operator, variables = _OPERATORS[part.operator], part.variables
    if operator.first == operator.separator:
        return [*variables]
    return [each for at in range(len(variables)) for each in variables[at:]]


def _readings(part: _Expression, variable: _Variable, text: str) -> list[str]:
    from urllib.parse import unquote  # only a read by a template pays for it

    operator = _OPERATORS[part.operator]
    whole = text.removeprefix(f"{variable.name}=") if operator.named else text
    listed = whole.replace(operator.separator, ",") if variable.explode else whole
    members = listed.split(",")
    values = [each.partition("=")[2] for each in members if variable.explode and "=" in each]
    return [*dict.fromkeys(map(unquote, (whole, *members, *values)))]


def _pattern(part: _Part, around: str = "{}") -> str:
    """`around`: what every value is put into."""
    if isinstance(part, str):
        return _escaped(part)
    operator = _OPERATORS[part.operator]
    values = [around.format(_value(operator, each)) for each in part.variables]
    separator = _escaped(operator.separator)
    build: Callable[[list[str], str], str] = (
        _each_optional if operator.first == operator.separator else _some_in_order
    )
    pattern = build(values, separator)
    if operator.first and operator.first != operator.separator:
        return f"(?:{_escaped(operator.first)}(?:{pattern}))?"
    return f"(?:{pattern})"


def _each_optional(values: list[str], separator: str) -> str:
    """Every value brings its own separator and may be undefined."""
    return "".join(f"(?:{separator}{value})?" for value in values)


def _some_in_order(values: list[str], separator: str) -> str:
    """At least one of the values, in order; undefined ones are left out with their separator."""
    return "|".join(
        f"{value}{_each_optional(values[index + 1 :], separator)}"
        for index, value in enumerate(values)
    )
