"""The gateway's bindings: which arguments name something, and whether the scopes cover it."""

from collections.abc import Iterator
from itertools import islice
from typing import assert_never

from mcpguard.errors import UsageError
from mcpguard.model import ALLOW, Json, JsonObject, Reason, Verdict
from mcpguard.pipeline.terms import Binding
from mcpguard.scan.commands import resolve_command
from mcpguard.scan.semantics import (
    ACTIONS,
    Refused,
    Resolution,
    Resource,
    Scope,
    System,
    covered,
    resolve_host,
    resolve_path,
)
from mcpguard.trust.policy import Glob

__all__ = ["Bound"]

MAX_NAMED = 1000
"""Values that one binding finds in one call. Each path costs several system calls."""

_EVERY = "*"


class _ShapeError(ValueError):
    """What stands where an argument should, as the end of a sentence."""


class Bound:
    """A binding with the scopes it is held to, ready to be asked.

    Raises UsageError for a binding that cannot be; `place` is where it is configured.
    """

    __slots__ = ("_argument", "_binding", "_globs", "_scopes", "_steps", "_system")

    def __init__(
        self, binding: Binding, scopes: tuple[Scope, ...], system: System | None, place: str
    ) -> None:
        self._binding = binding
        self._globs = tuple(map(Glob, binding.tools))
        self._steps = binding.steps
        self._argument = f"the argument {binding.argument!r}"
        self._scopes = tuple(each for each in scopes if each.resource is binding.resource)
        self._system = _system(binding, system, place)
        if binding.action not in ACTIONS[binding.resource]:
            known = ", ".join(sorted(ACTIONS[binding.resource]))
            raise UsageError(f"{place}.action: for {binding.resource} it is one of {known}")
        if not binding.argument:
            raise UsageError(f"{place}.argument: it is empty", hint="such as: path, or /files/*")
        if not self._globs:
            raise UsageError(f"{place}.tools: it is empty", hint="name the tools, or write '*'")

    def is_for(self, tool: str) -> bool:
        """Whether the binding speaks of `tool`."""
        return any(glob.matches(tool) for glob in self._globs)

    def check(self, arguments: JsonObject) -> Verdict:
        """ALLOW when the scopes cover every reading of every value that is there."""
        try:
            for value in self._values(arguments):
                resolution = self._resolved(value)
                if isinstance(resolution, Refused):
                    return self._denied(f"cannot be resolved: {resolution.reason}")
                if not covered(self._scopes, resolution):
                    what = f"{self._binding.resource} x {self._binding.action}"
                    return self._denied(f"is outside what the scopes of {what} cover")
        except _ShapeError as error:
            return self._denied(str(error))
        except _TwinError:
            text = f"{self._argument} has a twin that differs from it by case"
            return Verdict.deny(Reason.KEY_FOLDING, text)
        return ALLOW

    def same(self, one: JsonObject, other: JsonObject) -> bool:
        """Whether both give the binding the same values, and it can read them."""
        try:
            return self._values(one) == self._values(other)
        except (_ShapeError, _TwinError):  # which `check` says when it is asked
            return False

    def _values(self, arguments: JsonObject) -> list[Json]:
        values = list(islice(_named(arguments, self._steps), MAX_NAMED + 1))
        if len(values) > MAX_NAMED:
            raise _ShapeError(f"has more than {MAX_NAMED} values")
        return values

    def _denied(self, why: str) -> Verdict:
        return Verdict.deny(Reason.SCOPE, f"{self._argument} {why}")

    def _resolved(self, value: Json) -> Resolution:
        """Raises _ShapeError for a value that names nothing of this kind."""
        resource, action = self._binding.resource, self._binding.action
        if resource is Resource.COMMAND and isinstance(value, list):
            return resolve_command(_words(value), action)
        if not isinstance(value, str):
            raise _ShapeError("is not a text")
        match resource:
            case Resource.FILESYSTEM:
                return resolve_path(value, action, self._system)
            case Resource.NETWORK:
                return resolve_host(value, action)
            case Resource.COMMAND:
                return resolve_command(value, action)
            case _:
                assert_never(resource)


class _TwinError(ValueError):
    """Two keys that some servers take for one."""


def _named(value: Json, steps: tuple[str, ...]) -> Iterator[Json]:
    """The values at the end of `steps`; none where something on the way is absent or null.

    Raises _ShapeError where a list or an object should be and is not: an argument of another shape
    must not be an argument that is absent.
    """
    if value is None:
        return
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step == _EVERY or isinstance(value, list):
        yield from _entries(value, step, rest)
    elif isinstance(value, dict):
        if any(key != step and key.casefold() == step.casefold() for key in value):
            raise _TwinError
        yield from _named(value.get(step), rest)
    else:
        raise _ShapeError("stands in what is not an object")


def _entries(value: Json, step: str, rest: tuple[str, ...]) -> Iterator[Json]:
    if not isinstance(value, list):
        raise _ShapeError("is not a list")
    if step == _EVERY:
        for each in value:
            yield from _named(each, rest)
    elif step.isascii() and step.isdigit():
        yield from _named(value[int(step)] if int(step) < len(value) else None, rest)
    else:
        raise _ShapeError("stands in what is not an object")


def _words(value: list[Json]) -> list[str]:
    words = [each for each in value if isinstance(each, str)]
    if len(words) < len(value):
        raise _ShapeError("is not a list of texts")
    return words


_NOWHERE = System(lambda _: None)
"""For bindings that name no files."""


def _system(binding: Binding, system: System | None, place: str) -> System:
    if binding.resource is not Resource.FILESYSTEM:
        if binding.base:
            raise UsageError(f"{place}.base: only paths have a place where they start")
        return _NOWHERE
    if system is None:
        raise UsageError(f"{place}: there is nothing that resolves paths")
    rooted = binding.base.startswith("/") or binding.base[1:3] in {":/", ":\\"}
    if binding.base and not rooted:
        raise UsageError(f"{place}.base: it is not an absolute path")
    return system._replace(base=binding.base or None)
