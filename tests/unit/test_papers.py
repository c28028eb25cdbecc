"""What the pages state in numbers and lists is what the code holds: limits, times, keys, codes."""

import re
from collections.abc import Sequence

import pytest

from mcpguard.audit.chain import RARELY, SETTLED
from mcpguard.control.kill import KILLED
from mcpguard.control.policies import MAX_POLICIES
from mcpguard.daemon.child import EOF_GRACE, TERM_GRACE
from mcpguard.daemon.engine import CRASHED
from mcpguard.evidence.capture import MAX_LOOKED, MAX_SHOWN
from mcpguard.hosts.known import KNOWN
from mcpguard.hosts.lookalikes import known
from mcpguard.live.reloading import AT_START, MAX_SAID
from mcpguard.live.stages.latency import SAMPLED
from mcpguard.live.worker import POLL, WAIT
from mcpguard.model import SubjectKind
from mcpguard.pipeline import REQUIRED
from mcpguard.pipeline.scan import ASKED, AT_ONCE, LARGE
from mcpguard.proxy import listing
from mcpguard.proxy.core import MAX_TOOK, SessionSettings
from mcpguard.scan.detectors import secrets
from mcpguard.scan.threats.detectors import DETECTORS as THREATS
from mcpguard.siem import shipping
from mcpguard.siem.formats.tally import METRICS
from mcpguard.siem.web import MIN_ZIPPED
from mcpguard.trust.score import DAILY_GAIN, DAILY_LOSS, EFFECTS, Event
from mcpguard.vault.quarantine import MAX_ENTRIES, MAX_TOTAL
from mcpguard.wire.framing import MAX_LINE
from mcpguard.wire.jsonrpc import MAX_DEPTH
from mcpguard.wire.recover import MAX_BATCH, MAX_ECHO
from tests.tools import ROOT

README, SECURITY, CONTRIBUTING = "README.md", ".github/SECURITY.md", ".github/CONTRIBUTING.md"
AUDIT, SCANNING, SETTINGS = "docs/audit.md", "docs/scanning.md", "docs/settings.md"
KIB, MIB = 1 << 10, 1 << 20
SESSION = SessionSettings()
HOSTS = [each.title for each in KNOWN.values()]
WORDS = {2: "two", 5: "five", 16: "sixteen", 18: "eighteen"}


def listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}"


def passes(kind: SubjectKind) -> str:
    """The stages that judge it, as a sentence names them."""
    return listed(REQUIRED[kind])


def points(event: Event) -> str:
    return str(EFFECTS[event].delta)


def key(path: Sequence[str]) -> str:
    return f"`{'.'.join(path)}`"


def label(name: str) -> str:
    """How the page calls it: by its last word that is none of a convention's."""
    return {"mcp.method.name": "method", "gen_ai.tool.name": "tool", "error.type": "error"}.get(
        name, name.removeprefix("mcpguard.")
    )


STATED = [
    (README, f"| one line | {MAX_LINE // MIB} MiB |"),
    (SECURITY, f"One JSON object a line, at most {MAX_LINE // MIB} MiB"),
    (README, f"| nesting of a host's line | {MAX_DEPTH} levels |"),
    (README, f"| requests in flight | {SESSION.max_pending} in each direction |"),
    (README, f"{SESSION.max_held}, or {SESSION.max_held_bytes // MIB} MiB | denied |"),
    (README, f"| one listing | {listing.MAX_PAGES} pages, {listing.MAX_ITEMS:,} items of a kind,"),
    (README, f"items of a kind, {listing.RUN_TIMEOUT:g} s | it does not count as listed |"),
    (README, f"| a request without an answer | {SESSION.timeout / 3600:g} hour (`--timeout`)"),
    (README, f"SIGTERM after {EOF_GRACE:g} s, SIGKILL {TERM_GRACE:g} s later"),
    (README, f"{LARGE // KIB} KiB; {AT_ONCE // KIB} KiB where something may be in it"),
    (SCANNING, f"every server in the files of all known hosts: {listed(HOSTS)}."),
    (SCANNING, f"nearly the name of one of {len({*known(True), *known(False)})} well-known"),
    (SCANNING, f"{WORDS[len(THREATS)].capitalize()} detectors, one file each"),
    (SCANNING, f"Credentials are {WORDS[len(secrets.TYPES)]} types"),
    (SCANNING, f"longer than {LARGE // KIB} KiB, or than {AT_ONCE // KIB} KiB where something"),
    (README, f"| {ASKED // KIB} KiB where something may be in it | withheld, or recorded"),
    (README, f"| quarantine | {MAX_ENTRIES} results, {MAX_TOTAL // MIB} MiB |"),
    (README, f"{CRASHED} mcpguard itself failed, {KILLED} killed while it ran"),
    (SETTINGS, f"the session ends with exit code {KILLED}"),
    (SETTINGS, f"holds on other machines within {WORDS[int(POLL)]} seconds"),
    (SETTINGS, f"the store away waits for it, {WORDS[int(WAIT)]} seconds at most"),
    (SETTINGS, f"A store with more than {MAX_POLICIES} policies"),
    (SETTINGS, f"`policy.ignored`: {MAX_SAID} of them one by one"),
    (SETTINGS, f"about the last {MAX_TOOK} calls"),
    (SETTINGS, f"for one record in {WORDS[SAMPLED + 1]}, and from a session's {SETTLED}th on"),
    (SETTINGS, f"{SETTLED}th on for one in {RARELY + 1}"),
    (SETTINGS, f"({', '.join(map(key, AT_START))})"),
    (AUDIT, f"({MAX_SHOWN} are kept); of a value of more than {MAX_LOOKED // KIB} KiB"),
    (AUDIT, f"An answer moves the score by {points(Event.SUCCESS)} points,"),
    (AUDIT, f"one that is not what its schema says by {points(Event.PARTIAL)},"),
    (AUDIT, f"an error by {points(Event.FAILURE)}, a time-out by {points(Event.TIMEOUT)},"),
    (AUDIT, f"what a scanner finds by {points(Event.SCANNER)},"),
    (AUDIT, f"drift, a forged answer and a hidden argument by {points(Event.DRIFT)}."),
    (AUDIT, f"at most {DAILY_GAIN} points a day (of UTC)"),
    (AUDIT, f"cost at most {DAILY_LOSS} in one"),
    (
        AUDIT,
        f"tried again after {shipping.FIRST_WAIT:g} s, doubling to {shipping.LONGEST_WAIT:g} s",
    ),
    (AUDIT, f"it goes on for at most {shipping.GRACE:g} seconds"),
    (AUDIT, f"compressed from {MIN_ZIPPED // KIB} KiB on"),
    (SECURITY, f"each of a batch (the first {MAX_BATCH} requests of one)"),
    (SECURITY, f"or longer than {MAX_ECHO} characters"),
    (SECURITY, f"A call passes {passes(SubjectKind.CALL)}, in this order"),
    (SECURITY, f"a result {passes(SubjectKind.RESULT)}."),
]
"""Page, and words of it that are made of what the code holds."""


@pytest.mark.parametrize(("page", "words"), STATED, ids=[words for _, words in STATED])
def test_what_a_page_states_is_what_the_code_holds(page: str, words: str) -> None:
    assert words in " ".join((ROOT / page).read_text("utf-8").split())


def test_the_table_of_metrics_names_each_of_them_and_its_labels() -> None:
    text = (ROOT / AUDIT).read_text("utf-8")
    rows = re.findall(r"^\| (`mcp.*) \| (.+) \|$", text, re.MULTILINE)
    told = {name: labels for names, labels in rows for name in re.findall(r"`(mcp[a-z.]+)`", names)}
    assert told == {each.name: ", ".join(map(label, each.labels)) for each in METRICS}


def test_the_gates_of_contributing_are_those_of_the_script() -> None:
    told = (ROOT / CONTRIBUTING).read_text("utf-8")
    table = told.partition("| gate | what it holds |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| ([a-z, ]+) \|", table, re.MULTILINE)
    gates = (ROOT / "scripts" / "gates.py").read_text("utf-8").partition("GATES:")[2]
    assert {each for row in named for each in row.split(", ")} == set(
        re.findall(r'Gate\(\s*"(\w+)"', gates)
    )
