"""What the gateway and the scanner are told: plain data, light enough to be read at every start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.trust.limits import Limits

if TYPE_CHECKING:  # settings are read before the server starts, the detectors are not needed yet
    from mcpguard.scan.patterns import Patterns
    from mcpguard.scan.semantics import Resource, Scope

__all__ = ["Binding", "Fence", "GatewayPolicy", "Handling", "Response", "Responses", "ScanPolicy"]


class Handling(StrEnum):
    """What follows when a detector finds something in a call's arguments."""

    RECORD = "record"
    REDACT = "redact"
    DENY = "deny"


class Binding(NamedTuple):
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

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys from a call's arguments to the values, outermost first."""
        if not self.argument.startswith("/"):
            return (self.argument,)
        steps = self.argument.removeprefix("/").split("/")
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


@dataclass(frozen=True, slots=True)
class Fence:
    """What is open, and which arguments are held to it. Several fences: an argument is in each."""

    scopes: "tuple[Scope, ...]" = ()
    bindings: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """The gateway's settings. Globs as in `trust.policy.Glob`.

    `allow`: None lets every tool through. `detectors`: what follows from each detector's hits;
    one that is not named is off. `patterns`: None for none, as `scan.find` takes them. `budgets`:
    only the budgets and repeated failures of `Limits`. `approve`: tools of which a person is asked
    at each call. `fixed`: the fence of the administrator, which no other scope opens.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    detectors: Mapping[str, Handling] = field(default_factory=lambda: MappingProxyType({}))
    patterns: "Patterns | None" = None
    scopes: "tuple[Scope, ...]" = ()
    bindings: tuple[Binding, ...] = ()
    budgets: Limits = field(default_factory=Limits)
    approve: tuple[str, ...] = ()
    fixed: Fence = Fence()


class Response(StrEnum):
    """What follows when something is found in what a model is to read, the mildest first.

    `RECORD`: a finding in the audit log. `ANNOTATE`: it passes, with a note of mcpguard's beside
    it. `REDACT`: without what was found. `QUARANTINE`: it is kept for a person, and the model gets
    a note. `BLOCK`: it is withheld and not kept.
    """

    OFF = "off"
    RECORD = "record"
    ANNOTATE = "annotate"
    REDACT = "redact"
    QUARANTINE = "quarantine"
    BLOCK = "block"

    @property
    def rank(self) -> int:
        """0 for `OFF` to 5 for `BLOCK`."""
        return _RANKS[self]


_RANKS = {each: rank for rank, each in enumerate(Response)}


@dataclass(frozen=True, slots=True)
class Responses:
    """What follows from each outcome of the scanner: to be looked at, or to be stopped."""

    review: Response = Response.OFF
    block: Response = Response.OFF


@dataclass(frozen=True, slots=True)
class ScanPolicy:
    """The scan stage's settings; the defaults are the preset `baseline`.

    `results`: text of a server that tries to direct the model. `definitions`: the same in what is
    listed. `requests`: in what the server asks of the host, and in its notices. `secrets`, `pii`:
    credentials and personal data in any of these but definitions. `canary`: planted credentials in
    a result; in arguments they are always denied. `keep`: hours that a quarantined text is kept.
    """

    results: Responses = Responses(Response.ANNOTATE, Response.ANNOTATE)
    definitions: Responses = Responses()
    requests: Responses = Responses(Response.RECORD, Response.RECORD)
    secrets: Response = Response.RECORD
    pii: Response = Response.OFF
    canary: Response = Response.QUARANTINE
    keep: int = 168

    def watching(self) -> "ScanPolicy":
        """The same for a mode that changes nothing: what would annotate or redact, records."""
        return ScanPolicy(
            results=_watching(self.results),
            definitions=self.definitions,
            requests=_watching(self.requests),
            secrets=_recorded(self.secrets),
            pii=_recorded(self.pii),
            canary=self.canary,
            keep=self.keep,
        )


def _watching(responses: Responses) -> Responses:
    return Responses(_recorded(responses.review), _recorded(responses.block))


def _recorded(response: Response) -> Response:
    return Response.RECORD if response in {Response.ANNOTATE, Response.REDACT} else response
