"""The policy decision point: an ordered table of stages and one function that asks them.

Deny unless permitted. `REQUIRED` names the stages that must each answer ALLOW for a kind of
subject; a stage that is absent, abstains or raises is a denial, so taking one away only tightens.
A stage never knows the mode.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    PASSED,
    Context,
    Decision,
    Effect,
    Finding,
    Reason,
    Subject,
    SubjectKind,
    Verdict,
    Wait,
)
from mcpguard.pipeline.surface import SurfaceStage

__all__ = [
    "REQUIRED",
    "STAGES",
    "Decide",
    "NoRules",
    "Panel",
    "Stage",
    "decide",
    "make_pipeline",
    "make_stages",
]


class Stage(Protocol):
    """One judge. Small, total, without I/O; says why in one sentence."""

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """ALLOW, DENY or ABSTAIN; `rewrite` is judged again from the first stage."""


Decide = Callable[[Subject, Context], Decision | Wait]


class NoRules:
    """The policy stage of an operator who wrote no rules: it leaves all to the other stages."""

    unmoved = frozenset(SubjectKind)

    @staticmethod
    def judge(subject: Subject, ctx: Context) -> Verdict:  # noqa: ARG004 - `Stage.judge`
        """See `Stage.judge`."""
        return ALLOW


def _trust(_: Lockfile | None) -> Stage:
    from mcpguard.pipeline.trust import TrustStage
    from mcpguard.trust.policy import PolicyTable

    return TrustStage(PolicyTable())


def _policy(lock: Lockfile | None) -> Stage:
    from mcpguard.pipeline.policy import PolicyStage

    return PolicyStage.unruled(lock)


def _scan(lock: Lockfile | None) -> Stage:
    from mcpguard.pipeline.scan import ScanStage
    from mcpguard.pipeline.terms import ScanPolicy

    return ScanStage(ScanPolicy(), lock)


def _gateway(lock: Lockfile | None) -> Stage:
    from mcpguard.pipeline.gateway import GatewayStage

    return GatewayStage.unconfigured(lock)


STAGES: dict[str, Callable[[Lockfile | None], Stage]] = {
    "surface": SurfaceStage,
    "trust": _trust,
    "policy": _policy,
    "scan": _scan,
    "gateway": _gateway,
}
"""Name to constructor, in the order in which they judge. What a constructor makes of a lockfile
alone allows nothing that takes a configuration to allow."""

REQUIRED: dict[SubjectKind, tuple[str, ...]] = {
    SubjectKind.CALL: ("surface", "trust", "policy", "gateway"),
    SubjectKind.DEFINITION: ("surface", "scan"),
    SubjectKind.RESULT: ("surface", "policy", "scan", "gateway"),
    SubjectKind.SERVER_REQUEST: ("surface", "scan"),
    SubjectKind.ANSWER: ("surface", "scan"),
    SubjectKind.NOTICE: ("surface", "scan"),
}
"""Which stages must each allow a kind of subject. What a call holds is the gateway's to look at."""

NOTHING: Final[Mapping[str, Stage]] = MappingProxyType({})


def make_stages(
    lock: Lockfile | None, configured: Mapping[str, Stage] = NOTHING
) -> dict[str, Stage]:
    """Those `STAGES` that something must pass: as `configured`, else built for `lock` alone."""
    needed = {name for names in REQUIRED.values() for name in names}
    return {
        name: configured[name] if name in configured else make(lock)
        for name, make in STAGES.items()
        if name in needed
    }


def make_pipeline(lock: Lockfile | None, configured: Mapping[str, Stage] = NOTHING) -> Decide:
    """`decide` with the stages of `make_stages`."""
    return Panel(make_stages(lock, configured)).decide


def decide(
    stages: Mapping[str, Stage], subject: Subject, ctx: Context, rewrote: tuple[str, ...] = ()
) -> Decision | Wait:
    """Ask every required stage in order; the first that does not allow decides.

    `rewrote`: the stages that made `subject` of what came. Each may once, so that what one of them
    takes out and what another adds go together; one that goes on rewriting is a denial.
    """
    return _decided(stages, REQUIRED[subject.kind], subject, ctx, rewrote)


def _decided(  # noqa: PLR0917 - `decide`'s own arguments, and where it stands
    stages: Mapping[str, Stage],
    names: Sequence[str],
    subject: Subject,
    ctx: Context,
    rewrote: tuple[str, ...],
    first: Verdict | Wait | None = None,
) -> Decision | Wait:
    """`decide`, asking the stages `names`. `first`: what the first of them has said already."""
    findings: tuple[Finding, ...] = ()
    for name in names:
        verdict = _said(_stage(stages, name), subject, ctx) if first is None else first
        first = None
        if verdict is ALLOW:
            continue
        if isinstance(verdict, Wait):
            return verdict
        findings += verdict.findings
        if verdict.effect is not Effect.ALLOW:
            return _denied(name, verdict, subject, findings)
        if verdict.rewrite is not None:
            again = _again(stages, name, subject, verdict.rewrite, ctx, rewrote)
            if isinstance(again, Wait):
                return again
            again = again._replace(findings=findings + again.findings)
            return again if again.stage else _remarked(again, name, verdict)
    return Decision(True, subject, findings=findings)


def _said(stage: Stage, subject: Subject, ctx: Context) -> Verdict | Wait:
    try:
        return stage.judge(subject, ctx)
    except Exception as error:  # noqa: BLE001 - whatever a stage raises is a denial
        return _raised(error)


def _raised(error: Exception) -> Verdict:
    return Verdict.deny(Reason.STAGE_FAILED, f"it raised {type(error).__name__}")


class _NotThere:
    """In the place of a stage that is absent."""

    @staticmethod
    def judge(subject: Subject, ctx: Context) -> Verdict:  # noqa: ARG004 - `Stage.judge`
        return Verdict.deny(Reason.STAGE_MISSING, "a required stage is not there")


_NOT_THERE = _NotThere()


def _stage(stages: Mapping[str, Stage], name: str) -> Stage:
    stage = stages.get(name)
    return _NOT_THERE if stage is None else stage


class Panel:
    """`decide` for the stages of one session, faster where all of them allow without remark.

    It knows beforehand who is asked about which kind, so only `seat` changes the stages. A stage
    may say of which kinds it allows everything (`unmoved`): about those it is not asked. And what
    its `judge` calls for a kind (`by_kind`): that is asked at once.
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self.stages: Mapping[str, Stage] = NOTHING
        self._judges: dict[SubjectKind, tuple[tuple[tuple[str, ...], _Judge], ...]] = {}
        """Who is asked about a kind, each behind the names from its own on."""
        self.seat(stages)

    def seat(self, stages: Mapping[str, Stage]) -> None:
        """From now on these judge, in place of those of the same names."""
        self.stages = MappingProxyType({**self.stages, **stages})
        for kind, required in REQUIRED.items():
            names = tuple(name for name in required if self._moved(name, kind))
            self._judges[kind] = tuple(
                (names[place:], _judge(_stage(self.stages, name), kind))
                for place, name in enumerate(names)
            )

    def _moved(self, name: str, kind: SubjectKind) -> bool:
        return kind not in getattr(self.stages.get(name), "unmoved", ())

    def decide(self, subject: Subject, ctx: Context) -> Decision | Wait:
        """As the function `decide`; `PASSED` in place of a permission without remark."""
        left: tuple[str, ...] = ("",)  # never empty: there is somebody in whose name to deny
        judges = self._judges[subject.kind]
        try:
            for left, judge in judges:  # noqa: B007 - `left`: from whom on, when it ends early
                verdict = judge(subject, ctx)
                if verdict is not ALLOW:
                    break
            else:
                return PASSED
        except Exception as error:  # noqa: BLE001 - whatever a stage raises is a denial
            verdict = _raised(error)
        return _decided(self.stages, left, subject, ctx, (), verdict)


_Judge = Callable[[Subject, Context], Verdict | Wait]


def _judge(stage: Stage, kind: SubjectKind) -> _Judge:
    by_kind: Mapping[SubjectKind, _Judge] = getattr(stage, "by_kind", {})
    return by_kind.get(kind, stage.judge)


def _again(  # noqa: PLR0917 - `decide`'s own arguments, once more
    stages: Mapping[str, Stage],
    name: str,
    subject: Subject,
    rewrite: Subject,
    ctx: Context,
    rewrote: tuple[str, ...],
) -> Decision | Wait:
    """Judge what a stage made of the subject, from the first stage."""
    if type(rewrite) is not type(subject):
        verdict = Verdict.deny(Reason.STAGE_FAILED, "a rewrite changed what is judged")
    elif name in rewrote:
        verdict = Verdict.deny(Reason.REWRITE_LOOP, "the stages do not agree on a rewrite")
    else:
        return decide(stages, rewrite, ctx, (*rewrote, name))
    return _denied(name, verdict, subject, ())


def _remarked(decision: Decision, name: str, verdict: Verdict) -> Decision:
    """An allowed decision that says who changed its subject, and why."""
    return decision._replace(stage=name, reason=verdict.reason, detail=verdict.detail)


def _denied(
    name: str, verdict: Verdict, subject: Subject, findings: tuple[Finding, ...]
) -> Decision:
    if verdict.effect is Effect.ABSTAIN:
        detail = f"the stage {name} did not decide"
        return Decision(False, subject, name, Reason.STAGE_ABSTAINED, detail, findings)
    return Decision(False, subject, name, verdict.reason, verdict.detail, findings)
