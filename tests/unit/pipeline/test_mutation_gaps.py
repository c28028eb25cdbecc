"""What no other test of the room pins: found by scripts/mutation."""

from mcpguard.lock.lockfile import Launch, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import ALLOW, Context, Era, ItemKind, Reason, Result
from mcpguard.pipeline.surface import SurfaceStage

URI = "file:///srv/readme"


class Drifted:
    """A session in which everything changed since the call."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.DRIFTED


def test_a_read_that_was_allowed_is_answered_although_its_resource_changed_meanwhile() -> None:
    facts = ServerFacts(Era.LEGACY, "2025-11-25", {"name": "s"}, "", {"resources": {}})
    surface = collect(facts, {ItemKind.RESOURCE: [{"uri": URI, "name": "readme"}]})
    launch = Launch(("server",), "", (), {})
    stage = SurfaceStage(from_surface(surface, name="s", launch=launch, requests=()))
    result = Result("resources/read", URI, {"contents": [{"uri": URI, "text": "x"}]})
    assert stage.judge(result, Context("s", "local", Drifted())) is ALLOW
