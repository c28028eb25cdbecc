"""Bindings: what stands where an argument should, in words, and the borders of what is read."""

import pytest

from mcpguard.model import ALLOW, JsonObject, Reason, Verdict
from mcpguard.pipeline.terms import Binding, GatewayPolicy
from mcpguard.scan.semantics import Resource
from tests.unit.pipeline.test_gateway import BIND, CTX, call, scopes, stage

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
