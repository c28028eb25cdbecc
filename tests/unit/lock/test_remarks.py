"""What a reviewer is told of a lockfile that nothing drifted from."""

from mcpguard.lock.drift import remarks
from mcpguard.model import JsonObject
from tests.unit.lock.surfaces import TOOL, lock, surface


def test_a_sound_lockfile_has_no_remarks() -> None:
    assert remarks(lock()) == ()


def test_a_reviewer_is_told_of_look_alike_names_and_unchecked_arguments() -> None:
    tools: list[JsonObject] = [TOOL, {**TOOL, "name": "WRITE_file"}, {"name": "loose"}]
    assert [(each.rule, each.message) for each in remarks(lock(surface(tools=tools)))] == [
        ("lock.look-alike", "tool WRITE_file: its name differs from write_file only by case"),
        (
            "lock.unchecked",
            "tool loose: its input schema does not compile, so arguments go unchecked",
        ),
    ]
