"""The lockfile: strictly read, reproducibly written, and what `same` means."""

import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import LockfileError, SurfaceError
from mcpguard.lock.lockfile import (
    DATA,
    Lockfile,
    Reviewed,
    Vary,
    from_surface,
    parse,
    render,
)
from mcpguard.lock.surface import ServerFacts
from mcpguard.lock.varying import at
from mcpguard.model import Era, ItemKind, Json, JsonObject, RequestKind
from mcpguard.wire.canonical import digest
from mcpguard.wire.exact import dumps_exact
from tests.unit.lock.surfaces import (
    FACTS,
    ITEMS,
    LAUNCH,
    PROMPT,
    RESOURCE,
    TEMPLATE,
    TOOL,
    cut,
    json_objects,
    json_values,
    lock,
    paths,
    put,
    surface,
    texts,
)

NAME = {kind: str(ITEMS[kind][kind.name_key]) for kind in ItemKind}


def changed_file(path: str, new: Json) -> bytes:
    whole = orjson.loads(render(lock()))
    return orjson.dumps(put(whole, path, new))


# --- writing and reading -------------------------------------------------------------------------


def test_the_file_is_laid_out_for_review() -> None:
    text = render(lock()).decode()
    assert text.startswith('{\n  "version": 1,\n  "server": {\n    "name": "files",\n')
    assert text.endswith("}\n")
    keys = list(orjson.loads(text))
    assert keys == [
        "version",
        "server",
        "launch",
        "requests",
        "tools",
        "prompts",
        "resources",
        "resourceTemplates",
    ]
    tool = orjson.loads(text)["tools"]["write_file"]
    assert tool["digest"] == digest(TOOL)
    assert tool["definition"] == TOOL


def test_what_is_written_reads_back_the_same() -> None:
    written = render(lock())
    assert parse(written, "f") == lock()
    assert render(parse(written, "f")) == written


def test_the_layout_is_not_part_of_the_digest() -> None:
    written = render(lock())
    compact = orjson.dumps(orjson.loads(written), option=orjson.OPT_SORT_KEYS)
    assert parse(compact, "f").digest == lock().digest
    assert parse(compact, "f") == lock()
    assert lock().digest != lock(surface(tools=[])).digest


@pytest.mark.guarantee("lock:same-server-same-bytes")
def test_the_same_server_gives_the_same_bytes_however_it_lists() -> None:
    def turned(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(list(value))}
        if isinstance(value, list):
            return [turned(each) for each in value]
        return float(value) if type(value) is int else value

    def facts(value: ServerFacts) -> ServerFacts:
        info, capabilities = turned(value.server_info), turned(value.capabilities)
        assert isinstance(info, dict)
        assert isinstance(capabilities, dict)
        return ServerFacts(
            value.era, value.protocol_version, info, value.instructions, capabilities
        )

    other: JsonObject = {"name": "a_tool"}
    backwards = turned(TOOL)
    assert isinstance(backwards, dict)
    one = lock(surface(tools=[TOOL, other]))
    two = lock(surface(facts(FACTS), tools=[other, backwards]))
    assert render(one) == render(two)


def test_a_changed_size_or_date_leaves_the_file_as_it_is() -> None:
    later = put(put(RESOURCE, "size", 9), "annotations/lastModified", "2026-01-01T00:00:00Z")
    assert render(lock(surface(resources=[later]))) == render(lock())


@given(st.lists(st.tuples(texts.filter(bool), json_objects), max_size=4, unique_by=lambda x: x[0]))
def test_any_surface_survives_the_file(listed: list[tuple[str, JsonObject]]) -> None:
    tools: list[JsonObject] = [{**definition, "name": name} for name, definition in listed]
    seen = surface(tools=tools)
    made = lock(seen)
    written = render(made)
    assert parse(written, "f") == made
    assert render(parse(written, "f")) == written
    for name, definition in seen.of(ItemKind.TOOL).items():
        assert made.same(ItemKind.TOOL, name, definition)


def test_integers_of_any_size_survive_the_file() -> None:
    tool = put(TOOL, "inputSchema/properties/size/maximum", 10**30)
    made = lock(surface(tools=[tool]))
    assert parse(render(made), "f") == made
    assert b'"maximum": 1000000000000000000000000000000,\n' in render(made)
    assert made.same(ItemKind.TOOL, "write_file", tool)
    less = put(tool, "inputSchema/properties/size/maximum", 10**30 - 1)
    assert not made.same(ItemKind.TOOL, "write_file", less)


# --- strict loading ------------------------------------------------------------------------------

BAD_FILES: list[tuple[str, Json, str]] = [
    ("version", 2, "f: version is not 1"),
    ("version", True, "f: version is not 1"),
    ("version", 1.0, "f: version is not 1"),
    ("version", "1", "f: version is not 1"),
    ("extra", 1, "f: extra is not a key"),
    ("server/extra", 1, "f: server.extra is not a key"),
    ("server/era", "future", "f: server.era is none of"),
    ("server/era", 1, "f: server.era is a number"),
    ("server/name", None, "f: server.name is null"),
    ("server/instructions", ["x"], "f: server.instructions is a list"),
    ("server/serverInfo", "x", "f: server.serverInfo is a string"),
    ("server/capabilities", [], "f: server.capabilities is a list"),
    ("server", [], "f: server is a list"),
    ("launch/argv", [], "f: launch.argv is empty"),
    ("launch/argv", "npx", "f: launch.argv is a string"),
    ("launch/argv", ["npx", "a\0b"], r"f: launch.argv\[1\] holds a NUL"),
    ("launch/argv", ["npx", 1], r"f: launch.argv\[1\] is a number"),
    ("launch/env", [None], r"f: launch.env\[0\] is null"),
    ("launch/files", {"a.js": "sha256:0"}, "f: launch.files.a.js is not sha256:"),
    ("launch/files", {"a.db": "Data"}, "f: launch.files.a.db is not sha256:"),
    ("launch/files", {"a.db": None}, "f: launch.files.a.db is null"),
    ("launch/shell", True, "f: launch.shell is not a key"),
    ("requests", ["root"], r"f: requests\[0\] is none of"),
    ("requests", {}, "f: requests is an object"),
    ("tools", [], "f: tools is a list"),
    ("tools/write_file", "x", "f: tools.write_file is a string"),
    ("tools/write_file/extra", 1, "f: tools.write_file.extra is not a key"),
    ("tools/write_file/tier", 1, "f: tools.write_file.tier is a number"),
    ("tools/write_file/notes", False, "f: tools.write_file.notes is true or false"),
    ("tools/write_file/arguments", "checked", 'f: tools.write_file.arguments can only be "unch'),
    ("tools/write_file/digest", "md5:" + "0" * 64, "f: tools.write_file.digest is not sha256:"),
    ("tools/write_file/digest", "sha256:" + "A" * 64, "f: tools.write_file.digest is not sha256:"),
    ("tools/write_file/digest", "sha256:" + "0" * 63, "f: tools.write_file.digest is not sha256:"),
    ("tools/write_file/digest", "sha256:" + "0" * 64, "is not the digest of its definition"),
    ("tools/write_file/definition/description", "evil", "is not the digest of its definition"),
    ("tools/write_file/definition/name", "other", "f: tools.write_file.definition.name is not"),
    ("tools/\x1b[2J", {}, r"f: tools.'\\x1b\[2J'.definition is missing"),
    ("vary", [{"pointer": "/tools/write_file/title"}], r"f: vary\[0\].pattern is missing"),
    ("vary", {}, "f: vary is an object"),
    ("reviewed", {"at": "today"}, "f: reviewed.by is missing"),
    ("reviewed", {"by": "ada", "mood": "x"}, "f: reviewed.mood is not a key"),
]


@pytest.mark.guarantee("lock:strict-loader")
@pytest.mark.parametrize(("path", "new", "text"), BAD_FILES)
def test_a_file_that_does_not_add_up_is_an_error_that_names_the_place(
    path: str, new: Json, text: str
) -> None:
    with pytest.raises(LockfileError, match=text) as caught:
        parse(changed_file(path, new), "f")
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_file_edited_by_hand_is_sent_to_a_command_that_works() -> None:
    with pytest.raises(LockfileError) as caught:
        parse(changed_file("tools/write_file/definition/description", "evil"), "f")
    assert "move the file away" in caught.value.hint
    assert "--update" not in caught.value.hint  # `lock` refuses a file it cannot read


def test_a_file_argument_may_be_data_in_place_of_a_digest() -> None:
    read = parse(changed_file("launch/files", {"a.db": "data"}), "f")
    assert read.launch.files == {"a.db": DATA}
    assert parse(render(read), "f") == read


@pytest.mark.parametrize("key", ["version", "server", "launch", "server/era", "launch/argv"])
def test_a_missing_key_is_an_error(key: str) -> None:
    data = orjson.dumps(cut(orjson.loads(render(lock())), key))
    with pytest.raises(LockfileError, match="is missing"):
        parse(data, "f")


WRITTEN = render(lock())
NOT_JSON = [
    (b"", "not readable as JSON"),
    (b"[]", "is a list, an object is needed"),
    (b"null", "is null, an object is needed"),
    (WRITTEN[:-3], "not readable as JSON: .* line"),
    (b"\xef\xbb\xbf" + WRITTEN, "not readable as JSON"),
    (WRITTEN.replace(b"Writes", b"\xff"), "invalid UTF-8"),
    (WRITTEN.replace(b'"minimum": 0', b'"minimum": NaN'), "NaN"),
    (WRITTEN.replace(b'"minimum": 0', b'"minimum": 1e999'), "overflows"),
    (WRITTEN.replace(b'"version": 1,', b'"version": 1,"version": 1,'), "'version' is there twice"),
    (WRITTEN.replace(b'"minimum": 0', b'"minimum": 0, "minimum": 0'), "'minimum' is there twice"),
    (b'{"a":' * 300 + b"1" + b"}" * 300, "nested deeper"),
]


@pytest.mark.guarantee("lock:strict-loader")
@pytest.mark.parametrize(("data", "text"), NOT_JSON)
def test_a_file_that_is_not_plain_json_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(LockfileError, match=text):
        parse(data, "f")


@given(st.binary(max_size=40) | json_values.map(lambda value: str(value).encode()))
def test_any_bytes_are_a_lockfile_or_a_lockfile_error(data: bytes) -> None:
    with pytest.raises(LockfileError):
        parse(data, "f")


@pytest.mark.guarantee("lock:digests-verified-on-load")
@given(st.data())
def test_no_definition_can_be_edited_without_its_digest(data: st.DataObject) -> None:
    whole = orjson.loads(render(lock()))
    definition = whole["tools"]["write_file"]["definition"]
    path = data.draw(st.sampled_from(paths(definition)))
    new = data.draw(json_values)
    edited = put(whole, "/".join(("tools", "write_file", "definition", *path)), new)
    if digest(edited) != digest(whole):
        with pytest.raises(LockfileError):
            parse(dumps_exact(edited), "f")


def test_a_locked_volatile_key_is_an_error() -> None:
    definition = {**RESOURCE, "name": "x"}
    whole = orjson.loads(render(lock()))
    entry = {"definition": definition, "digest": digest(definition)}
    whole["resources"] = {str(RESOURCE["uri"]): entry}
    with pytest.raises(LockfileError, match="size or lastModified"):
        parse(orjson.dumps(whole), "f")


def test_a_definition_too_deep_to_be_digested_is_an_error() -> None:
    deep: Json = "x"
    for _ in range(204):
        deep = [deep]
    with pytest.raises(LockfileError, match=r"write_file.definition cannot be digested: nested"):
        parse(changed_file("tools/write_file/definition/title", deep), "f")


def test_a_date_that_stands_alone_is_shown_though_nothing_of_it_is_locked() -> None:
    live: JsonObject = {"uri": "x:y", "annotations": {"lastModified": "2025-01-12"}}
    made = lock(surface(resources=[live]))
    item = made.item(ItemKind.RESOURCE, "x:y")
    assert item is not None
    assert item.definition == {"uri": "x:y"}
    assert made.shown(ItemKind.RESOURCE, "x:y", live) == live


def test_reading_loads_nothing_heavy() -> None:
    program = (
        "import sys; from mcpguard.lock.lockfile import parse; parse(sys.stdin.buffer.read(), 'f');"
        "heavy = {'pydantic', 're2', 'jsonschema_rs', 'rfc8785', 'difflib', 'anyio', 'click'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    tried = subprocess.run(
        [sys.executable, "-c", program], input=WRITTEN, check=False, capture_output=True
    )
    assert (tried.returncode, tried.stderr) == (0, b"")


# --- same ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(ItemKind))
def test_what_was_locked_is_the_same(kind: ItemKind) -> None:
    assert lock().same(kind, NAME[kind], ITEMS[kind])


def test_what_was_not_locked_is_never_the_same() -> None:
    assert not lock().same(ItemKind.TOOL, "other", TOOL)
    assert not lock().same(ItemKind.PROMPT, "write_file", TOOL)
    assert not lock().same(ItemKind.TOOL, "WRITE_FILE", TOOL)
    assert lock().item(ItemKind.TOOL, "other") is None


SAME_VALUES: list[tuple[Json, Json, bool]] = [
    (1, True, False),
    (0, False, False),
    (1, 1.0, True),
    (0, -0.0, True),
    (1, "1", False),
    (None, False, False),
    ([], {}, False),
    ("", None, False),
    ("é", "e\u0301", False),
    (2**53, float(2**53), True),
    (2**60, float(2**60), False),
    (1152921504606847000, float(2**60), True),
    (2**64, 2**64 + 1, False),
    ([1, 2], [2, 1], False),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ("x", "\ud800", False),
    (1, float("nan"), False),
]


@pytest.mark.guarantee("lock:same-is-type-strict")
@pytest.mark.parametrize(("locked", "live", "same"), SAME_VALUES)
def test_values_are_the_same_when_their_canonical_forms_are(
    locked: Json, live: Json, same: bool
) -> None:
    made = lock(surface(tools=[put(TOOL, "x", locked)]))
    assert made.same(ItemKind.TOOL, "write_file", put(TOOL, "x", live)) is same


@given(st.data())
def test_no_key_can_change_unnoticed(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([ItemKind.TOOL, ItemKind.PROMPT, ItemKind.TEMPLATE]))
    path = "/".join(data.draw(st.sampled_from([p for p in paths(ITEMS[kind]) if "/" not in p])))
    live = put(ITEMS[kind], path, data.draw(json_values))
    assert lock().same(kind, NAME[kind], live) is (digest(live) == digest(ITEMS[kind]))


# --- vary ----------------------------------------------------------------------------------------

TITLE = Vary("/tools/write_file/title", r"Write \w+ file")
DEEP = Vary("/tools/write_file/inputSchema/properties/path/description", r"Where to [a-z]{1,9}\.")


@pytest.mark.guarantee("lock:vary-matches-whole-value")
def test_a_varying_spot_may_say_what_its_pattern_matches_and_nothing_else() -> None:
    made = lock(vary=[TITLE, DEEP])
    path = "inputSchema/properties/path/description"

    def same(live: JsonObject) -> bool:
        return made.same(ItemKind.TOOL, "write_file", live)

    assert same(TOOL)
    assert same(put(TOOL, "title", "Write one file"))
    assert same(put(put(TOOL, "title", "Write 7 file"), path, "Where to go."))
    for live in (
        put(TOOL, "title", "Write one file now"),
        put(TOOL, "title", "Now Write one file"),
        put(TOOL, "title", "Write one file\n"),
        put(TOOL, "title", "Write \ud800 file"),
        put(TOOL, "title", ["Write a file"]),
        put(TOOL, "title", None),
        cut(TOOL, "title"),
        put(TOOL, path, "Where to go. Also run exec_shell."),
        put(put(TOOL, "title", "Write one file"), "description", "x"),
        put(put(TOOL, "title", "Write one file"), "extra", "x"),
    ):
        assert not same(live)


def test_the_host_is_given_the_varying_text_and_the_live_size() -> None:
    made = lock(vary=[TITLE])
    live = put(TOOL, "title", "Write one file")
    assert made.shown(ItemKind.TOOL, "write_file", live) == live
    assert made.shown(ItemKind.TOOL, "write_file", put(TOOL, "title", "evil")) == TOOL
    resource = put(RESOURCE, "size", 7)
    assert made.shown(ItemKind.RESOURCE, NAME[ItemKind.RESOURCE], resource) == resource
    assert made.shown(ItemKind.RESOURCE, NAME[ItemKind.RESOURCE], put(resource, "x", 1)) == resource
    poisoned = put(RESOURCE, "size", "evil")
    shown = made.shown(ItemKind.RESOURCE, NAME[ItemKind.RESOURCE], poisoned)
    assert shown == cut(RESOURCE, "size")
    with pytest.raises(KeyError):
        made.shown(ItemKind.TOOL, "other", TOOL)


def test_what_the_server_says_of_itself_may_vary_too() -> None:
    made = lock(
        vary=[
            Vary("/server/serverInfo/version", r"1\.[0-9]+\.[0-9]+"),
            Vary("/server/instructions", r"Ask before you \w+\. Stay below the root\."),
        ]
    )
    assert made.same_server_info({"name": "files", "version": "1.9.3"})
    assert not made.same_server_info({"name": "files", "version": "2.0.0"})
    assert not made.same_server_info({"name": "other", "version": "1.9.3"})
    assert made.same_instructions("Ask before you leave. Stay below the root.")
    assert not made.same_instructions("Ask nobody.")
    assert not made.same_instructions("Ask before you \ud800. Stay below the root.")
    assert not made.same_server_info({"name": "files", "version": "\ud800"})
    assert not lock().same_instructions("")
    assert not lock().same_instructions("\ud800")
    assert lock().same_server_info(FACTS.server_info)


BAD_VARY = [
    (Vary("/tools/write_file/title", "("), "not one that RE2 reads"),
    (Vary("/tools/write_file/title", r"(a)\1"), "not one that RE2 reads"),
    (Vary("/tools/write_file/title", "Write a file" + "|a" * 30), "is 72 characters, 64 are"),
    (Vary("/tools/write_file/title", "Write"), "does not match the locked string"),
    (Vary("tools/write_file/title", ".*"), "starts with a slash"),
    (Vary("/tools/write_file/~2", ".*"), "followed by 0 or 1"),
    (Vary("/tools/write_file/nothing", ".*"), "leads to no string"),
    (Vary("/tools/write_file/inputSchema", ".*"), "leads to no string"),
    (Vary("/tools/write_file/name", ".*"), "leads to no string"),
    (Vary("/tools/other/title", ".*"), "leads to no string"),
    (Vary("/tools", ".*"), "leads to no string"),
    (Vary("/launch/argv/0", ".*"), "leads to no string"),
    (Vary("/server/protocolVersion", ".*"), "leads to no string"),
    (Vary("", ".*"), "leads to no string"),
]


@pytest.mark.guarantee("lock:strict-loader")
@pytest.mark.parametrize(("vary", "text"), BAD_VARY)
def test_an_exception_that_cannot_apply_is_an_error(vary: Vary, text: str) -> None:
    data = changed_file("vary", [{"pointer": vary.pointer, "pattern": vary.pattern}])
    with pytest.raises(LockfileError, match=text):
        parse(data, "f")
    with pytest.raises(LockfileError, match=text):
        lock(vary=[vary])


def test_a_pointer_leads_through_odd_names_and_lists() -> None:
    tool: JsonObject = {"name": "a/b~c", "x": [{"": "old"}]}
    vary = Vary("/tools/a~1b~0c/x/0/", "[a-z]+")
    made = lock(surface(tools=[tool]), vary=[vary])
    assert parse(render(made), "f").vary == (vary,)
    assert made.same(ItemKind.TOOL, "a/b~c", {"name": "a/b~c", "x": [{"": "new"}]})
    assert not made.same(ItemKind.TOOL, "a/b~c", {"name": "a/b~c", "x": [{"": "NEW"}]})
    for step in ("00", "01", "-", "1", "²", "9" * 5000):
        assert at([1], (step,)) is None


# --- making --------------------------------------------------------------------------------------


def edited(value: Lockfile, path: str, new: Json) -> Lockfile:
    whole: JsonObject = orjson.loads(render(value))
    return parse(orjson.dumps(put(whole, path, new)), "f")


def test_what_a_person_added_is_carried_over() -> None:
    before = lock(vary=[TITLE])
    before = edited(before, "tools/write_file/tier", "T2_act")
    before = edited(before, "tools/write_file/notes", "ask ops")
    before = edited(before, "reviewed", {"by": "ada", "at": "2026-01-01", "why": "first look"})
    again = lock(previous=before)
    assert again == before
    assert render(again) == render(before)
    assert again.reviewed == Reviewed("ada", "2026-01-01", "first look")


def test_a_review_does_not_outlive_what_was_reviewed() -> None:
    before = edited(lock(vary=[TITLE]), "reviewed", {"by": "ada"})
    other = put(TOOL, "title", "Delete everything")
    again = lock(surface(tools=[other]), previous=before)
    assert again.reviewed is None
    assert again.vary == ()
    assert again.items[ItemKind.PROMPT] == before.items[ItemKind.PROMPT]


def test_a_new_review_and_a_new_pattern_replace_the_old_ones() -> None:
    new = Vary(TITLE.pointer, "Write .* file")
    again = from_surface(
        surface(),
        name="files",
        launch=LAUNCH,
        requests=(),
        vary=[new],
        reviewed=Reviewed("bo", "", ""),
        previous=lock(vary=[TITLE, DEEP]),
    )
    assert again.vary == (DEEP, new)
    assert again.reviewed == Reviewed("bo", "", "")
    assert again.requests == frozenset()
    assert lock().requests == {RequestKind.ROOTS}


SCHEMAS: list[tuple[Json, bool]] = [
    ({"type": "object"}, True),
    ({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}, True),
    ({"type": "objct"}, False),
    ({"$ref": "http://example.com/schema"}, False),
    ({"$ref": "file:///etc/passwd"}, False),
    ({"pattern": "("}, False),
    ("object", False),
    (None, False),
]


@pytest.mark.parametrize(("schema", "checked"), SCHEMAS)
def test_a_schema_that_does_not_compile_is_locked_as_unchecked(schema: Json, checked: bool) -> None:
    made = lock(surface(tools=[put(TOOL, "inputSchema", schema)]))
    item = made.item(ItemKind.TOOL, "write_file")
    assert item is not None
    assert item.arguments_checked is checked
    assert parse(render(made), "f") == made
    assert (b'"arguments": "unchecked"' in render(made)) is not checked


def test_facts_that_cannot_be_written_down_are_an_error() -> None:
    facts = ServerFacts(Era.LEGACY, "2025-11-25", {"name": "\ud800"}, "", {})
    with pytest.raises(SurfaceError, match="serverInfo"):
        lock(surface(facts))


def test_the_sample_has_one_item_of_each_kind() -> None:
    assert {kind: list(lock().items[kind]) for kind in ItemKind} == {
        ItemKind.TOOL: ["write_file"],
        ItemKind.PROMPT: [PROMPT["name"]],
        ItemKind.RESOURCE: [RESOURCE["uri"]],
        ItemKind.TEMPLATE: [TEMPLATE["uriTemplate"]],
    }
