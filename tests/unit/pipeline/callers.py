"""Callers of every standing, and a trust stage whose table names what they may call."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcpguard.model import (
    Call,
    Context,
    Effect,
    Held,
    ItemKind,
    Json,
    Live,
    Principal,
    Proof,
    Reason,
    Tier,
    Verdict,
    Wait,
)
from mcpguard.pipeline.trust import TrustStage
from mcpguard.trust.policy import PolicyTable, ToolPolicy


class NoSession:
    """Facts of a session that listed everything."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


ME = Principal("local:default", 1, frozenset({"fs:*", "net:get"}), Proof.PROFILE)
ENROLLED = (Held(1, 500), Held(1, 650))


@dataclass(frozen=True)
class Group:
    """Parties whose standings are given."""

    caller: Principal = ME
    standings: Sequence[Held] = ENROLLED

    def held(self) -> Sequence[Held]:
        return self.standings


@dataclass(frozen=True)
class At:
    """A moment."""

    now: float
    call: int = 0
    again: Wait | None = None
    said: bool | None = None


class Counting:
    """Limits of one window, which remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float, int]] = []

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        self.asked.append((principal, tool, live.now, per_minute))
        if len([one for one in self.asked if one[1] == tool]) > per_minute > 0:
            return Verdict.deny(Reason.SATURATED, "too many calls in a minute")
        return Verdict(Effect.ALLOW)


class Broken:
    """Parties, limits and blocked ids whose store is down."""

    caller = ME

    def held(self) -> Sequence[Held]:
        raise OSError("the store is down")

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        raise OSError("the store is down")

    def __contains__(self, principal: object) -> bool:
        raise OSError("the store is down")


def context(parties: Group | Broken | None = None, now: float = 7.0) -> Context:
    return Context("files", "local", NoSession(), At(now), Group() if parties is None else parties)


def held(*standings: tuple[int, int]) -> Context:
    return context(Group(standings=[Held(*each) for each in standings]))


TABLE = PolicyTable(
    {
        "free": ToolPolicy(min_trust=0),
        "blocked": ToolPolicy(blocked=True),
        "six_hundred": ToolPolicy(min_trust=600),
        "proved": ToolPolicy(min_level=2),
        "proved alone": ToolPolicy(min_trust=0, min_level=2),
        "both": ToolPolicy(min_trust=600, min_level=2),
        "writing": ToolPolicy(required_capabilities=("fs:write", "net:get")),
        "posting": ToolPolicy(required_capabilities=("fs:write", "net:post")),
        "twice": ToolPolicy(max_calls_per_minute=2),
        "looking": ToolPolicy(min_trust=0, tier=Tier.OBSERVE),
        "acting": ToolPolicy(min_trust=0, tier=Tier.ACT),
        "committing": ToolPolicy(min_trust=0, tier=Tier.COMMIT),
        "everything": ToolPolicy(
            min_trust=600,
            min_level=2,
            required_capabilities=("no:body",),
            blocked=True,
            max_calls_per_minute=1,
            tier=Tier.COMMIT,
        ),
    }
)


def stage(*, strict: bool = False, blocked: frozenset[str] = frozenset()) -> TrustStage:
    return TrustStage(TABLE, limits=Counting(), strict=strict, blocked=blocked)


def call(tool: str, arguments: dict[str, Json] | None = None, meta: Json = None) -> Call:
    return Call("tools/call", tool, arguments or {}, meta=meta)


def no(reason: Reason, detail: str) -> Verdict:
    return Verdict.deny(reason, detail)


NOT_TRUSTED = "the trust score of the caller is {}, {} is needed"


def unlimited(**policies: ToolPolicy) -> TrustStage:
    return TrustStage(PolicyTable({"free": ToolPolicy(min_trust=0), **policies}))
