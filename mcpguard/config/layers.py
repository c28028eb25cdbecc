"""Layers of values become one, and one becomes `Settings`.

From below: the preset, what `--policy` names, the user's file, each with its section for the server
on top; then the system's file tightens. What only shows when all is known is checked here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os.path import realpath
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Final

from mcpguard.config.rows import Held, Path, Values, row_of
from mcpguard.config.settings import (
    DEFAULT_PROFILE,
    ApprovalSettings,
    AuditSettings,
    PrincipalSettings,
    Settings,
    StoreSettings,
    TelemetrySettings,
    TrustSettings,
)
from mcpguard.config.values import UTC_ZONE
from mcpguard.errors import PolicyError
from mcpguard.model import Mode, Tier
from mcpguard.pipeline.terms import Fence, GatewayPolicy, Handling, Response, Responses, ScanPolicy
from mcpguard.policy.rules import RuleSet
from mcpguard.scan.patterns import MAX_PATTERNS, Patterns
from mcpguard.trust.limits import Limits
from mcpguard.trust.policy import DEFAULT, MAX_POLICIES, PolicyTable, ToolPolicy, ties

__all__ = ["laid", "misfits", "settings_of", "tightened"]

_TOOL: Final = ("limits", "tool")
_TOOLS: Final = ("limits", "tools")
_RULES: Final = ("rules",)
_ZONE: Final = ("zone",)
_SYSTEM: Final = "system"
"""What the counters of the system's rules are kept under: no rule of another file shares them."""

_SPANS: Final = "otlp-traces"
"""The format of a sink that takes nothing but spans."""

_REDIS: Final = ("redis://", "rediss://", "unix://")


def laid(layers: Iterable[Values]) -> Values:
    """One layer of several, the lowest first."""
    made: Values = {}
    for layer in layers:
        for path, held in layer.items():
            made[path] = made.get(path, ()) + held if row_of(path).adds else held
    return made


def tightened(values: Values, system: Values) -> Values:
    """What holds of `values` when the system's file says `system`. Raises PolicyError.

    Tools' policies, rules and scopes stay apart: `settings_of` puts them beneath the others as a
    floor, and both must allow.
    """
    made = dict(values)
    for path, held in system.items():
        way = row_of(path).tighten
        if way is not None:
            made[path] = way(made.get(path), held)
    if _RULES in system and _ZONE not in system:
        made.pop(_ZONE, None)  # nobody moves the hours that the system's rules are about
    return made | _tool_limits(values, system)


def _tool_limits(values: Values, system: Values) -> Values:
    """Rates of each tool: its own or every tool's, and the system's own or every tool's.

    A later limit with a higher amount changes nothing: all of them are held to.
    """
    paths = {path for layer in (values, system) for path in layer if path[:2] == _TOOLS}
    made: Values = {
        path: values.get(path, values.get(_TOOL, ())) + system.get(path, system.get(_TOOL, ()))
        for path in sorted(paths)
    }
    if _TOOL in system:
        made[_TOOL] = values.get(_TOOL, ()) + system[_TOOL]
    return made


def settings_of(values: Values, system: Values | None = None) -> Settings:
    """The settings that `values` say, on the floor of `system`'s. Raises PolicyError.

    `values` hold everything that a preset holds.
    """
    floor = system or {}
    one = _One(values)
    return Settings(
        preset=one("preset"),
        mode=one("mode", default=None),
        floor=_One(floor)("mode", default=Mode.AUDIT_ONLY),
        profile=one("profile"),
        identity=_identity(values),
        zone=one("zone", default=UTC_ZONE),
        principals=_principals(values),
        trust=TrustSettings(
            min_trust=one("trust", "min_trust"),
            tiers=one("trust", "tiers") == "decide",
            servers=one("trust", "servers") == "hold",
        ),
        tools=_tools(values, floor),
        limits=Limits(
            tools={path[-1]: _each(values, path) for path in values if path[:2] == _TOOLS},
            tool=_each(values, _TOOL),
            principal=_each(values, ("limits", "principal")),
            server=_each(values, ("limits", "server")),
        ),
        gateway=replace(_gateway(values), fixed=_fence(floor)),
        scan=_scan(one),
        approvals=ApprovalSettings(
            hold=one("approvals", "hold"),
            retry=one("approvals", "retry"),
            quorum=one("approvals", "quorum"),
            elicit=_each(values, ("approvals", "elicit")),
        ),
        rules=_rules(values, floor),
        suppress=_each(values, ("scan", "suppress")),
        requests=_set(values, ("requests",)),
        audit=AuditSettings(
            log=one("audit", "log", default=""),
            durability=one("audit", "durability"),
            sinks=_sinks(values, traced=one("telemetry", "trace", default="off") == "on"),
            host=one("audit", "host", default=""),
            on_failure=one("audit", "on_failure"),
            rotate_size=one("audit", "rotate_size"),
            rotate_age=one("audit", "rotate_age"),
            keep=one("audit", "keep"),
            anchors=one("audit", "anchors", default=""),
            capture_arguments=_each(values, ("audit", "capture", "arguments")),
            capture_results=_each(values, ("audit", "capture", "results")),
            evidence=one("audit", "evidence") == "on",
            receipts=one("audit", "receipts"),
        ),
        telemetry=TelemetrySettings(
            trace=one("telemetry", "trace", default="off") == "on",
            listen=one("telemetry", "listen", default=""),
        ),
        store=_store(values),
    )


class _One:
    """The value of a key that has one."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def __call__(self, *path: str, **absent: Any) -> Any:  # noqa: ANN401 - the type is the row's
        held = self._values.get(path)
        return held[0].value if held is not None else absent["default"]


def _each(values: Values, path: Path) -> tuple[Any, ...]:
    """The entries of a list; none when it is not set."""
    return tuple(held.value for held in values.get(path, ()))


def _set(values: Values, path: Path) -> frozenset[Any] | None:
    return frozenset(_each(values, path)) if path in values else None


def _groups(values: Values, top: str) -> dict[str, dict[str, tuple[Held, ...]]]:
    """What stands under `top`, by the two words below it."""
    made: dict[str, dict[str, tuple[Held, ...]]] = {}
    for path, held in values.items():
        if path[0] == top:
            made.setdefault(path[1], {})[path[2]] = held
    return made


def _identity(values: Values) -> str:
    """The file of the host's key. Raises PolicyError when a profile says as well who it is."""
    identity, profile = values.get(("identity",)), values.get(("profile",))
    if identity is None:
        return ""
    if profile is not None and profile[0].value != DEFAULT_PROFILE:
        raise identity[0].node.error(
            "`identity` and `profile` both say who the host is",
            hint=f"leave one out; the profile {profile[0].value} stands at {profile[0].origin}",
        )
    path: str = identity[0].value
    return path


def _principals(values: Values) -> Mapping[str, PrincipalSettings]:
    made = {}
    for name, held in _groups(values, "principals").items():
        capabilities = frozenset(each.value for each in held.get("capabilities", ()))
        blocked = held["blocked"][0].value if "blocked" in held else False
        made[name] = PrincipalSettings(capabilities, blocked)
    return MappingProxyType(made)


def _tools(values: Values, floor: Values) -> PolicyTable:
    """The tools' policies on those of the system's file, if it says anything about tools."""
    default = replace(DEFAULT, min_trust=_One(values)("trust", "min_trust"))
    asked = _One(floor)("trust", "min_trust", default=0)
    beneath = ToolPolicy(min_trust=asked, tier=Tier.OBSERVE)
    below = _policies(floor, beneath)
    lowest = PolicyTable(below, default=beneath) if below or asked else None
    return PolicyTable(_policies(values, default), default=default, floor=lowest)


def _policies(values: Values, default: ToolPolicy) -> dict[str, ToolPolicy]:
    groups = _groups(values, "tools")
    if len(groups) > MAX_POLICIES:
        (*_, last), *_ = [*groups.values()][-1].values()
        raise last.node.error(
            f"{len(groups)} tool policies, at most {MAX_POLICIES} are read",
            hint="put tools with the same policy under one pattern",
        )
    made = {
        pattern: replace(default, **{key: _field(key, each) for key, each in held.items()})
        for pattern, held in groups.items()
    }
    for pair in ties(made):
        firsts = [next(iter(groups[pattern].values()))[0].node for pattern in pair]
        later = max(firsts, key=lambda node: node.place)
        raise later.error(
            f"`{pair[0]}` and `{pair[1]}` are as specific as each other, differ and match the same"
            " names",
            hint="make one of them more specific, or both the same",
        )
    return made


def _field(key: str, held: tuple[Held, ...]) -> Any:  # noqa: ANN401 - the type is the row's
    if key == "required_capabilities":
        return tuple(each.value for each in held)
    return held[0].value


def _gateway(values: Values) -> GatewayPolicy:
    allow = _each(values, ("gateway", "allow")) if ("gateway", "allow") in values else None
    budget, own = _One(values), _fence(values)
    count, within = budget("gateway", "budgets", "repeated_failures", default=(None, 60.0))
    policy = GatewayPolicy(
        deny=_each(values, ("gateway", "deny")),
        allow=allow,
        detectors=_detectors(values),
        scopes=own.scopes,
        bindings=own.bindings,
        budgets=Limits(
            max_tool_calls=budget("gateway", "budgets", "tool_calls", default=None),
            max_bytes_in=budget("gateway", "budgets", "bytes_in", default=None),
            max_bytes_out=budget("gateway", "budgets", "bytes_out", default=None),
            failures=count,
            failure_window=within,
        ),
        approve=_each(values, ("gateway", "approve")),
    )
    rows = values.get(("gateway", "patterns"), ())
    for error in _doubles((held.value.name, held) for held in rows):
        raise error
    if len(rows) > MAX_PATTERNS:
        raise rows[-1].node.error(f"{len(rows)} patterns, at most {MAX_PATTERNS} are looked for")
    return replace(policy, patterns=Patterns.of(held.value for held in rows)) if rows else policy


def _scan(one: _One) -> ScanPolicy:
    def response(*path: str) -> Response:
        return Response(one("scan", *path))

    def responses(what: str) -> Responses:
        return Responses(response(what, "review"), response(what, "block"))

    return ScanPolicy(
        results=responses("results"),
        definitions=responses("definitions"),
        requests=responses("requests"),
        secrets=response("secrets"),
        pii=response("pii"),
        canary=response("canary"),
        keep=one("scan", "keep"),
    )


def _sinks(values: Values, *, traced: bool) -> tuple[Any, ...]:
    rows = values.get(("audit", "sinks"), ())
    for error in _doubles((held.value.name, held) for held in rows):
        raise error
    files = [each for each in rows if each.value.kind == "file"]
    for error in _doubles(
        ((realpath(held.value.place), held) for held in files), "writes to", "name another file"
    ):
        raise error
    for error in _set_aside_over(files):
        raise error
    for held in rows:
        if held.value.format == _SPANS and not traced:
            raise held.node.error(
                f"there are no spans to send to `{held.value.name}`",
                hint="write telemetry: {trace: on}",
            )
    return tuple(held.value for held in rows)


def _set_aside_over(files: Sequence[Held]) -> Iterable[PolicyError]:
    """An error at an entry whose file is a name under which another sink keeps an older file."""
    named = {realpath(held.value.place): held for held in files}
    for path, held in named.items():
        for number in range(1, held.value.keep + 1):
            other = named.get(f"{path}.{number}")
            if other is None:
                continue
            place = f"{held.node.source}:{held.node.place[0]}"
            yield other.node.error(
                f"`{path}.{number}` is what `{held.value.name}` calls an older file of its own,"
                " which it writes over",
                hint=f"that one is {place}; name another file",
            )


def _detectors(values: Values) -> Mapping[str, Handling]:
    return MappingProxyType(
        {
            path[2]: Handling(held[0].value)
            for path, held in values.items()
            if path[:2] == ("gateway", "detect") and held[0].value != "off"
        }
    )


def _fence(values: Values) -> Fence:
    return Fence(_each(values, ("gateway", "scopes")), _bindings(values))


def _bindings(values: Values) -> tuple[Any, ...]:
    scopes = {(each.resource, each.action) for each in _each(values, ("gateway", "scopes"))}
    rows = values.get(("gateway", "arguments"), ())
    for held in rows:
        wanted = held.value.resource, held.value.action
        if wanted not in scopes:
            raise held.node.error(
                f"no scope is about {wanted[0]} x {wanted[1]}, so this would deny every call",
                hint=f'add what is open under `gateway.scopes`: "{wanted[0]}:... x {wanted[1]}"',
            )
    return tuple(held.value for held in rows)


def misfits(layers: Iterable[Values]) -> Iterable[PolicyError]:
    """What is wrong with files as a whole: `layers` are all of theirs, each server's section too.

    A scope that no argument is compared with, and two rules of one name: what their limits count
    would be one.
    """
    layers = tuple(layers)
    bound = {
        (each.resource, each.action)
        for values in layers
        for each in _each(values, ("gateway", "arguments"))
    }
    for values in layers:
        for held in values.get(("gateway", "scopes"), ()):
            if (held.value.resource, held.value.action) not in bound:
                yield held.node.error(
                    "no argument is compared with this scope, so it has no effect",
                    hint="say which arguments it is about, under `gateway.arguments`",
                )
    rules = [held for values in layers for held in values.get(("rules",), ())]
    yield from _doubles((str(each.node.items()["name"].value), each) for each in rules)


def _rules(values: Values, floor: Values) -> RuleSet | None:
    beneath = _rule_set(floor, _SYSTEM)
    made = _rule_set(values, "rules")
    rules = RuleSet(made.name, made.rules, floor=beneath if beneath.rules else None)
    return rules if rules.any else None


def _rule_set(values: Values, name: str) -> RuleSet:
    return RuleSet(name, [rule for each in _each(values, ("rules",)) for rule in each])


def _doubles(
    named: Iterable[tuple[str, Held]], does: str = "is called", way: str = "rename one"
) -> Iterable[PolicyError]:
    """An error at the second of two entries with one name, of one file or of two.

    `does`: what an entry does with that name. `way`: what to do about it.
    """
    seen: dict[str, Held] = {}
    for name, held in named:
        if name in seen:
            first = seen[name].node
            place = f"{first.source}:{first.place[0]}"
            yield held.node.error(
                f"a second entry {does} `{name}`", hint=f"the first is {place}; {way}"
            )
        seen.setdefault(name, held)


def _store(values: Values) -> StoreSettings:
    one = _One(values)
    backend, where = one("store", "backend"), one("store", "where", default="")
    problem = _misplaced(backend, where)
    if problem is not None:
        at = values.get(("store", "where"), values["store", "backend"])[0].node
        what, hint = problem
        raise at.error(what, hint=hint)
    return StoreSettings(backend=backend, where=where, on_loss=one("store", "on_loss"))


def _misplaced(backend: str, where: str) -> tuple[str, str] | None:
    """Why a backend cannot be at a place, and what to do."""
    if backend == "memory" and where:
        return "the memory store has no place", "leave out `store.where`"
    if backend == "redis" and not where.startswith(_REDIS):
        return "the Redis store needs an address", 'write where: "redis://HOST:6379/0"'
    if backend == "sqlite" and where and not FilePath(where).is_absolute():
        return "the place of the store is not an absolute path", "begin it with /"
    return None
