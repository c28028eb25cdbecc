"""What the gateway is told to hold calls to: plain data, light enough to be read at every start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from mcpguard.trust.limits import Limits

if TYPE_CHECKING:  # settings are read before the server starts, the detectors are not needed yet
    from mcpguard.scan.patterns import Patterns
    from mcpguard.scan.semantics import Resource, Scope

__all__ = ["Binding", "GatewayPolicy", "Handling"]


class Handling(StrEnum):
    """What follows when a detector finds something in a call's arguments."""

    RECORD = "record"
    REDACT = "redact"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Binding:
    """Which arguments name something that the scopes are about.

    `tools`: globs of tool names; `resources/read` stands for every request that names a resource,
    whose one argument is `uri`. `argument`: the name of a top-level argument, or a JSON pointer
    (RFC 6901) with `*` for every entry of a list. `action`: as in a scope. `base`: where relative
    paths start, absolute; empty: they are refused.
    """

    tools: tuple[str, ...]
    argument: str
    resource: "Resource"
    action: str
    base: str = ""


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """The gateway's settings. Globs as in `trust.policy.Glob`.

    `allow`: None lets every tool through. `detectors`: what follows from each detector's hits;
    one that is not named is off. `patterns`: None for none, as `scan.find` takes them. `budgets`:
    only the budgets and repeated failures of `Limits`. `approve`: tools of which a person is asked
    at each call.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    detectors: Mapping[str, Handling] = field(default_factory=lambda: MappingProxyType({}))
    patterns: "Patterns | None" = None
    scopes: "tuple[Scope, ...]" = ()
    bindings: tuple[Binding, ...] = ()
    budgets: Limits = field(default_factory=Limits)
    approve: tuple[str, ...] = ()
