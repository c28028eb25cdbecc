"""A gateway policy that cannot be used does not load, and says why."""

import pytest

from mcpguard.errors import UsageError
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import Binding, GatewayPolicy
from mcpguard.scan.semantics import Resource
from mcpguard.trust.limits import Limits
from tests.unit.pipeline.gateways import BIND, DENY, LOCK, stage

UNUSABLE: dict[str, tuple[GatewayPolicy, str]] = {
    "deny": (GatewayPolicy(deny=("a", "")), r"^gateway\.deny\[1\]: "),
    "allow": (GatewayPolicy(allow=("x" * 300,)), r"^gateway\.allow\[0\]: "),
    "approve": (GatewayPolicy(approve=("",)), r"^gateway\.approve\[0\]: "),
    "detector": (GatewayPolicy(detectors={"cards": DENY}), r"^gateway\.detectors\.cards: there"),
    "action": (
        GatewayPolicy(bindings=(BIND, BIND._replace(action="run"))),
        r"^gateway\.bindings\[1\]\.action: for filesystem it is one of read, write",
    ),
    "argument": (GatewayPolicy(bindings=(BIND._replace(argument=""),)), r"\[0\]\.argument: it is"),
    "tools": (GatewayPolicy(bindings=(BIND._replace(tools=()),)), r"\[0\]\.tools: it is empty"),
    "base": (GatewayPolicy(bindings=(BIND._replace(base="a/b"),)), r"\[0\]\.base: it is not"),
    "base-of-a-host": (
        GatewayPolicy(bindings=(Binding(("*",), "u", Resource.NETWORK, "connect", "/x"),)),
        r"\[0\]\.base: only paths",
    ),
}


@pytest.mark.parametrize(("policy", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_policy_that_cannot_be_used_does_not_load(policy: GatewayPolicy, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stage(policy)


def test_a_policy_does_not_load_without_what_it_needs() -> None:
    with pytest.raises(UsageError, match=r"gateway\.budgets: there is nothing that counts"):
        GatewayStage(GatewayPolicy(budgets=Limits(max_tool_calls=5)), LOCK)
    with pytest.raises(UsageError, match=r"bindings\[0\]: there is nothing that resolves paths"):
        GatewayStage(GatewayPolicy(bindings=(BIND,)), LOCK)
