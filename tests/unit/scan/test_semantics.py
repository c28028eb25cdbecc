"""Arguments resolved before they are compared: attack spellings, ordinary ones, scopes."""

import ntpath
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.scan.commands import MAX_COMMAND, resolve_command
from mcpguard.scan.paths import MAX_PATH
from mcpguard.scan.semantics import (
    Refused,
    Resolution,
    Resolved,
    Resource,
    Scope,
    System,
    covered,
    resolve_host,
    resolve_path,
)

LINKS = {"/data/link": "/etc", "/data/inner": "/data/public/deep", "/data/loop": None}


def real(path: str) -> str | None:
    """A small file system: follows `LINKS` piece by piece, `..` after that, as the kernel does."""
    at = "/"
    for piece in path.split("/"):
        at = posixpath.normpath(posixpath.join(at, piece))
        target = LINKS.get(at, at)
        if target is None:
            return None
        at = target
    return at


POSIX = System(resolve=real, base="/data", home="/home/u")
WINDOWS = System(resolve=lambda path: path, base="C:/data", windows=True, folds=True)


def says(resolution: Resolution) -> object:
    """Paths, hosts and programs as text; "" for what was refused."""
    return "" if isinstance(resolution, Refused) else sorted(map(spelt, resolution))


def spelt(each: Resolved) -> str:
    name = str(each.ip) if each.ip else ".".join(each.segments)
    if each.resource is Resource.FILESYSTEM:
        name = "/" + "/".join(each.segments)
    return f"{name}:{each.port}" if each.port else name


PATHS = [
    ("a.txt", ["/data/a.txt"]),
    ("./a.txt", ["/data/a.txt"]),
    ("/data//a/./b.txt", ["/data/a/b.txt"]),
    ("/data/", ["/data"]),
    ("/", ["/"]),
    ("..", ["/"]),
    ("../etc/passwd", ["/etc/passwd"]),
    ("/data/a/../../etc/passwd", ["/etc/passwd"]),
    ("/../../../etc", ["/etc"]),
    ("~", ["/home/u"]),
    ("~/notes", ["/home/u/notes"]),
    ("~/../root", ["/home/root"]),
    ("file:///data/a%20b.txt", ["/data/a b.txt"]),
    ("file://localhost/data/a", ["/data/a"]),
    ("file:/data/a", ["/data/a"]),
    ("FILE:///data/../etc", ["/etc"]),
    ("50% off.txt", ["/data/50% off.txt"]),
    ("50%25.txt", ["/data/50%.txt", "/data/50%25.txt"]),
    ("%70ublic/x", ["/data/%70ublic/x", "/data/public/x"]),
    ("é/日本", ["/data/é/日本"]),
    ("...", ["/data/..."]),
    ("a..b", ["/data/a..b"]),
    ("Main$Inner.class", ["/data/Main$Inner.class"]),
    ("link/passwd", ["/etc/passwd"]),
    ("link/../x", ["/data/x", "/x"]),
    ("inner/../secret", ["/data/public/secret", "/data/secret"]),
    ("a;b & c.txt", ["/data/a;b & c.txt"]),
    ("http:/x", ["/data/http:/x"]),
    ("link ", ["/data/link ", "/etc"]),
    ("\ufefflink\u3000", ["/data/\ufefflink\u3000", "/etc"]),
    ('link"', ['/data/link"', "/etc"]),
    (" /etc/passwd", ["/data/ /etc/passwd", "/etc/passwd"]),
    ("'/etc/passwd'", ["/data/'/etc/passwd'", "/etc/passwd"]),
    ("\" ~/notes'", ["/data/\" ~/notes'", "/home/u/notes"]),
    ("it's.txt", ["/data/it's.txt"]),
]


@pytest.mark.parametrize(("path", "files"), PATHS)
def test_a_path_is_resolved_to_every_file_it_may_name(path: str, files: list[str]) -> None:
    assert says(resolve_path(path, "read", POSIX)) == files


REFUSED_PATHS = [
    ("", "empty"),
    ("  ", "empty"),
    ("\ufeff", "empty"),
    ("''", "empty"),
    (" $HOME/x", "variable"),
    (" file:///etc/passwd", "URL"),
    ("' ~root/x'", "home"),
    ("a\x00.png", "control"),
    ("a\nb", "control"),
    ("a%00b", "control"),
    ("%2e%2e/x", "encoded"),
    ("..%2fx", "encoded"),
    ("a%2fb", "encoded"),
    ("a%5c..%5cb", "encoded"),
    ("%252e%252e%252fx", "encoded"),
    ("%25252e", "percent-encoding within"),
    ("..%c0%af", "UTF-8"),
    ("．．/x", "look like"),
    ("..∕x", "look like"),
    ("\ud800/%41", "control"),
    ("x" * (MAX_PATH + 1), "more characters"),
    ("~root/x", "home"),
    ("~+/x", "home"),
    ("$HOME/x", "variable"),
    ("a/${X}/b", "variable"),
    ("%APPDATA%/x", "variable"),
    ("C:\\x", "Windows"),
    ("C:/x", "Windows"),
    ("a\\..\\b", "Windows"),
    ("https://example.org/x", "URL"),
    ("file://server/share", "another host"),
    ("file://localhost", "another host"),
    ("file:relative", "not absolute"),
    ("file:///a?x", "no query"),
    ("file:///a%2f..%2fb", "encoded"),
    ("file:///%252e%252e/b", "percent-encoding within"),
    ("file:///a%00", "control"),
    ("file:///50%2525.txt", "percent-encoding within"),
    ("loop/x", "cannot be found out"),
]


@pytest.mark.parametrize(("path", "reason"), REFUSED_PATHS)
def test_a_path_that_cannot_be_resolved_is_refused_with_a_reason(path: str, reason: str) -> None:
    got = resolve_path(path, "read", POSIX)
    assert isinstance(got, Refused)
    assert reason in got.reason


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("a\\b.txt", ["/C:/data/a/b.txt"]),
        ("D:\\x\\..\\y", ["/D:/y"]),
        ("D:/x", ["/D:/x"]),
        ("..\\..\\x", ["/C:/x"]),
        ("file:///C:/a%20b", ["/C:/a b"]),
        ("report.final.txt", ["/C:/data/report.final.txt"]),
    ],
)
def test_a_windows_path_is_resolved(path: str, files: list[str]) -> None:
    plain = System(resolve=ntpath.normpath, base="C:/data", windows=True)
    assert says(resolve_path(path, "read", plain)) == files


@pytest.mark.parametrize(
    "path",
    [
        "C:x",
        "\\x",
        "/x",
        "\\\\srv\\s",
        "\\\\?\\C:\\x",
        "a.txt:stream",
        "NUL",
        "con.txt",
        "COM1",
        "a.",
        "a /b",
        "PROGRA~1\\x",
        "a*",
        "a|b",
        "..\\..\\aux.h",
        "a\\ b \\c",
        "LPT9.txt",
    ],
)
def test_a_windows_path_with_another_meaning_is_refused(path: str) -> None:
    assert isinstance(resolve_path(path, "read", WINDOWS), Refused)


def test_a_relative_path_needs_a_base_and_a_tilde_a_home() -> None:
    bare = System(resolve=real)
    assert isinstance(resolve_path("a", "read", bare), Refused)
    assert isinstance(resolve_path("~/a", "read", bare), Refused)
    assert says(resolve_path("/a", "read", bare)) == ["/a"]


@pytest.mark.parametrize("answer", ["relative", "", "/a/../b", None])
def test_a_resolver_that_does_not_answer_with_a_real_path_refuses(answer: str | None) -> None:
    assert isinstance(resolve_path("/a", "read", System(resolve=lambda _: answer)), Refused)


HOSTS = [
    ("example.org", ["example.org"]),
    ("Example.ORG.", ["example.org"]),
    ("example.org:8443", ["example.org:8443"]),
    ("https://example.org/a@b?x=@#/", ["example.org:443"]),
    ("https://example.org:8443", ["example.org:8443"]),
    ("x+y://example.org/", ["example.org"]),
    ("http://10.0.0.1", ["10.0.0.1:80"]),
    ("2130706433", ["127.0.0.1"]),
    ("http://0x7f000001/", ["127.0.0.1:80"]),
    ("0x7f.1", ["127.0.0.1"]),
    ("127.1", ["127.0.0.1"]),
    ("0", ["0.0.0.0"]),
    ("::1", ["::1"]),
    ("[::1]:80", ["::1:80"]),
    ("http://[2001:DB8::1]/", ["2001:db8::1:80"]),
    ("[::ffff:169.254.169.254]", ["169.254.169.254"]),
    ("::ffff:7f00:1", ["127.0.0.1"]),
    ("xn--e1afmkfd.example", ["xn--e1afmkfd.example"]),
    ("127.0.0.1.nip.io", ["127.0.0.1.nip.io"]),
    ("a_b.example", ["a_b.example"]),
]


@pytest.mark.parametrize(("text", "hosts"), HOSTS)
def test_a_host_is_resolved(text: str, hosts: list[str]) -> None:
    assert says(resolve_host(text)) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "exam ple.org",
        "example.org\n",
        "example.org\t.evil",
        "exаmple.org",
        "ｅxample.org",
        "a。b",
        "http://user@example.org/",
        "http://example.org\\@evil.example/",
        "example.org%2eevil",
        "a..b",
        ".a",
        "0177.0.0.1",
        "010.0.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.0x1g",
        "http:///x",
        "http:/x",
        "a:0",
        "a:65536",
        "a:x",
        "a:",
        "[::1",
        "[::1]x",
        "http://::1/",
        "[fe80::1%25eth0]",
        "[::g]",
        "-:b:c",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::7f00:1",
        "a" * 64 + ".b",
        "a." * 130,
        "http://[1.2.3.4]:x/",
        "javascript:alert(1)",
        "a,b",
        "example.org:80:90",
        "http://#x",
    ],
)
def test_a_host_that_cannot_be_resolved_is_refused(text: str) -> None:
    assert isinstance(resolve_host(text), Refused)


COMMANDS = [
    ("git status", ["git"]),
    ("  git\tstatus ", ["git"]),
    ("'git' status", ["git"]),
    ('g"i"t status', ["git"]),
    ("g\\it status", ["git"]),
    ("gi\\\nt status", ["git"]),
    ("git \\\n status", ["git"]),
    ('git commit -m "a; rm -rf / | $USER \\" x"', ["git"]),
    ("git commit -m 'a; $(rm) `x`'", ["git"]),
    ('git commit -m "a \\\n b"', ["git"]),
    ("git log $REV", ["git"]),
    ("/usr/bin/git log", ["/usr/bin/git"]),
    ("LANG=C LC_ALL=C git log", ["git"]),
    ("git log 2>&1 >/dev/null", ["git"]),
    ("git log 2> /dev/null | head", ["git", "head"]),
    ("git fetch; rm x", ["git", "rm"]),
    ("git fetch && rm x || ls & pwd", ["git", "ls", "pwd", "rm"]),
    ("git\nrm x", ["git", "rm"]),
    ("git \\\\\nrm x", ["git", "rm"]),
    ("git;;rm", ["git", "rm"]),
    ("env git log", ["git"]),
    ("/usr/bin/env -i LANG=C git log", ["git"]),
    ("env -u X git", ["git"]),
    ("nohup nice -n 5 git gc &", ["git"]),
    ("timeout -s KILL 5 git gc", ["git"]),
    ("timeout 5s git gc", ["git"]),
    ("sudo -u www git pull", ["git", "sudo"]),
    ("sudo -- git", ["git", "sudo"]),
    ("sh -c 'git log; rm x'", ["git", "rm"]),
    ("bash -lc \"git log && sh -c 'ls'\"", ["git", "ls"]),
    ("bash script.sh", ["bash"]),
    ("bash", ["bash"]),
    ("/tmp/env git", ["/tmp/env"]),
    ("/tmp/sh -c git", ["/tmp/sh"]),
    ("cat a | sh", ["cat", "sh"]),
    ("gi* x".replace("gi*", "git"), ["git"]),
]


@pytest.mark.parametrize(("line", "programs"), COMMANDS)
def test_a_command_is_resolved_to_every_program_it_runs(line: str, programs: list[str]) -> None:
    assert says(resolve_command(line)) == programs


REFUSED_COMMANDS = [
    ("", "empty"),
    (" ; ", "empty"),
    ("LANG=C", "empty"),
    ("git $(rm x)", "substitutes"),
    ("git `rm x`", "substitutes"),
    ('git "$(rm x)"', "substitutes"),
    ('git "`rm x`"', "substitutes"),
    ("git ${X:-$(rm)}", "expands"),
    ("git $'\\x3b rm'", "expands"),
    ('git $"x"', "expands"),
    ("git <(rm x)", "redirects"),
    ("git > ~/.bashrc", "redirects"),
    ("git >> x", "redirects"),
    ("git < x", "redirects"),
    ("git >/dev/nullx", "redirects"),
    ("git log>/dev/null", "redirects"),
    ("git 2>&1x", "redirects"),
    ("git <<E\nrm\nE", "redirects"),
    ("(rm x)", "subshell"),
    ("git() { rm x; }", "subshell"),
    ("{ rm x; }", "plainly"),
    ("if git; then rm; fi", "keywords"),
    ("! git", "keywords"),
    ("time git", "keywords"),
    ("while git", "keywords"),
    ("git # c\nrm", "comment"),
    ("#", "comment"),
    ("$CMD x", "plainly"),
    ("g?t x", "plainly"),
    ("{git,rm} x", "plainly"),
    ("'' git", "plainly"),
    ("'git ' x", "plainly"),
    ("~/git x", "home"),
    ("./git x", "relative"),
    ("bin/git x", "relative"),
    ("/usr/../tmp/git", "shortest"),
    ("/usr//bin/git", "shortest"),
    ("PATH=/tmp git", "variable"),
    ("LD_PRELOAD=/tmp/x.so git", "variable"),
    ("GIT_SSH_COMMAND=rm git pull", "variable"),
    ("env PATH=/tmp git", "variable"),
    ("sudo LD_PRELOAD=x git", "variable"),
    ("eval rm", "not looked at"),
    ("exec rm", "not looked at"),
    (". ./x", "not looked at"),
    ("source x", "not looked at"),
    ("xargs rm", "not looked at"),
    ("ls | xargs rm", "not looked at"),
    ("alias git=rm", "not looked at"),
    ("command eval rm", "not looked at"),
    ("busybox rm x", "not looked at"),
    ("env -S 'rm x'", "option"),
    ("sudo -s", "option"),
    ("sudo -i", "empty"),
    ("bash -x -c rm", "options"),
    ("bash --rcfile x", "options"),
    ("sh -s", "options"),
    ("git 'x", "not closed"),
    ('git "x', "not closed"),
    ("git \\", "backslash"),
    ("git\rrm", "control"),
    ("git\x00rm", "control"),
    ("git\x0brm", "control"),
    ("g\u200bit x", "plainly"),
    ("env env env env env git", "too many"),
    ("x" * (MAX_COMMAND + 1), "characters"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED_COMMANDS)
def test_a_command_that_cannot_be_resolved_is_refused(line: str, reason: str) -> None:
    got = resolve_command(line)
    assert isinstance(got, Refused), got
    assert reason in got.reason


def test_an_argument_vector_is_not_read_by_a_shell() -> None:
    assert says(resolve_command(["git", "log", "; rm", "$(x)", "> y"])) == ["git"]
    assert says(resolve_command(["env", "LANG=C", "sh", "-c", "ls; pwd"])) == ["ls", "pwd"]
    for words in ([], [""], ["LANG=C ls"], ["./git"], ["xargs", "rm"], ["git log"]):
        assert isinstance(resolve_command(words), Refused)


SCOPES = [
    ("filesystem:/data/** x read", "/data/a/b", True),
    ("filesystem:/data/** x read", "/data", True),
    ("filesystem:/data/** x read", "/database/x", False),
    ("filesystem:/data/* x read", "/data/a", True),
    ("filesystem:/data/* x read", "/data/a/b", False),
    ("filesystem:/data/* x read", "/data", False),
    ("filesystem:/data/*/x x read", "/data/a/x", True),
    ("filesystem:/**/docs/*/b x read", "/a/docs/docs/c/b", True),
    ("filesystem:/**/docs/*/b x read", "/a/docs/c/d/b", False),
    ("filesystem:/ x read", "/", True),
    ("filesystem:/ x read", "/a", False),
    ("filesystem:/** x read", "/a/b/c", True),
    ("filesystem:/data/** x write", "/data/a", False),
    ("filesystem:/data/A x read", "/data/a", False),
    ("filesystem:/data/** x read", "/data/link/passwd", False),
    ("filesystem:/data/** x read", "/data/../etc/passwd", False),
    ("filesystem:/data/** x read", "/data/link/../a", False),
    ("filesystem:/data/** x read", "/data/inner/../a", True),
    ("filesystem:/data/public/** x read", "/data/%70ublic/a", False),
    ("filesystem:/data/public/** x read", "/data/public/50%25", True),
]


@pytest.mark.guarantee("scan:every-reading-covered")
@pytest.mark.parametrize(("scope", "path", "covers"), SCOPES)
def test_a_scope_covers_every_reading_of_a_path_or_nothing(
    scope: str, path: str, covers: bool
) -> None:
    assert covered([Scope.parse(scope)], resolve_path(path, "read", POSIX)) is covers


NETWORKS = [
    ("*.example.org", "https://a.example.org/", True),
    ("*.example.org", "https://example.org/", False),
    ("*.example.org", "https://a.b.example.org/", False),
    ("**.example.org", "https://a.b.example.org/", True),
    ("**.example.org", "https://example.org/", True),
    ("*.example.org", "https://a.example.org.evil.example/", False),
    ("*.example.org", "https://xn--a-0ga.example.org/", False),
    ("xn--a-0ga.example.org", "https://xn--a-0ga.example.org/", True),
    ("**", "http://10.0.0.1/", False),
    ("*.*.*.*", "10.0.0.1", False),
    ("example.org:443", "https://example.org/", True),
    ("example.org:443", "http://example.org/", False),
    ("example.org:443", "example.org", False),
    ("example.org", "https://EXAMPLE.org.:9/", True),
    ("example.org", "http://a@example.org/", False),
    ("10.0.0.0/8", "http://10.1.2.3/", True),
    ("10.0.0.0/8", "http://0x0a010203/", True),
    ("10.0.0.0/8", "http://11.1.2.3/", False),
    ("10.0.0.0/8", "ten.example", False),
    ("0.0.0.0/0", "::1", False),
    ("::/0", "::ffff:10.0.0.1", False),
    ("10.0.0.1", "[::ffff:10.0.0.1]", True),
    ("[::1]:80", "http://[::1]/", True),
    ("[::1]:80", "https://[::1]/", False),
    ("[2001:db8::]/32", "[2001:db8::9]", True),
]


@pytest.mark.parametrize(("pattern", "host", "covers"), NETWORKS)
def test_a_scope_covers_hosts_by_label_and_addresses_by_block(
    pattern: str, host: str, covers: bool
) -> None:
    scope = Scope.parse(f"network:{pattern} x connect")
    assert covered([scope], resolve_host(host)) is covers


@pytest.mark.parametrize(
    ("patterns", "line", "covers"),
    [
        ("git", "git log", True),
        ("git", "git log; rm x", False),
        ("git rm", "git log; rm x", True),
        ("git", "/usr/bin/git log", False),
        ("/usr/bin/git", "/usr/bin/git log", True),
        ("*", "anything", True),
        ("*", "/tmp/anything", False),
        ("git", "sudo git", False),
        ("git sudo", "sudo git", True),
        ("git", "git $(rm)", False),
        ("git", "", False),
        ("git", "Git log", False),
    ],
)
def test_a_command_is_covered_when_all_its_programs_are(
    patterns: str, line: str, covers: bool
) -> None:
    scopes = [Scope.parse(f"command:{each} x run") for each in patterns.split()]
    assert covered(scopes, resolve_command(line)) is covers


def test_a_file_system_that_folds_case_compares_so() -> None:
    scope = Scope.parse("filesystem:C:/Data/** x read")
    assert covered([scope], resolve_path("c:\\DATA\\x", "read", WINDOWS))
    folding = System(resolve=real, folds=True)
    assert covered(
        [Scope.parse("filesystem:/DÉ/* x read")], resolve_path("/de\u0301/x", "read", folding)
    )


BAD_SCOPES = [
    *(
        "",
        "filesystem:/data/**",
        "filesystem:/data x",
        "filesystem: x read",
        ":/data x read",
        "/data x read",
    ),
    *(
        "files:/data x read",
        "filesystem:/data x run",
        "filesystem:/data x Read",
        "network:a x read",
    ),
    *(
        "filesystem:data x read",
        "filesystem:/a//b x read",
        "filesystem:/a/ x read",
        "filesystem:/a/../b x read",
    ),
    *("filesystem:/a/./b x read", "filesystem:/a\\b x read", "filesystem:/a/*.txt x read"),
    *(
        "filesystem:/a/*** x read",
        "filesystem:/a\x00 x read",
        "filesystem:" + "/a" * 65 + " x read",
    ),
    *(
        "network:a..b x connect",
        "network:.a x connect",
        "network:a. x connect",
        "network:A x connect",
    ),
    *("network:é.example x connect", "network:a*.example x connect", "network:a:0 x connect"),
    *("network:a:99999 x connect", "network:10.0.0.1/8 x connect", "network:10.1 x connect"),
    *("network:0x7f.0.0.1 x connect", "network:300.1.1.1 x connect", "network:http://a x connect"),
    *("network:a b x connect", "network:[::g] x connect"),
    *(
        "command:git log x run",
        "command:./git x run",
        "command:/a/../git x run",
        "command:g* x run",
    ),
    *("command:a;b x run", "command:a/b x run", "command:$X x run", "command:/a//b x run"),
]


@pytest.mark.guarantee("scan:scopes-load-or-fail")
@pytest.mark.parametrize("text", BAD_SCOPES)
def test_a_scope_that_is_none_is_a_load_error_with_its_place(text: str) -> None:
    with pytest.raises(UsageError, match=r"^gateway\.scopes\[3\]: "):
        Scope.parse(text, "gateway.scopes[3]")


@pytest.mark.guarantee("scan:empty-segment-matches-nothing")
@pytest.mark.parametrize("resource", Resource)
def test_an_empty_segment_matches_nothing(resource: Resource) -> None:
    for segments in ((), ("",), ("a", ""), ("", "**")):
        scope = Scope(resource, "read", ("**",))
        if segments or resource is not Resource.FILESYSTEM:
            assert not scope.covers(Resolved(resource, "read", segments))
        if "" in segments:
            odd = Scope(resource, "read", segments)
            assert not odd.covers(Resolved(resource, "read", segments))
            assert not odd.covers(Resolved(resource, "read", ("a",)))


@pytest.mark.guarantee("scan:refused-is-not-covered")
def test_what_was_refused_or_is_nothing_is_covered_by_no_scope() -> None:
    scopes = [
        Scope.parse("filesystem:/** x read"),
        Scope.parse("network:** x connect"),
        Scope.parse("command:* x run"),
    ]
    assert not covered(scopes, Refused("no"))
    assert not covered(scopes, ())
    assert not covered([], resolve_host("example.org"))


@given(st.text(alphabet="./%2eEfF5cC~\\ab\x00é", max_size=12))
def test_a_path_below_a_scope_never_leaves_it(text: str) -> None:
    got = resolve_path(text, "read", POSIX)
    if covered([Scope.parse("filesystem:/data/** x read")], got):
        for each in (text, posixpath.normpath(text)):
            path = each.partition(":")[2] if each.startswith("file:") else each
            landed = real(posixpath.join("/data", path))
            assert landed is not None
            assert (landed + "/").startswith("/data/")


@given(
    st.lists(
        st.sampled_from(
            ["git", "rm", "x", " ", ";", "\n", "'", '"', "\\", "&", "|", "#", "$", "A=b"]
        )
    )
)
def test_reading_a_command_never_raises(pieces: list[str]) -> None:
    got = resolve_command("".join(pieces))
    assert isinstance(got, Refused) or all("" not in each.segments for each in got)


@given(st.text(max_size=30))
def test_resolving_never_raises(text: str) -> None:
    for got in (resolve_host(text), resolve_command(text), resolve_path(text, "read", POSIX)):
        assert isinstance(got, Refused) or got
    assert resolve_path(text, "read", WINDOWS) is not None


@given(
    st.lists(st.sampled_from(["a", "b", "*", "**"]), max_size=6),
    st.lists(st.sampled_from("ab"), max_size=7),
)
def test_wildcards_match_as_a_slow_matcher_says(pattern: list[str], segments: list[str]) -> None:
    scope = Scope(Resource.FILESYSTEM, "read", tuple(pattern))
    got = scope.covers(Resolved(Resource.FILESYSTEM, "read", tuple(segments)))
    assert got is slow(pattern, segments)


def slow(pattern: list[str], segments: list[str]) -> bool:
    if not pattern:
        return not segments
    if pattern[0] == "**":
        return any(slow(pattern[1:], segments[at:]) for at in range(len(segments) + 1))
    return bool(segments) and pattern[0] in {"*", segments[0]} and slow(pattern[1:], segments[1:])
