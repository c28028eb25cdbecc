"""The promises mcpguard makes: what each says, whence it comes, and a change that breaks it.

`GUARANTEES` maps an id (`room:short-name`) to its `Guarantee`. Three things hold, and
tests/test_guarantees.py and the `mutants` gate of scripts/check keep them so:

- every id is worn by at least one test (`@pytest.mark.guarantee("room:short-name")`), and every
  worn id is here;
- the table in .github/SECURITY.md is `render()` of this file (`scripts/guarantees --write`);
- with its `Mutant` applied to a copy of the package, at least one of the tests that wear it fails.

Standard library only: scripts/guarantees imports it before anything is installed.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
BEGIN = "<!-- guarantees: begin (rendered by scripts/guarantees --write) -->"
END = "<!-- guarantees: end -->"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A textual change: `old`, once in `file` (relative to mcpguard/), becomes `new`."""

    file: str
    old: str
    new: str

    def apply(self, package: Path) -> None:
        """Change the copy of the package in `package`.

        Raises:
            ValueError: `old` is not there exactly once, or the result is not Python.
        """
        path = package / self.file
        text = path.read_text("utf-8")
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.file}: {self.old!r} occurs {found} times, must be once")
        changed = text.replace(self.old, self.new)
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise ValueError(f"{self.file}: the mutant is not Python: {error}") from error
        path.write_text(changed, "utf-8")


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One promise. `source`: the SECURITY.md section, RFC or MCP specification behind it."""

    source: str
    behaviour: str
    mutant: Mutant


_WIRE = "The rules: wire"
_LOCKFILE = "The rules: lockfile"
_SESSION = "The rules: session"
_DECISION = "The rules: decision"
_AUDIT = "The rules: audit log"
_PROCESS = "The rules: process"

GUARANTEES: Mapping[str, Guarantee] = {
    "audit:arguments-keyed": Guarantee(
        _AUDIT,
        "Argument values appear in the log only as a BLAKE2b digest under this install's key.",
        Mutant("audit/chain.py", 'args = told.pop("args")', 'args = told["args"]'),
    ),
    "audit:bounded-line": Guarantee(
        _AUDIT,
        "Nothing a peer sends makes a log line longer than its limit.",
        Mutant("audit/record.py", "kept = text[:MAX_TEXT].encode(", "kept = text.encode("),
    ),
    "audit:changed-line": Guarantee(
        _AUDIT,
        "A changed line is found and named.",
        Mutant(
            "audit/verify.py",
            "if text.endswith(seal) and len(text) > SEAL_LENGTH",
            "if len(text) > SEAL_LENGTH",
        ),
    ),
    "audit:clock-orders-nothing": Guarantee(
        _AUDIT,
        "A clock that goes back or stands still changes no order and breaks no chain.",
        Mutant("audit/chain.py", "seq = self._seq + 1\n", "seq = int(self._clock())\n"),
    ),
    "audit:decision-fields": Guarantee(
        _AUDIT,
        "Every decision record has every field, given or not.",
        Mutant(
            "audit/record.py", "{**self._event, **BLANK, **defaults}", "{**self._event, **defaults}"
        ),
    ),
    "audit:every-byte-covered": Guarantee(
        _AUDIT,
        "Any one byte changed, removed or added is found.",
        Mutant("audit/verify.py", "text.endswith(seal)", "seal[9:40] in text"),
    ),
    "audit:failed-sync-refuses": Guarantee(
        _AUDIT,
        "When the disk did not take earlier records, the next batch is refused and that is logged.",
        Mutant("audit/chain.py", "if self.syncer.failure:", "if False:"),
    ),
    "audit:first-line-covered": Guarantee(
        _AUDIT,
        "What is done to the first line is found.",
        Mutant(
            "audit/verify.py",
            'if digest and record.get("seq") == number:',
            "if number == 1 or digest:",
        ),
    ),
    "audit:inserted-line": Guarantee(
        _AUDIT,
        "An inserted line is found and named, the one behind the last included.",
        Mutant("audit/verify.py", "if self.stray:", "if False:"),
    ),
    "audit:killed-at-any-byte": Guarantee(
        _AUDIT,
        "A log cut at any byte by a kill is intact up to its last whole line and goes on there.",
        Mutant("audit/logfile.py", 'cut = tail.rfind(b"\\n") + 1', "cut = len(tail)"),
    ),
    "audit:last-line-covered": Guarantee(
        _AUDIT,
        "What is done to the last line is found.",
        Mutant(
            "audit/verify.py",
            'if digest and record.get("seq") == number:',
            'if record.get("seq") == number:',
        ),
    ),
    "audit:never-into-nowhere": Guarantee(
        _AUDIT,
        "A log that was deleted, replaced, cut or moved away refuses the next batch.",
        Mutant("audit/chain.py", "if not status.st_nlink:", "if False:"),
    ),
    "audit:one-chain-across-sessions": Guarantee(
        _AUDIT,
        "A new session chains onto the last line of the one before.",
        Mutant("audit/chain.py", "self._previous = file.previous", "self._previous = bytes(32)"),
    ),
    "audit:one-writer": Guarantee(
        _AUDIT,
        "Two processes never write one log; a killed one frees it.",
        Mutant(
            "audit/logfile.py", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"
        ),
    ),
    "audit:open-session-named": Guarantee(
        _AUDIT,
        "A session without its closing record is named, and not called tampering.",
        Mutant("audit/verify.py", "self.unclosed.append(self.open)", 'self.open = ""'),
    ),
    "audit:private-file": Guarantee(
        _AUDIT,
        "The log is readable by its owner only.",
        Mutant("audit/logfile.py", "_FLAGS, 0o600", "_FLAGS, 0o644"),
    ),
    "audit:private-key": Guarantee(
        _AUDIT,
        "The key of this install is private; one that others can reach is refused.",
        Mutant("audit/key.py", "_OTHERS = stat.S_IRWXG | stat.S_IRWXO", "_OTHERS = 0"),
    ),
    "audit:removed-line": Guarantee(
        _AUDIT,
        "Removed lines are found, named and counted.",
        Mutant("audit/diagnose.py", "gone = sum(map(len, missing)) - garbled", "gone = 0"),
    ),
    "audit:reordered-lines": Guarantee(
        _AUDIT,
        "Lines that were moved are found and named.",
        Mutant("audit/diagnose.py", "moved = _moved(runs, kept)", "moved = list[_Run]()"),
    ),
    "audit:short-write-undone": Guarantee(
        _AUDIT,
        "A write that the disk took only in part is taken back: no record of it stays.",
        Mutant("audit/chain.py", "os.ftruncate(self._fd, self._size)", "os.fstat(self._fd)"),
    ),
    "audit:spliced-logs": Guarantee(
        _AUDIT,
        "Two logs put together are found.",
        Mutant("audit/diagnose.py", "run.second_session == head.session != known", "False"),
    ),
    "audit:torn-tail-marked": Guarantee(
        _AUDIT,
        "A last write that did not finish is reported as torn and written into the next session.",
        Mutant("audit/chain.py", 'told["torn"] = file.torn\n', 'told["torn"] = 0\n'),
    ),
    "audit:verify-exit-codes": Guarantee(
        _AUDIT,
        "`audit verify` exits 0 for intact, 1 for tampered, 2 when it could not be found out.",
        Mutant("cli/audit.py", '"tampered": 1, "empty": 2', '"tampered": 1, "empty": 0'),
    ),
    "audit:withheld-counted": Guarantee(
        _AUDIT,
        "Records that could not be written are counted in the first record that can.",
        Mutant("audit/chain.py", "len(self._batch) - (1 if self._gap else 0)", "len(self._batch)"),
    ),
    "audit:written-before-sent": Guarantee(
        _AUDIT,
        "What was flushed is in the file, before anything it is about goes on.",
        Mutant("audit/chain.py", "written = os.write(self._fd, data)", "written = len(data)"),
    ),
}


def render() -> str:
    """The table of SECURITY.md, markers included, ids in alphabetical order."""
    rows = [
        f"| `{name}` | {item.behaviour} | {item.source} |"
        for name, item in sorted(GUARANTEES.items())
    ]
    return "\n".join([BEGIN, "", "| id | promise | source |", "|---|---|---|", *rows, "", END])


def worn() -> dict[str, tuple[Path, ...]]:
    """Each id that some test wears -> the test files in which it does, unit tests first."""
    found: dict[str, set[Path]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name in _ids(ast.parse(path.read_text("utf-8"))):
            found.setdefault(name, set()).add(path)
    return {name: tuple(sorted(paths, key=_cheapest)) for name, paths in sorted(found.items())}


def _ids(tree: ast.AST) -> Iterator[str]:
    """The literal arguments of every `...guarantee(...)` call; a computed one is an error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "guarantee":
            for argument in node.args:
                if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                    raise TypeError(f"line {node.lineno}: guarantee() takes string literals")
                yield argument.value


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _cheapest(path: Path) -> tuple[int, str]:
    """Sorts unit tests before fuzz, faults and integration: a mutant should die early."""
    order = ("unit", "fuzz", "faults", "integration")
    folder = path.relative_to(TESTS).parts[0]
    return (order.index(folder) if folder in order else 0, str(path))
