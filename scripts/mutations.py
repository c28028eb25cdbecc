"""The small changes that scripts/mutation makes to a module, one at a time.

Left alone: docstrings, annotations, `__all__`, imports, and sentences for people (strings that
hold a space): a message may be worded better without a test knowing.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Steps = tuple[tuple[str, int | None], ...]
Make = Callable[[ast.AST], ast.AST]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}

UNTOUCHED_FIELDS = {"annotation", "returns", "type_params", "type_ignores"}

LONGEST_LABEL = 70
"""Characters of source shown for a mutant."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: the node at `steps` from the module's root goes through `make`.

    `first` to `last` are the lines that must run for it to matter; `function` is the outermost
    function around it, empty for what runs at import (tables, class bodies, decorators, defaults).
    """

    steps: Steps
    make: Make
    label: str
    first: int
    last: int
    function: str

    def apply(self, source: str) -> ast.Module:
        """A new tree of `source` with the change made."""
        tree = ast.parse(source)
        parent: ast.AST = tree
        for step in self.steps[:-1]:
            parent = _child(parent, step)
        field, position = self.steps[-1]
        old = _child(parent, self.steps[-1])
        new = ast.copy_location(self.make(old), old)
        if position is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[position] = new
        return ast.fix_missing_locations(tree)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the path so far, the lines of the statement, the function around it."""

    steps: Steps = ()
    first: int = 0
    last: int = 0
    function: str = ""


def mutations(source: str) -> list[Mutation]:
    """Every change this module knows, in the order of the source."""
    return list(_walk(ast.parse(source), _Place()))


def _child(parent: ast.AST, step: tuple[str, int | None]) -> ast.AST:
    field, position = step
    value = getattr(parent, field)
    found = value if position is None else value[position]
    if not isinstance(found, ast.AST):
        raise TypeError(f"{field} of {parent} is no node")
    return found


def _walk(node: ast.AST, place: _Place) -> Iterator[Mutation]:
    if _is_untouched(node):
        return
    here = _at(node, place)
    if place.steps:
        yield from _changes(node, here)
    for field, position, child in _children(node):
        step = (*place.steps, (field, position))
        function = here.function
        if isinstance(node, ast.FunctionDef) and not function and field == "body":
            function = node.name
        yield from _walk(child, _Place(step, here.first, here.last, function))


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if field in UNTOUCHED_FIELDS or (isinstance(node, ast.JoinedStr)):
            continue
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield field, position, item


def _at(node: ast.AST, place: _Place) -> _Place:
    """The lines of a plain statement, or of the head of one that holds others."""
    if isinstance(node, ast.stmt):
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        last = node.end_lineno or node.lineno
        if isinstance(node, ast.If | ast.While | ast.For | ast.With) and body:
            last = max(node.lineno, body[0].lineno - 1)
        return _Place(place.steps, node.lineno, last, place.function)
    return place


def _is_untouched(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def _changes(node: ast.AST, place: _Place) -> Iterator[Mutation]:
    for make in _makers(node):
        new = make(node)
        label = f"{_shown(node)}  ->  {_shown(new)}"
        yield Mutation(place.steps, make, label, place.first, place.last, place.function)


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(node)).split())
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 3] + "..."


def _makers(node: ast.AST) -> Iterator[Make]:
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARISONS:
            yield _other_comparison
        case ast.BoolOp():
            yield _other_boolean
        case ast.UnaryOp(op=ast.Not()):
            yield _unnegated
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            yield _other_operator
        case ast.AugAssign():
            yield _removed
        case ast.Constant(value=value) if _is_data(value):
            yield _other_constant
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
                yield _negated_test
        case ast.Return(value=value) if value and not _is_falsy_or_flag(value):
            yield _returns_none
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield _removed
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield _removed
        case _:
            return


def _is_data(value: object) -> bool:
    if isinstance(value, str):
        return " " not in value.strip() and "\n" not in value.strip()
    return isinstance(value, bool | int | float | bytes)


def _is_falsy_or_flag(node: ast.expr) -> bool:
    """None in place of these says the same, or their own mutation says more."""
    return isinstance(node, ast.Constant) and (not node.value or node.value is True)


def _other_comparison(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Compare)
    head, *rest = node.ops
    return ast.Compare(node.left, [COMPARISONS[type(head)](), *rest], node.comparators)


def _other_boolean(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    return ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _unnegated(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _other_operator(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BinOp)
    return ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)


def _other_constant(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    match node.value:
        case bool() as flag:
            return ast.Constant(not flag)
        case int() | float() as number:
            return ast.Constant(number + 1)
        case str() as text:
            return ast.Constant(text + "X" if text else "X")
        case bytes() as data:
            return ast.Constant(data + b"X")
        case other:
            raise TypeError(f"{other!r} has no other")


def _negated_test(node: ast.AST) -> ast.AST:
    match node:
        case ast.If(test=test, body=body, orelse=orelse):
            return ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.While(test=test, body=body, orelse=orelse):
            return ast.While(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test=test, body=value, orelse=otherwise):
            return ast.IfExp(ast.UnaryOp(ast.Not(), test), value, otherwise)
        case other:
            raise TypeError(f"{other!r} has no test")


def _returns_none(node: ast.AST) -> ast.AST:
    return ast.Return(ast.Constant(None))


def _removed(node: ast.AST) -> ast.AST:
    return ast.Pass()
