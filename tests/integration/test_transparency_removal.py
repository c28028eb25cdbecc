"""One item taken out of server-everything's lock: it does not exist any more, the rest works."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import tools
from tests.integration.host import Place, Session, ask, call, error, said

COMMAND = ("node", str(tools.SERVER_EVERYTHING))
ALL = {
    "sampling": {},
    "elicitation": {"form": {}, "url": {}},
    "roots": {"listChanged": True},
}
"""What a host can do; server-everything shows more to a host that can do more."""
ASKS = ("--allow-request", "roots", "--allow-request", "sampling", "--allow-request", "elicitation")


@dataclass(frozen=True)
class Kind:
    """One kind of item: its list, the one that is removed, its neighbour, how both are used."""

    section: str
    method: str
    gone: str
    use: str
    key: str
    near: str
    word: str
    never: str
    more: tuple[tuple[str, object], ...] = ()
    target: str = ""

    def ask(self, ident: int, name: str) -> bytes:
        return ask(ident, self.use, **{self.key: name, **dict(self.more)})


KINDS = (
    Kind(
        "tools",
        "tools/list",
        "echo",
        "tools/call",
        "name",
        "get-tiny-image",
        "tool",
        "lost",
        (("arguments", {}),),
    ),
    Kind(
        "prompts",
        "prompts/list",
        "simple-prompt",
        "prompts/get",
        "name",
        "args-prompt",
        "prompt",
        "lost",
        (("arguments", {"city": "Rome"}),),
    ),
    Kind(
        "resources",
        "resources/list",
        "demo://resource/static/document/architecture.md",
        "resources/read",
        "uri",
        "demo://resource/static/document/features.md",
        "resource",
        "demo://resource/static/document/lost.md",
    ),
    Kind(
        "resourceTemplates",
        "resources/templates/list",
        "demo://resource/dynamic/text/{resourceId}",
        "resources/read",
        "uri",
        "demo://resource/dynamic/blob/1",
        "resource",
        "demo://resource/dynamic/lost/1",
        target="demo://resource/dynamic/text/1",
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("everything"), COMMAND)
    place.make_lock(*ASKS)
    return place


@pytest.fixture(params=KINDS, ids=lambda kind: kind.section)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def place(whole: Place, tmp_path: Path, kind: Kind) -> Place:
    """The lock without the item."""
    place = Place(tmp_path, COMMAND)
    lock = json.loads(whole.lock.read_bytes())
    del lock[kind.section][kind.gone]
    place.lock.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    return place


@pytest.fixture
def session(place: Place) -> Iterator[Session]:
    with place.proxy() as session:
        session.start(capabilities=ALL)
        yield session


@pytest.mark.guarantee("surface:only-locked")
def test_what_is_not_locked_is_not_listed_and_the_rest_is_in_its_order(
    session: Session, place: Place, kind: Kind
) -> None:
    with place.direct() as direct:
        direct.start(capabilities=ALL)
        for each in KINDS:
            there = direct.names(each.method)
            assert kind.gone not in there or each is kind
            assert session.names(each.method) == [name for name in there if name != kind.gone]


@pytest.mark.guarantee("surface:only-locked")
def test_what_is_not_locked_answers_as_if_it_did_not_exist(session: Session, kind: Kind) -> None:
    target = kind.target or kind.gone
    found = session.exchange(kind.ask(1, target), 1)
    assert found == error(1, -32602, f"Unknown {kind.word}: {target}")
    assert found.replace(target.encode(), kind.never.encode()) == session.exchange(
        kind.ask(1, kind.never), 1
    )


@pytest.mark.guarantee("surface:only-locked")
def test_the_rest_works(session: Session, kind: Kind) -> None:
    found = json.loads(session.exchange(kind.ask(1, kind.near), 1))
    assert "result" in found
    assert not found["result"].get("isError")
    sum_up = session.exchange(call(2, "get-sum", a=1, b=2), 2)
    assert sum_up == said(2, "The sum of 1 and 2 is 3.")


@pytest.mark.guarantee("surface:only-locked")
def test_nothing_about_it_can_be_subscribed_or_completed(session: Session, kind: Kind) -> None:
    target = kind.target or kind.gone
    refs = {
        "prompts": {"type": "ref/prompt", "name": target},
        "resourceTemplates": {"type": "ref/resource", "uri": kind.gone},
    }
    if kind.section in refs:
        argument = {"name": "resourceId", "value": "1"}
        sent = ask(1, "completion/complete", ref=refs[kind.section], argument=argument)
        found = session.exchange(sent, 1)
        assert found == error(1, -32602, f"Unknown reference: {kind.gone}")
    if kind.key == "uri":
        found = session.exchange(ask(2, "resources/subscribe", uri=target), 2)
        assert found == error(2, -32602, f"Unknown resource: {target}")


ASYNC = ("trigger-sampling-request-async", "trigger-elicitation-request-async")
RUNS_TASKS: dict[str, object] = {
    "tasks": {"requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}}
}


@pytest.mark.guarantee("proxy:transparent")
def test_a_host_that_offers_to_run_tasks_for_the_server_only_loses_what_needs_that(
    whole: Place,
) -> None:
    """The one capability the proxy takes back: it judges no task that a host runs."""
    with whole.direct() as direct, whole.proxy() as proxied:
        for session in (direct, proxied):
            session.start(capabilities={**ALL, **RUNS_TASKS})
        everything = direct.names()
        assert set(ASYNC) < set(everything)
        assert proxied.names() == [name for name in everything if name not in ASYNC]
