"""Bindings: what stands where an argument should, in words, and the borders of what is read."""

import pytest

from mcpguard.model import ALLOW, Effect, Json, JsonObject, Reason, Verdict
from mcpguard.pipeline.scopes import MAX_NAMED
from mcpguard.pipeline.terms import Binding, GatewayPolicy
from mcpguard.scan.semantics import Resource, Scope
from tests.unit.pipeline.gateways import BIND, CTX, call, scopes, stage

SRV = scopes("filesystem:/srv/** x read")
OUTSIDE = "is outside what the scopes of filesystem x read cover"
SHAPES: dict[str, tuple[str, JsonObject, str]] = {
    "inside": ("path", {"path": "/srv/a"}, ""),
    "outside": ("path", {"path": "/etc"}, OUTSIDE),
    "no text": ("path", {"path": 5}, "is not a text"),
    "a text for a list": ("/paths/*", {"paths": "/srv/a"}, "is not a list"),
    "an object for a list": ("/paths/*", {"paths": {"0": "/srv/a"}}, "is not a list"),
    "a text for an object": ("/a/path", {"a": "/srv/a"}, "stands in what is not an object"),
    "a list for an object": ("/a/path", {"a": ["/srv/a"]}, "stands in what is not an object"),
    "the last entry": ("/a/1", {"a": ["x", "/srv/a"]}, ""),
    "one entry too few": ("/a/1", {"a": ["/etc"]}, ""),
    "as many as are read": ("/paths/*", {"paths": ["/srv/a"] * 1000}, ""),
    "one more": ("/paths/*", {"paths": ["/srv/a"] * 1001}, "has more than 1000 values"),
}


@pytest.mark.guarantee("gateway:bound-is-covered")
@pytest.mark.parametrize(("argument", "arguments", "why"), SHAPES.values(), ids=SHAPES)
def test_what_is_said_of_a_bound_argument(argument: str, arguments: JsonObject, why: str) -> None:
    binding = Binding(("*",), argument, Resource.FILESYSTEM, "read")
    gateway = stage(GatewayPolicy(scopes=SRV, bindings=(binding,)))
    denied = Verdict.deny(Reason.SCOPE, f"the argument {argument!r} {why}")
    assert gateway.judge(call(arguments), CTX) == (denied if why else ALLOW)


@pytest.mark.parametrize("base", ["/srv", "C:/srv", "C:\\srv"])
def test_where_relative_paths_start_is_absolute_on_any_system(base: str) -> None:
    stage(GatewayPolicy(scopes=SRV, bindings=(BIND._replace(base=base),)))


def given_as(name: str, *values: Json) -> list[JsonObject]:
    return [{name: value} for value in values]


PATHS = scopes("filesystem:/srv/docs/** x read")
HOSTS = scopes("network:*.example.org x connect", "network:10.0.0.0/8:443 x connect")
PROGRAMS = scopes("command:git x run", "command:ls x run")
BINDINGS: dict[str, tuple[Binding, tuple[Scope, ...], list[JsonObject], list[JsonObject]]] = {
    "path": (
        Binding(("write",), "path", Resource.FILESYSTEM, "read"),
        PATHS,
        [
            *given_as("path", "/srv/docs/a", "/srv/docs/x/../a", "file:///srv/docs/a%20b"),
            *given_as("path", "/srv/docs/100%25.txt", None),
            {"other": "/etc/passwd"},
        ],
        [
            *given_as("path", "/etc/passwd", "/srv/docs/../../etc/passwd", "/srv/docs/link/passwd"),
            *given_as("path", "/srv/docs/link/../a", "/srv/docs/lost/a", "/srv/docs2/a", "/SRV/a"),
            *given_as("path", "/srv/docs/%2e%2e/%2e%2e/etc", "/srv/docs/..%2f..%2fetc", "..\\x"),
            *given_as("path", "C:\\a", "a.txt", "~/a", "~root/a", "$HOME/a", "", " "),
            *given_as("path", "/srv/docs/a\0b", "/srv/docs/a\nb", "/srv/docs/\ud800"),
            *given_as("path", "/srv/docs/．．/．．/etc", "file://evil.example/srv/docs/a"),
            *given_as("path", "https://a.example/srv/docs/a", "/srv/docs/" + "x" * 5000),
            *given_as("path", 5, True, 1.5, ["/srv/docs/a"], {"a": "/srv/docs/a"}),
            {"Path": "/etc/passwd"},
            {"path": "/srv/docs/a", "PATH": "/x"},
        ],
    ),
    "base": (
        Binding(("*",), "path", Resource.FILESYSTEM, "read", base="/srv/docs"),
        PATHS,
        [{"path": "a.txt"}, {"path": "./x/../a"}, {"path": "."}],
        [{"path": "../a"}, {"path": "link/a"}, {"path": "x/../../a"}],
    ),
    "entries": (
        Binding(("*",), "/edits/*/path", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"edits": []}, {"edits": [{"path": "/srv/docs/a"}, {}, {"path": None}]}, {}],
        [
            {"edits": [{"path": "/srv/docs/a"}, {"path": "/etc"}]},
            {"edits": {"0": {"path": "/etc"}}},
            {"edits": "/etc"},
            {"edits": ["/etc"]},
            {"edits": [[{"path": "/srv/docs/a"}]]},
            {"edits": [{"path": "/srv/docs/a"}] * (MAX_NAMED + 1)},
            {"edits": [{"pAth": "/etc"}]},
            {"Edits": [{"path": "/etc"}]},
        ],
    ),
    "list": (
        Binding(("*",), "/paths/*", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"paths": ["/srv/docs/a", "/srv/docs/b"]}],
        [{"paths": ["/srv/docs/a", "/etc"]}, {"paths": "/srv/docs/a"}, {"paths": [5]}],
    ),
    "index": (
        Binding(("*",), "/a~1b/1", Resource.FILESYSTEM, "read"),
        PATHS,
        [{"a/b": ["/etc", "/srv/docs/a"]}, {"a/b": []}, {"a/b": {"1": "/srv/docs/a"}}],
        [{"a/b": ["x", "/etc"]}, {"a/b": {"1": "/etc"}}],
    ),
    "host": (
        Binding(("*",), "url", Resource.NETWORK, "connect"),
        HOSTS,
        given_as("url", "https://www.example.org/x", "https://10.1.2.3/"),
        [
            *given_as("url", "https://example.org.evil.example/", "https://example.org/", ""),
            *given_as("url", "http://10.1.2.3/", "https://u@www.example.org/", "file:///etc/x"),
            *given_as("url", "https://www.example.org\\@evil.example/", "https://0x0a.1.2.3:80/"),
            *given_as("url", "https://xn--e1afmkfd.example.org/", "https://www。example。org/"),
            *given_as("url", "//www.example.org\t/", 5, ["https://www.example.org/"]),
        ],
    ),
    "command": (
        Binding(("*",), "command", Resource.COMMAND, "run"),
        PROGRAMS,
        [
            *given_as("command", "git log | ls", ["git", "log", "; rm -rf /"]),
            *given_as("command", "sh -c 'git status && ls'"),
        ],
        [
            *given_as("command", "rm -rf /", "git log; rm x", "git log $(rm x)", "./git"),
            *given_as("command", "sh -c 'git; rm'", ["rm", "x"], ["git", 5], [], 5, {"a": "git"}),
        ],
    ),
}


@pytest.mark.guarantee("gateway:bound-is-covered")
@pytest.mark.parametrize("name", BINDINGS)
def test_every_reading_of_a_bound_argument_is_covered_or_denied(name: str) -> None:
    binding, permitted, inside, outside = BINDINGS[name]
    gateway = stage(GatewayPolicy(scopes=permitted, bindings=(binding,)))
    assert [each for each in inside if gateway.judge(call(each), CTX) is not ALLOW] == []
    for each in outside:
        verdict = gateway.judge(call(each), CTX)
        assert isinstance(verdict, Verdict)
        assert (each, verdict.effect) == (each, Effect.DENY)
        assert verdict.reason in {Reason.SCOPE, Reason.KEY_FOLDING}


def test_a_binding_speaks_only_of_its_tools_and_a_scope_only_of_its_action() -> None:
    binding = Binding(("write", "read_*"), "path", Resource.FILESYSTEM, "write")
    gateway = stage(GatewayPolicy(scopes=PATHS, bindings=(binding,)))
    arguments: JsonObject = {"path": "/srv/docs/a"}
    denied = [gateway.judge(call(arguments, tool), CTX) is not ALLOW for tool in ("write", "x")]
    assert denied == [True, False]


def test_without_a_scope_nothing_that_is_bound_passes() -> None:
    gateway = stage(GatewayPolicy(bindings=(Binding(("*",), "path", Resource.FILESYSTEM, "read"),)))
    assert gateway.judge(call({"path": "/srv/docs/a"}), CTX) is not ALLOW
