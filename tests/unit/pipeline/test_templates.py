"""What a server may take out of a URI: by template, by variable, and URLs within it."""

import pytest

from mcpguard.model import Call, JsonObject, Reason, Verdict
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.templates import Templates
from mcpguard.pipeline.terms import GatewayPolicy
from tests.unit.pipeline.gateways import CTX, DENY, TEMPLATED

HELD: dict[str, JsonObject] = {
    "doc:///a?q=b": {
        "0": [{"path": ["a?q=b"]}, {"path": ["a"]}, {"q": ["b"]}],
        "inner": ["doc:///a?q=b"],
    },
    "web:///http://b.example/": {
        "0": [{"url": ["http://b.example/"]}] * 2,
        "inner": ["web:///http", "http://b.example/"],
    },
    "none://!svn+ssh://b.example/": {"inner": ["none://!svn+ssh", "svn+ssh://b.example/"]},
    "none:a": {},
}


@pytest.mark.guarantee("gateway:template-variables-looked-through")
@pytest.mark.parametrize(("uri", "held"), HELD.items())
def test_what_a_server_may_take_out_of_a_uri(uri: str, held: JsonObject) -> None:
    assert Templates(TEMPLATED).held(uri) == held


LOOKED_INTO: dict[str, tuple[str, bool]] = {
    "a-url": ("web:///http://169.254.169.254/", True),
    "a-host": ("web:///169.254.169.254/latest", True),
    "an-encoded-url": ("web:///http%3A169.254.169.254", True),
    "a-host-by-its-name": ("api:///169.254.169.254/x", True),
    "in-a-list": ("web:///example.com,http://169.254.169.254/", True),
    "however-it-is-divided": ("net:///q/r/http://169.254.169.254/x", True),
    "in-a-query": ("doc:///a?url=169.254.169.254", True),
    "a-url-as-a-path": ("doc:///http:169.254.169.254", True),
    "a-public-url": ("web:///https://example.org/169.254.169.254", False),
    "words": ("doc:///a/b.txt?q=169.254.169.254", False),
}


@pytest.mark.guarantee("gateway:template-variables-looked-through")
@pytest.mark.parametrize(("uri", "denied"), LOOKED_INTO.values(), ids=LOOKED_INTO)
def test_what_a_template_holds_is_looked_through(uri: str, denied: bool) -> None:
    gateway = GatewayStage(GatewayPolicy(detectors={"ssrf_url": DENY}), TEMPLATED)
    verdict = gateway.judge(Call("resources/read", uri, {}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason is Reason.SANITISED) is denied
