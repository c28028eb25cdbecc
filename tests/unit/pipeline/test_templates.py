"""What a server may take out of a URI: by template, by variable, and URLs within it."""

import pytest

from mcpguard.model import JsonObject
from mcpguard.pipeline.templates import Templates
from tests.unit.pipeline.test_gateway import TEMPLATED

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
