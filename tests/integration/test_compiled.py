"""The parts in C: they run here, refuse what they cannot read, and are built where they can be."""

import _hashlib
import gc
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import weakref
import zipfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.fastpath import compiled
from mcpguard.audit.record import Form
from mcpguard.audit.verify import verify
from mcpguard.model import UP, Allowed
from mcpguard.scan.threats import classifier
from mcpguard.scan.threats.classifier.fastpath import Sentence
from mcpguard.scan.threats.classifier.fastpath import compiled as scanning
from mcpguard.scan.threats.text import lowered
from tests.tools import ROOT
from tests.unit.audit.logs import NOON, opened

READ = Allowed(UP, "tools/call", "read")


def put(log: object, **members: object) -> None:
    """Set what the log's own code alone sets."""
    for name, value in members.items():
        setattr(log, name, value)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """One that would take `READ` the short way."""
    made = opened(tmp_path / "audit.jsonl", clock=lambda: NOON)
    for _ in range(2):
        made.write([(READ, b"")])
    assert made.allow(READ, b"{}")
    return made


def test_the_log_is_the_compiled_one() -> None:
    assert issubclass(AuditLog, compiled.FastPath)


WRITES = """
import sys
{first}
from pathlib import Path
from mcpguard.audit.fastpath import compiled, python
from tests.unit.audit.logs import opened
from mcpguard.model import UP, Allowed
told = Allowed(UP, "tools/call", "read")
log = opened(Path(sys.argv[1]), clock=lambda: 1_790_000_000.25)
log.write([(told, b"")])
log.write([(told, b"")])
assert log.allow(told, b"{{}}")
log.write([(told, b"{{}}")] * 3)
log.close()
assert compiled.perfect(bytes(256)) == python.perfect(bytes(256))
print(compiled.HASHES)
"""


LIBRARY = """
#include <string.h>
void *EVP_MD_CTX_new(void) { return "context"; }
const void *EVP_sha256(void) { return "kind"; }
int EVP_DigestInit_ex(void *context, const void *kind, void *engine) { return 1; }
int EVP_DigestUpdate(void *context, const void *data, size_t size) { return 1; }
int NAMED(void *context, unsigned char *digest, unsigned int *size) {
    memset(digest, 7, 32);
    *size = 32;
    return DONE;
}
"""
"""What has the functions of OpenSSL, and another hash."""

OTHERWISE = """
import ctypes, hashlib, types
other = types.ModuleType("_hashlib")
other.__file__ = ctypes.CDLL(sys.argv[2])._name
sys.modules["_hashlib"] = other
"""


@pytest.mark.parametrize(
    ("first", "flags", "hashes"),
    [
        ("", (), "OpenSSL"),
        ("sys.modules['_hashlib'] = None", (), "hashlib"),
        (OTHERWISE, ("-DNAMED=EVP_DigestFinal_ex", "-DDONE=1"), "hashlib"),
        (OTHERWISE, ("-DNAMED=EVP_DigestFinal_ex", "-DDONE=0"), "hashlib"),
        (OTHERWISE, ("-DNAMED=EVP_DigestFinal", "-DDONE=1"), "hashlib"),
    ],
    ids=["as it is", "no OpenSSL", "another hash", "no hash", "a function is missing"],
)
def test_a_line_has_the_same_hash_whoever_is_asked(
    first: str, flags: tuple[str, ...], hashes: str, tmp_path: Path
) -> None:
    if getattr(_hashlib, "__file__", None) is None:  # OpenSSL is inside the interpreter
        hashes = "hashlib"
    source, library, log = (tmp_path / name for name in ("other.c", "other.so", "audit.jsonl"))
    if flags:
        source.write_text(LIBRARY, "ascii")
        make = ["cc", "-shared", "-fPIC", *flags, str(source), "-o", str(library)]
        subprocess.run(make, check=True)
    done = subprocess.run(
        [sys.executable, "-c", WRITES.format(first=first), str(log), str(library)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{hashes}\n", "")
    assert verify(log).intact


class Odd:
    """Of a type that nobody expects; asked for anything, it fails."""

    def __getattr__(self, name: str) -> object:
        raise OSError(name)


def fails() -> float:
    raise OSError("no clock")


ATTRIBUTES: dict[str, tuple[str, object, type[Exception]]] = {
    "a clock that fails": ("_clock", fails, OSError),
    "a clock that says words": ("_clock", lambda: "noon", TypeError),
    "no clock": ("_clock", None, TypeError),
    "a hash that is too short": ("_previous", bytes(31), TypeError),
    "a hash in words": ("_previous", "0" * 32, TypeError),
    "a second in words": ("_second_text", "2026", TypeError),
    "hashes as bytes": ("_fresh", b"", TypeError),
    "a list of forms": ("_forms", [], TypeError),
    "a form of three parts": ("_forms", {READ: Form((b"", b"", b""))}, TypeError),  # type: ignore[arg-type]
    "a form of words": ("_forms", {READ: Form(("", "", "", ""))}, TypeError),  # type: ignore[arg-type]
    "no form": ("_forms", {READ: Odd()}, OSError),
    "what was told as a tuple": ("_told", (), TypeError),
    "a short digest": ("_keyed", blake2b(digest_size=16), TypeError),
    "no digest": ("_keyed", Odd(), OSError),
    "nobody who syncs": ("syncer", Odd(), OSError),
}


@pytest.mark.parametrize(("name", "value", "error"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_what_cannot_be_read_is_an_error_and_nothing_is_written(
    log: AuditLog, name: str, value: object, error: type[Exception]
) -> None:
    right, seq, left = getattr(log, name), log.seq, log.path.read_bytes()
    setattr(log, name, value)
    with pytest.raises(error):
        log.allow(READ, b"{}")
    if name not in {"_clock", "syncer"}:  # of those it asks nothing
        with pytest.raises(error):
            log.usual([(READ, b"{}")], NOON)
    assert (log.seq, log.path.read_bytes()) == (seq, left)
    setattr(log, name, right)
    assert log.allow(READ, b"{}")


@pytest.mark.parametrize("given", [(), (READ,), (READ, "{}"), (READ, None), (READ, b"", 1)])
def test_what_is_not_asked_for_is_refused(log: AuditLog, given: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        log.allow(*given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [(), ([],), ([], "noon"), (None, NOON), (5, NOON), ([], NOON, 1)])
def test_nor_is_it_for_several(log: AuditLog, given: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        log.usual(*given)  # type: ignore[arg-type]


ODD_RECORDS: list[object] = [
    None,
    (),
    (READ,),
    (READ, b"", b""),
    (READ, "{}"),
    (READ, None),
    [READ, b""],
    ("read", b""),
    ({}, b""),
    (tuple(READ), b""),
    (READ, bytearray(b"{}")),
]


@pytest.mark.parametrize("record", ODD_RECORDS)
@pytest.mark.parametrize("after", [0, 1, 40])
def test_what_is_no_usual_record_is_left_to_the_long_way(
    log: AuditLog, record: object, after: int
) -> None:
    records: list[object] = [*[(READ, b"{}")] * after, record]
    assert log.usual(records, NOON) is None  # type: ignore[arg-type]


def test_a_record_whose_words_cannot_be_looked_up_is_an_error(log: AuditLog) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        log.usual([(Allowed(UP, "tools/call", []), b"")], NOON)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [compiled.FastPath, AuditLog])
def test_a_log_that_was_never_set_up_writes_nothing(kind: type[compiled.FastPath]) -> None:
    with pytest.raises(TypeError, match="not set up"):
        kind.__new__(kind).allow(READ, b"")
    new = kind.__new__(kind)
    with pytest.raises(TypeError, match="not set up"):
        new.usual([], 0.0)


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("size", [3912, 3913, 3990, 4096, 100_000])
def test_what_has_no_room_is_left_to_the_long_way(log: AuditLog, part: int, size: int) -> None:
    parts = [b"a", b"b", b"c", b"d"]
    parts[part] *= size
    first, then, after, last = parts
    put(log, _forms={READ: Form((first, then, after, last))})
    seq, left = log.seq, log.path.read_bytes()
    took = log.allow(READ, b"{}")
    assert took is (size <= 3912)
    assert log.seq == seq + took
    assert (log.path.read_bytes() == left) is not took


def test_a_disk_that_fails_after_a_record_is_told_and_the_record_is_there(log: AuditLog) -> None:
    class Failing:
        failure = ""
        pending = False

        def wrote(self, seq: int) -> None:
            raise OSError("no thread")

    right, seq = log.syncer, log.seq
    put(log, _grouped=True, syncer=Failing())
    with pytest.raises(OSError, match="no thread"):
        log.allow(READ, b"")
    put(log, _grouped=False, syncer=right)
    assert log.seq == seq + 1
    assert log.size == log.path.stat().st_size
    assert log.allow(READ, b"")


def often(log: AuditLog) -> None:
    """Every way through: taken, left, and refused."""
    usual = {name: getattr(log, name) for name in ("_forms", "_keyed", "_long")}
    for number in range(2000):
        put(log, **usual | {"_long": sys.maxsize if number % 3 else 0})
        log.allow(READ, b"{}" if number % 2 else b"")
        log.allow(Allowed(UP, "tools/call", "other"), b"")
        put(log, _forms={READ: Form((b"x" * 5000, b"", b"", b""))})
        log.allow(READ, b"{}")
        put(log, **usual | {"_long": sys.maxsize, "_keyed": blake2b(digest_size=16)})
        with pytest.raises(TypeError):
            log.allow(READ, b"{}")
        with pytest.raises(TypeError):
            log.usual([(READ, b""), (READ, b"{}")], NOON)
        put(log, **usual)
        assert log.usual([(READ, b"{}"), (READ, b"")] * 9, NOON) is not None
        assert log.usual([(READ, b"{}"), (READ, "")], NOON) is None  # type: ignore[list-item]
        assert compiled.perfect(bytes(64)) != compiled.perfect(bytes(32))
    put(log, **usual)
    log.tell()
    log.fresh()


def test_nothing_is_kept_of_what_was_written(log: AuditLog) -> None:
    often(log)
    gc.collect()
    before = sys.getallocatedblocks()
    often(log)
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


def test_a_log_that_only_knows_itself_goes() -> None:
    class Known(compiled.FastPath):
        __slots__ = ("__weakref__",)

    one = Known()
    put(one, _clock=one.allow)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


# --- the scanner's -------------------------------------------------------------------------------

WEIGHTS = bytes(1 << 18)
ONE = Sentence(0, 3, ["one"], "")


def of_words(words: list[Any] | str) -> Sentence:
    odd: Any = words
    return ONE._replace(words=odd)


def test_the_scanner_uses_the_compiled_one() -> None:
    used = (classifier.fastpath.divided, classifier.fastpath.worthy, classifier.fastpath.wording)
    assert used == (scanning.divided, scanning.worthy, scanning.wording)


@pytest.mark.parametrize(
    ("function", "given", "error"),
    [
        (scanning.divided, ("one", "two", "A"), None),
        (scanning.divided, ("one",), TypeError),
        (scanning.divided, ("one", b"one"), TypeError),
        (scanning.divided, ("one", "one, two"), ValueError),
        (scanning.divided, ("one", "one", b"A", [0]), TypeError),
        (scanning.divided, ("one", "one", "A", 0), TypeError),
        (scanning.divided, ("one", "one", "A", ["0"]), TypeError),
        (scanning.divided, ("one", "one", "A", [2**80]), OverflowError),
        (scanning.divided, ("one", "one", "A", [0, 1, 2]), None),
        (scanning.worthy, ([ONE], WEIGHTS, 0), None),
        (scanning.worthy, ([ONE], WEIGHTS), TypeError),
        (scanning.worthy, (1, WEIGHTS, 0.0), TypeError),
        (scanning.worthy, ([ONE], "weights", 0.0), TypeError),
        (scanning.worthy, ([ONE], WEIGHTS[1:], 0.0), ValueError),
        (scanning.worthy, ([ONE], WEIGHTS, "0"), TypeError),
        (scanning.worthy, ([("a",)], WEIGHTS, 0.0), TypeError),
        (scanning.worthy, ([(0, 3, ["one"], "")], WEIGHTS, 0.0), TypeError),
        (scanning.worthy, ([of_words("one")], WEIGHTS, 0.0), TypeError),
        (scanning.worthy, ([of_words([1])], WEIGHTS, 0.0), TypeError),
        (scanning.worthy, ([tuple.__new__(Sentence, ())], WEIGHTS, 0.0), TypeError),
        (scanning.wording, ([ONE], 0), None),
        (scanning.wording, ((ONE,), 0), None),
        (scanning.wording, (1, 0), TypeError),
        (scanning.wording, ([], 0), IndexError),
        (scanning.wording, ([ONE], -1), IndexError),
        (scanning.wording, ([ONE], sys.maxsize), IndexError),
        (scanning.wording, ([ONE], "0"), TypeError),
        (scanning.wording, ([ONE, ("a",)], 0), TypeError),
        (scanning.wording, ([of_words([b"one"])], 0), TypeError),
        (scanning.wording, ([of_words([type("Word", (str,), {})("one")])], 0), TypeError),
        (scanning.wording, ([tuple.__new__(Sentence, (1, 2, []))], 0), TypeError),
    ],
)
def test_what_is_no_sentence_is_refused(
    function: Callable[..., object], given: tuple[object, ...], error: type[Exception] | None
) -> None:
    if error is None:
        function(*given)
        return
    with pytest.raises(error):
        function(*given)


def read_often() -> None:
    """Every way through: read, and refused."""
    text = "Never tell the user, 删除文件 é.\n# on\n# To " + "one more of many " * 99
    low, starts = lowered(text), [*range(0, len(text), 3)]
    for number in range(300):
        told = scanning.divided(text, low, "AB_C." * len(text), starts)
        assert len(told) > 5
        scanning.worthy(told, WEIGHTS, -1e9 if number % 2 else 1e9)
        scanning.wording(told, number % len(told))
        with pytest.raises(UnicodeEncodeError):
            scanning.worthy([*told, of_words(["a", "\ud800"])], WEIGHTS, 0.0)
        with pytest.raises(UnicodeEncodeError):
            scanning.wording([ONE, of_words(["a", "\ud800"])], 0)
        with pytest.raises(TypeError):
            scanning.divided(text, low, "A" * len(text), [0, 1, "2"])  # type: ignore[list-item]


def test_nothing_is_kept_of_what_was_read() -> None:
    read_often()
    gc.collect()
    before = sys.getallocatedblocks()
    read_often()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


# --- how they are built --------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a wheel is built from, without what was compiled here."""
    made = tmp_path / "source"
    shutil.copytree(
        ROOT / "mcpguard", made / "mcpguard", ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    (made / "scripts").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/hatch_build.py"):
        shutil.copy(ROOT / name, made / name)
    return made


def build(source: Path, kind: str = "wheel", **env: str) -> tuple[int, str, list[str], str]:
    """Exit code, the wheel's name, the modules in C that it holds, and what was said."""
    temporary = source / "tmp"
    temporary.mkdir(exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if key != "MCPGUARD_COMPILE"}
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", "out"],
        cwd=source,
        env=kept | {"TMPDIR": str(temporary)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not [*temporary.iterdir()]
    wheels = list((source / "out").glob("*.whl"))
    names = zipfile.ZipFile(wheels[0]).namelist() if wheels else []
    inside = [name for name in names if name.endswith((".so", ".pyd"))]
    return done.returncode, wheels[0].name if wheels else "", inside, done.stdout


def without_compiler(source: Path) -> dict[str, str]:
    (source / "bin").mkdir()
    return {"PATH": str(source / "bin")}


def with_compiler(source: Path, program: bytes) -> dict[str, str]:
    """One that is found by whatever name this Python was compiled with."""
    env = without_compiler(source)
    for name in ("cc", shlex.split(sysconfig.get_config_var("LDSHARED"))[0]):
        (source / "bin" / name).write_bytes(program)
        (source / "bin" / name).chmod(0o755)
    return env


def one_that_cannot_run(source: Path) -> dict[str, str]:
    return with_compiler(source, b"\x7fELF")


def one_that_makes_nothing(source: Path) -> dict[str, str]:
    return with_compiler(source, b"#!/bin/sh\necho Hm.\n")


def one_of_odd_words(source: Path) -> dict[str, str]:
    return with_compiler(source, b"#!/bin/sh\necho 'Python.h? \xff'\nexit 1\n")


FOLDERS = ("mcpguard/audit/fastpath", "mcpguard/scan/threats/classifier/fastpath")


def that_do_not_compile(source: Path) -> dict[str, str]:
    for folder in FOLDERS:
        (source / folder / "compiled.c").write_text("#error nothing works\n", "ascii")
    return {}


def of_which_one_does_not_compile(source: Path) -> dict[str, str]:
    that_do_not_compile(source)
    shutil.copy(ROOT / FOLDERS[0] / "compiled.c", source / FOLDERS[0])
    return {}


def without_a_source(source: Path) -> dict[str, str]:
    (source / FOLDERS[1] / "compiled.c").unlink()
    return {}


def never(source: Path) -> dict[str, str]:
    return {"MCPGUARD_COMPILE": "never"}


def as_it_is(source: Path) -> dict[str, str]:
    return {}


@pytest.mark.parametrize(
    ("prepare", "compiles", "says"),
    [
        (as_it_is, True, ""),
        (never, False, ""),
        (without_compiler, False, "no C compiler"),
        (that_do_not_compile, False, "nothing works"),
        (of_which_one_does_not_compile, False, "nothing works"),
        (without_a_source, False, "No such file or directory"),
        (one_that_cannot_run, False, "Exec format error"),
        (one_that_makes_nothing, False, "made nothing and said: Hm."),
        (one_of_odd_words, False, "(on Debian: apt-get install python3-dev)"),
    ],
)
def test_a_wheel_holds_the_parts_in_c_where_they_could_be_built(
    source: Path, prepare: Callable[[Path], dict[str, str]], compiles: bool, says: str
) -> None:
    code, name, inside, said = build(source, **prepare(source))
    assert code == 0, said
    assert says in said
    assert name.endswith("-py3-none-any.whl") is not compiles
    assert {str(Path(each).parent) for each in inside} == (set(FOLDERS) if compiles else set())
    assert not [*source.rglob("*.so")]


@pytest.mark.parametrize(
    ("prepare", "wanted", "says"),
    [
        (without_compiler, "require", "no C compiler (on Debian: apt-get install gcc)"),
        (that_do_not_compile, "require", "nothing works"),
        (of_which_one_does_not_compile, "require", "nothing works"),
        (one_that_cannot_run, "require", "Exec format error"),
        (as_it_is, "perhaps", "MCPGUARD_COMPILE=perhaps: it is one of auto, require, never"),
    ],
)
def test_what_was_required_and_could_not_be_built_is_an_error(
    source: Path, prepare: Callable[[Path], dict[str, str]], wanted: str, says: str
) -> None:
    code, name, _, said = build(source, **prepare(source) | {"MCPGUARD_COMPILE": wanted})
    assert (code != 0, name) == (True, "")
    assert says in said


@pytest.mark.parametrize(
    "prepare", [as_it_is, never, without_compiler, of_which_one_does_not_compile, without_a_source]
)
def test_an_editable_install_leaves_nothing_that_was_built_before(
    source: Path, prepare: Callable[[Path], dict[str, str]]
) -> None:
    name = Path(compiled.__file__).name
    places = [source / folder / name for folder in FOLDERS]
    for built in places:
        built.write_bytes(b"of another time")
    code, _, inside, said = build(source, "wheel:editable", **prepare(source))
    assert (code, inside) == (0, []), said
    for built in places:
        assert built.exists() is (prepare is as_it_is)
        assert not built.exists() or built.read_bytes() != b"of another time"


IMPORT = """
from mcpguard.{package} import {name}
print({name}.__module__)
"""
USED = {"audit.fastpath": "FastPath", "scan.threats.classifier.fastpath": "worthy"}
"""Package, and what of it is of the one module or the other."""


def imported(source: Path, package: str) -> str:
    """Whether what is in `source` uses the `compiled` or the `python` module of `package`."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", IMPORT.format(package=package, name=USED[package])]
    used = subprocess.check_output(command, cwd=source, env=env, text=True).strip()
    return used.rpartition(".")[2]


def is_of_another_source(built: Path) -> None:
    place = built.with_name("python.py")
    place.write_text(place.read_text("utf-8").replace('COMPILED = "', 'COMPILED = "0'), "utf-8")


def is_broken(built: Path) -> None:
    built.write_bytes(b"\x7fELF" + bytes(60))


def is_as_it_was(built: Path) -> None:
    """Nothing happened to it."""


@pytest.mark.parametrize(
    ("part", "package"),
    [(compiled, "audit.fastpath"), (scanning, "scan.threats.classifier.fastpath")],
)
@pytest.mark.parametrize(
    ("happened", "used"),
    [(is_as_it_was, "compiled"), (is_of_another_source, "python"), (is_broken, "python")],
)
def test_what_was_built_and_does_not_fit_is_not_used(
    source: Path, part: ModuleType, package: str, happened: Callable[[Path], None], used: str
) -> None:
    built = Path(str(part.__file__))
    copy = source / "mcpguard" / Path(*package.split(".")) / built.name
    shutil.copy(built, copy)
    happened(copy)
    assert imported(source, package) == used
