"""A running session, as a person sees and changes it: `control.operations.Operations`.

Everything happens on the session's own thread, but for files and the store. A change is recorded
before it is done and answered; where the session enforces, what cannot be recorded is not done,
except what ends the session.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import orjson

from mcpguard.approval.outcome import Became, Outcome, Shown
from mcpguard.approval.statement import Answer, Binding, Signed, opened, plain_tool
from mcpguard.approval.texts import row_value, shown_value
from mcpguard.approval.tickets import SHORT
from mcpguard.config.flags import APPROVERS, data_dir
from mcpguard.config.loading import Loaded
from mcpguard.config.plan import Plan, make_plan
from mcpguard.control import blocks, policies
from mcpguard.control.blocks import Block
from mcpguard.control.operations import Conversation, nobody_signs
from mcpguard.control.policies import Policy
from mcpguard.control.proof import proven
from mcpguard.errors import ControlError, McpguardError, RefusalError, StoreError
from mcpguard.identity.keys import roster
from mcpguard.identity.roster import Roster
from mcpguard.live import reloading
from mcpguard.live.governor import UNSIGNED, Governor
from mcpguard.live.keeping import RELEASED_FOR
from mcpguard.live.worker import Worker
from mcpguard.model import ItemKind, Json, JsonObject, SubjectKind
from mcpguard.proxy.core import BLOCKS

__all__ = ["Desk"]


MAX_TOOLS = 20
"""Blocked tools that a status names."""


class Desk:
    """The operations on one session. Its own thread only.

    `resume`: what waits is judged again. `kill`: ends the session. `since`: Unix seconds of its
    start. `clock`: Unix seconds now.
    """

    def __init__(
        self,
        governor: Governor,
        *,
        resume: Callable[[], None],
        kill: Callable[[str], None],
        killed: Callable[[], bool],
        since: float,
        clock: Callable[[], float],
    ) -> None:
        self._governor = governor
        self._resume, self._kill, self._killed = resume, kill, killed
        self._since, self._clock = since, clock
        self._loaded = governor.plan.loaded

    def conversation(self, now: Callable[[], float]) -> Callable[[bytes], Awaitable[bytes]]:
        """Answers one connection of the control socket. `now`: monotonic seconds."""
        governor = self._governor
        session, server = governor.session, governor.plan.name
        hello: JsonObject = {"session": session, "server": server, "pid": os.getpid()}
        known = governor.roster.approvers
        check = proven(session, governor.approvals.verify) if known else nobody_signs
        return Conversation(self, hello, check, now).answer

    # what is looked at

    async def status(self) -> JsonObject:
        """See `Operations.status`."""
        governor, plan = self._governor, self._governor.plan
        counts, parties, lock = _sums(governor), governor.parties, plan.flags.lock
        return {
            "session": governor.session,
            "server": plan.name,
            "pid": os.getpid(),
            "since": datetime.fromtimestamp(self._since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lockfile": {"path": str(lock.absolute()) if lock else "", "digest": plan.digest},
            "mode": str(plan.mode),
            "preset": str(governor.settings.preset),
            "principal": plan.principal,
            "level": parties.caller.level,
            "score": parties.effective.score,
            "allowed": counts["calls"] - counts["denied"],
            "denied": counts["denied"],
            "would_deny": counts["would_deny"],
            "blocked": _blocked(governor),
            "waiting": len(governor.approvals.pending()),
            "audit_log": str(governor.audit.path.absolute()) if governor.audit is not None else "",
            "killed": self._killed(),
            "policies": [_policy_value(each) for each in _ruled(governor)],
            "ignored": _ignored(governor),
        }

    async def stats(self) -> JsonObject:
        """See `Operations.stats`."""
        governor = self._governor
        return {
            **_sums(governor),
            "by_tool": _by_tool(governor),
            "latency_ms": governor.latency.told() if governor.latency is not None else {},
            "held": len(governor.held()),
            "store": f"{governor.settings.store.backend}, {governor.observer.state}",
            "settings": reloading.digest(governor.over(self._loaded)),
        }

    async def pending(self) -> list[JsonObject]:
        """See `Operations.pending`."""
        return [row_value(row) for row in self._governor.approvals.pending()]

    async def show(self, ticket: str) -> JsonObject:
        """See `Operations.show`."""
        return shown_value(self._shown(ticket))

    async def blocks(self) -> list[JsonObject]:
        """See `Operations.blocks`."""
        return [blocks.as_json(each) for each in await self._worker().do(blocks.every)]

    async def counts(self) -> JsonObject:
        """See `Operations.counts`."""
        governor = self._governor
        return {
            **_sums(governor),
            "left": dict(governor.budgets.left()),
            "principal": governor.plan.principal,
            "by_tool": _by_tool(governor),
        }

    # approvals

    async def decide(
        self, ticket: str, yes: bool, approvers: Sequence[str], statement: JsonObject
    ) -> JsonObject:
        """See `Operations.decide`."""
        return await (self._yes(ticket, approvers, statement) if yes else self._no(ticket))

    async def _yes(
        self, ticket: str, approvers: Sequence[str], statement: JsonObject
    ) -> JsonObject:
        shown, signed = self._shown(ticket), opened(statement)
        if not isinstance(signed, Signed):
            raise RefusalError(f"the answer does not count: {signed}", hint=_ASK_AGAIN)
        said = signed.statement
        if signed.key not in approvers or said.answer is not Answer.YES:
            raise RefusalError("the answer is not a yes of who signed the request", hint=_ASK_AGAIN)
        if said.request != shown.request:
            raise RefusalError("the answer is about another call", hint=_ASK_AGAIN)
        approvals = self._governor.approvals
        if approvals.nobody:
            raise RefusalError(approvals.nobody, hint=_FEWER)
        _counts(approvals.refusal(signed))
        self._record("approval.yes", (signed.key,), **self._about(shown))
        outcome = approvals.answer(signed)
        _counts(outcome)
        self._stir()
        left = approvals.show(ticket)
        missing = left.row.quorum - left.row.yes if left and outcome.became in _MORE else 0
        return {"ticket": ticket, "answer": "yes", "missing": missing, "became": outcome.became}

    async def _no(self, ticket: str) -> JsonObject:
        approvals = self._governor.approvals
        shown = approvals.show(ticket)
        if shown is not None:
            self._record("approval.no", **self._about(shown))
            approvals.refuse(ticket)
            self._stir()
        elif not await self._taken_back(ticket):
            raise _unknown(ticket)
        return {"ticket": ticket, "answer": "no"}

    async def _taken_back(self, ticket: str) -> bool:
        """A yes that no call has used yet, or an asking of a session that has ended."""
        approvals = self._governor.approvals
        recalled = approvals.recall(ticket)
        done = await self._worker().do(lambda store: approvals.revoke(store, ticket))
        return done or bool(recalled)

    async def refuse_like(self, ticket: str) -> JsonObject:
        """See `Operations.refuse_like`."""
        approvals = self._governor.approvals
        like = _like(self._shown(ticket).binding)
        shown = [approvals.show(row.ticket) for row in approvals.pending()]
        alike = [each for each in shown if each is not None and _like(each.binding) == like]
        for each in alike:
            self._record("approval.no", **self._about(each))
            approvals.refuse(each.row.ticket)
        self._stir()
        return {"refused": len(alike)}

    def _shown(self, ticket: str) -> Shown:
        shown = self._governor.approvals.show(ticket)
        if shown is None:
            raise _unknown(ticket)
        return shown

    def _about(self, shown: Shown) -> dict[str, str]:
        binding, audit = shown.binding, self._governor.audit
        encoded = orjson.dumps(shown.arguments) if shown.arguments else b""
        digest = audit.args_digest(encoded) if audit is not None and encoded else ""
        return {
            "caller": binding.principal,
            "target": plain_tool(binding),
            "args_digest": digest,
            "lock": binding.lock,
        }

    # blocks

    async def block(self, kind: str, name: str, why: str) -> JsonObject:
        """See `Operations.block`. It holds here at once, in other sessions at their next look."""
        self._record("control.block", why=why, kind=kind, name=name)
        self._governor.blocked.block(kind, name)
        self._stir()
        made = Block(kind, name, why, int(self._clock()), UNSIGNED)
        try:
            new = await self._worker().do(lambda store: blocks.add(store, made))
        except StoreError as error:
            raise ControlError(
                f"{kind} {name} {blocks.ALONE}: {error.message}", hint=error.hint
            ) from error
        return {"kind": kind, "name": name, "new": new}

    async def unblock(self, kind: str, name: str, approvers: Sequence[str]) -> JsonObject:
        """See `Operations.unblock`."""
        blocked, worker = self._governor.blocked, self._worker()
        there = {(each.kind, each.name) for each in await worker.do(blocks.every)}
        if (kind, name) not in there and not blocked.holds(kind, name):
            raise RefusalError(
                f"{kind} {name} is not blocked", hint="see what is: mcpguard trust blocks"
            )
        self._record("control.unblock", approvers, kind=kind, name=name)
        await worker.do(lambda store: blocks.remove(store, kind, name))
        blocked.unblock(kind, name)
        return {"kind": kind, "name": name}

    # settings

    async def set_policy(
        self, glob: str, fields: JsonObject, approvers: Sequence[str]
    ) -> JsonObject:
        """See `Operations.set_policy`."""
        loaded = reloading.with_policy(self._loaded, glob, fields)
        policy = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()
        self._take(loaded, "control.policy", approvers, glob=glob, policy=policy)
        return {"glob": glob, "fields": fields}

    async def rule(self, statement: JsonObject, approvers: Sequence[str]) -> JsonObject:
        """See `Operations.rule`."""
        policy, governor = policies.read(statement), self._governor
        if policy is None or policy.key not in approvers:
            raise RefusalError(
                "the policy is not one that who signed the request signed",
                hint="sign both with one key: mcpguard trust policy does",
            )
        governor.rule(policies.row_of(policies.place_of(policy), statement))
        known = governor.ruled.known.get(policy.about) if governor.ruled is not None else None
        here = policy.server in {"", governor.plan.name}
        if here and (known is None or known.at < policy.at):
            raise RefusalError(
                "the policy is not signed by an approver who counts in this session",
                hint="see who does: mcpguard approver list",
            )
        self._stir()
        return {"glob": policy.glob, "fields": policy.fields, "here": here}

    async def reload(self, approvers: Sequence[str]) -> JsonObject:
        """See `Operations.reload`."""
        from anyio import to_thread

        try:
            plan, known = await to_thread.run_sync(self._read_again)
            keys = self._permitted(plan, known)
            what = {"old": reloading.digest(self._loaded), "new": reloading.digest(plan.loaded)}
            self._take(plan.loaded, "control.reload", approvers, known, **what)
        except McpguardError as error:
            raise RefusalError(
                f"the old configuration stays: {error.message}", hint=error.hint
            ) from error
        return {"changed": [*keys]}

    def _read_again(self) -> tuple[Plan, Roster]:
        plan = self._governor.plan
        return make_plan(plan.flags, plan.lock), roster(data_dir() / APPROVERS)

    def _permitted(self, plan: Plan, known: Roster) -> list[str]:
        """The keys that differ. Raises RefusalError when they cannot be taken over."""
        governor = self._governor
        keys = reloading.differing(self._loaded, plan.loaded)
        fixed = reloading.at_start_only(keys) or ["mode"] * (plan.mode is not governor.plan.mode)
        fixed += ["identity"] * (plan.did != governor.plan.did and "identity" not in fixed)
        if fixed:
            raise RefusalError(
                f"{', '.join(fixed)} can only be set when a session starts",
                hint="end the host, or undo that change",
            )
        if not known.extends(governor.roster):
            raise RefusalError(
                "the approvers were replaced since this session started",
                hint="find out who did it: mcpguard approver list; it takes a restart",
            )
        return keys + ["approvers"] * (known != governor.roster)

    def _take(
        self,
        loaded: Loaded,
        event: str,
        approvers: Sequence[str],
        known: Roster | None = None,
        **what: str,
    ) -> None:
        """From now on, these settings hold. What raises leaves those of before."""
        governor, before = self._governor, self._governor.settings
        held = governor.over(loaded).settings
        governor.govern(held)
        try:
            self._record(event, approvers, **what)
        except McpguardError:
            governor.govern(before)
            raise
        governor.roster = known or governor.roster
        governor.approvals.change(held.approvals, governor.roster.approvers)
        self._loaded = governor.loaded = loaded
        self._stir()

    async def reset_budgets(self, approvers: Sequence[str]) -> JsonObject:
        """See `Operations.reset_budgets`."""
        governor = self._governor
        self._record("control.budget", approvers, kind="server", name=governor.plan.name)
        governor.budgets.reset()
        return dict(governor.budgets.left())

    async def reset_trust(
        self, kind: str, name: str, why: str, approvers: Sequence[str]
    ) -> JsonObject:
        """See `Operations.reset_trust`. The record is what does it; without a log there is none."""
        if self._governor.audit is None:
            raise RefusalError(
                "this session has no audit log, and a reset is a record in it",
                hint="name a session that has one: --session ID",
            )
        self._record("trust.reset", approvers, why=why, kind=kind, name=name)
        self._stir()
        return {"kind": kind, "name": name}

    async def release(
        self, name: str, target: str, digest: str, approvers: Sequence[str]
    ) -> JsonObject:
        """See `Operations.release`."""
        self._record(
            "quarantine.release", approvers, name=name, target=target, digest=digest, admits="retry"
        )
        self._governor.keeping.release(digest)
        return {"name": name, "seconds": RELEASED_FOR}

    async def kill(self, why: str) -> JsonObject:
        """See `Operations.kill`. A log that cannot be written stops nobody from ending it."""
        with suppress(McpguardError):
            self._record("control.kill", why=why, scope="session")
        self._kill(why or "mcpguard kill")
        return {"session": self._governor.session}

    # inside

    def _record(self, event: str, keys: Sequence[str] = (), why: str = "", **what: str) -> None:
        """Raises ControlError when the session enforces and it cannot be written."""
        self._governor.note(event, keys, why, **what)

    def _worker(self) -> Worker:
        worker = self._governor.worker
        if worker is None:
            raise ControlError("the store is not open yet", hint="try again in a moment")
        return worker

    def _stir(self) -> None:
        """What waits is judged again, and the store asked what there is to ask."""
        if self._governor.worker is not None:
            self._governor.worker.stir()
        self._resume()


def _like(binding: Binding) -> tuple[str, str, str]:
    return binding.principal, binding.server, plain_tool(binding)


def _counted(governor: Governor, calls: int, denied: int) -> dict[str, int]:
    """`denied` as what it was: in a mode that lets calls through, what enforce would deny."""
    stops = SubjectKind.CALL in BLOCKS[governor.plan.mode]
    return {"calls": calls, "denied": denied * stops, "would_deny": denied * (not stops)}


def _sums(governor: Governor) -> dict[str, int]:
    """Calls of tools so far, how many were denied, and how many enforce would have denied."""
    rows = governor.calls().values()
    return _counted(governor, sum(calls for calls, _ in rows), sum(denied for _, denied in rows))


def _blocked(governor: Governor) -> JsonObject:
    """Who and what is blocked here by the operator: caller, server, tools of the lockfile."""
    blocked, lock = governor.blocked, governor.plan.lock
    tools = sorted(t for t in blocked.tools if lock is None or lock.item(ItemKind.TOOL, t))
    return {
        "caller": blocked.caller(governor.plan.principal),
        "server": blocked.server(),
        "tools": [*tools[:MAX_TOOLS]],
    }


def _by_tool(governor: Governor) -> JsonObject:
    rows = governor.calls().items()
    return {name: {**_counted(governor, calls, denied)} for name, (calls, denied) in rows}


def _ruled(governor: Governor) -> list[Policy]:
    return governor.ruled.held if governor.ruled is not None else []


def _ignored(governor: Governor) -> JsonObject:
    rows = governor.ruled.ignored if governor.ruled is not None else ()
    shown: list[Json] = [each.record() for each in rows[: reloading.MAX_SAID]]
    return {"count": len(rows), "policies": shown}


def _policy_value(policy: Policy) -> JsonObject:
    return {key: value for key, value in policies.as_json(policy).items() if key != "signature"}


_MORE = frozenset((Became.COUNTED, Became.AGAIN))
_FEWER = "then: mcpguard reload; or ask fewer: approvals.quorum in mcpguard.yaml"
_ASK_AGAIN = "look at it again: mcpguard approve show TICKET"


def _counts(outcome: Outcome | None) -> None:
    """Raises RefusalError for an answer that counts for nothing."""
    if outcome is not None and outcome.became in {Became.UNKNOWN, Became.FLAWED}:
        why = outcome.flaw or outcome.became
        raise RefusalError(f"the answer does not count: {why}", hint=_ASK_AGAIN)


def _unknown(ticket: str) -> RefusalError:
    return RefusalError(
        f"no call waits under {ticket[:SHORT]}", hint="see what does: mcpguard approve list"
    )
