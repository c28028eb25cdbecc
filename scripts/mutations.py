"""The small changes that scripts/mutation makes to a module, one at a time.

Left alone: docstrings, annotations, decorators (a dataclass that is not frozen does the same),
`__all__`, imports, and sentences for people (strings that hold a space): a message may be worded
better without a test knowing.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Steps = tuple[tuple[str, int | None], ...]

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

UNTOUCHED_FIELDS = {"annotation", "returns", "decorator_list", "type_params", "type_ignores"}

LONGEST_LABEL = 70
"""Characters of source shown for a mutant."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: the node at `steps` from the module's root gives way to a replacement.

    `first` to `last` are the lines that must run for it to matter; `function` is the outermost
    function around it, empty for what runs at import (tables, class bodies, decorators, defaults).
    """

    steps: Steps
    which: int
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
        new = ast.copy_location(replacements(old)[self.which], old)
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
        case (
            ast.Assign(targets=[ast.Name(id="__all__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING"))
        ):
            return True
        case _:
            return False


def _changes(node: ast.AST, place: _Place) -> Iterator[Mutation]:
    for which, new in enumerate(replacements(node)):
        label = f"{_shown(node)}  ->  {_shown(new)}"
        yield Mutation(place.steps, which, label, place.first, place.last, place.function)


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(node)).split())
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 3] + "..."


def replacements(node: ast.AST) -> list[ast.AST]:
    """What may stand in the place of `node`, each a defect of its own."""
    replaced = REPLACED.get(type(node))
    return list(replaced(node)) if replaced else []


def _comparison(node: ast.Compare) -> Iterator[ast.AST]:
    head, *rest = node.ops
    yield ast.Compare(node.left, [COMPARISONS[type(head)](), *rest], node.comparators)


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _negation(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not):
        yield node.operand


def _operation(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool() as flag:
            yield ast.Constant(not flag)
        case int() | float() as number:
            yield ast.Constant(number + 1)
        case str() as text if " " not in text.strip() and "\n" not in text.strip():
            yield ast.Constant(text + "!")
        case bytes() as data:
            yield ast.Constant(data + b"!")
        case _:
            return


def _if(node: ast.If) -> Iterator[ast.AST]:
    if not isinstance(node.test, CHANGED_WITHIN):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def _while(node: ast.While) -> Iterator[ast.AST]:
    if not isinstance(node.test, CHANGED_WITHIN):
        yield ast.While(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    if not isinstance(node.test, CHANGED_WITHIN):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def _return(node: ast.Return) -> Iterator[ast.AST]:
    """None in place of something falsy says the same; a constant has mutations of its own."""
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield ast.Return(ast.Constant(None))


def _assignment(node: ast.Assign) -> Iterator[ast.AST]:
    if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield ast.Pass()


def _removed(_: ast.stmt) -> Iterator[ast.AST]:
    yield ast.Pass()


REPLACED: dict[type[ast.AST], Callable[[Any], Iterator[ast.AST]]] = {
    ast.Compare: _comparison,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _negation,
    ast.BinOp: _operation,
    ast.Constant: _constant,
    ast.If: _if,
    ast.While: _while,
    ast.IfExp: _choice,
    ast.Return: _return,
    ast.Assign: _assignment,
    **dict.fromkeys(
        (ast.AugAssign, ast.Expr, ast.Raise, ast.Continue, ast.Break, ast.Delete), _removed
    ),
}
"""Which nodes change, and how."""

CHANGED_WITHIN = (ast.Compare, ast.BoolOp, ast.UnaryOp)
"""Conditions with mutations of their own."""
