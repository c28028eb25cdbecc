"""`mcpguard audit export` and `ship`, `audit.sinks`, and a session that delivers its own log."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.audit.verify import read
from mcpguard.cli import main
from mcpguard.cli.audit import audit
from mcpguard.config.flags import data_dir
from mcpguard.errors import PolicyError
from mcpguard.siem.formats import FORMATS, render
from mcpguard.siem.process import STEERING, steered
from mcpguard.siem.sinks import KEYS, SINKS
from tests.tools import ROOT, papers
from tests.unit.audit.logs import written
from tests.unit.config.documents import Home
from tests.unit.daemon.test_run import INITIALIZE, Place
from tests.waiting import until


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit, [*arguments], catch_exceptions=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path / "config"))
    (data_dir() / "audit").mkdir()
    (tmp_path / "config").mkdir()
    return tmp_path


def configured(home: Path, *sinks: str) -> None:
    text = "audit:\n  sinks:\n" + "".join(f"    - {each}\n" for each in sinks)
    (home / "config" / "mcpguard.yaml").write_text(text, "utf-8")


# --- export --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [name for name, row in FORMATS.items() if not row.otlp])
def test_a_log_is_exported_a_record_a_line(tmp_path: Path, form: str) -> None:
    written(tmp_path / "a.jsonl", 3)
    done = run("export", str(tmp_path / "a.jsonl"), "--format", form)
    wanted = [render(form, record, socket.gethostname()) for record in read(tmp_path / "a.jsonl")]
    assert (done.exit_code, done.stdout_bytes) == (0, b"".join(each + b"\n" for each in wanted))


def test_an_exported_log_names_the_machine_as_the_settings_or_the_option_say(
    tmp_path: Path, home: Path
) -> None:
    written(tmp_path / "a.jsonl", 1)
    (home / "config" / "mcpguard.yaml").write_text("audit: {host: laptop-7}", "utf-8")
    arguments = ("export", str(tmp_path / "a.jsonl"), "--format", "cef")
    assert b" dvchost=laptop-7 " in run(*arguments).stdout_bytes
    assert b" dvchost=other " in run(*arguments, "--host", "other").stdout_bytes


def test_an_exported_log_in_json_is_the_log_itself(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", 3)
    run("export", str(tmp_path / "a.jsonl"), "--format", "json", "-o", str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def exported(*arguments: str) -> int:
    return main(["audit", "export", "--format", "cef", *arguments])


@pytest.mark.guarantee("audit:never-an-output")
@pytest.mark.parametrize(
    ("given", "output", "why"),
    [
        (["a.jsonl"], "a.jsonl", "what is read"),
        (["a.jsonl"], "hard", "what is read"),
        (["a.jsonl"], "soft", "what is read"),
        (["."], "a.jsonl", "what is read"),
        (["a.jsonl"], "other.jsonl", "an audit log, or a copy of one"),
        ([], "data/audit/own.jsonl", "a place of mcpguard's own logs"),
        ([], "data/audit/new.cef", "a place of mcpguard's own logs"),
        (["a.jsonl"], "to-own", "a place of mcpguard's own logs"),
        (["a.jsonl"], "data/receipts.jsonl", "a place of mcpguard's own logs"),
    ],
)
def test_nothing_is_exported_over_a_log(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    output: str,
    why: str,
) -> None:
    for name in ("a.jsonl", "other.jsonl", "data/audit/own.jsonl"):
        written(home / name, 3)
    (home / "hard").hardlink_to(home / "a.jsonl")
    (home / "soft").symlink_to(home / "a.jsonl")
    (home / "to-own").symlink_to(home / "data" / "audit" / "own.jsonl")
    before = {each: each.read_bytes() for each in home.rglob("*") if each.is_file()}
    with contextlib.chdir(home):
        assert exported(*given, "-o", output) == 2
    assert f"nothing is written there: it is {why}" in capsys.readouterr().err
    assert {each: each.read_bytes() for each in home.rglob("*") if each.is_file()} == before


@pytest.mark.guarantee("audit:never-an-output")
def test_what_cannot_be_exported_leaves_the_file_that_was_there(home: Path) -> None:
    written(home / "a.jsonl", 3)
    with (home / "a.jsonl").open("ab") as file:
        file.write(b"{}\n")
    (home / "out.cef").write_bytes(b"of yesterday")
    names = sorted(each.name for each in home.iterdir())
    assert exported(str(home / "a.jsonl"), "-o", str(home / "out.cef")) == 2
    assert exported(str(home / "none.jsonl"), "-o", str(home / "out.cef")) == 2
    assert (home / "out.cef").read_bytes() == b"of yesterday"
    assert sorted(each.name for each in home.iterdir()) == names


def test_an_export_is_for_its_user_alone_and_takes_the_place_of_another_file(home: Path) -> None:
    written(home / "a.jsonl", 3)
    out = home / "out.cef"
    for _ in range(2):
        assert exported(str(home / "a.jsonl"), "-o", str(out)) == 0
        assert out.stat().st_mode & 0o777 == 0o600
        assert out.read_bytes().count(b"CEF:0|") == 5
        out.write_bytes(b"of yesterday")
        out.chmod(0o644)


def test_a_device_is_written_to_as_it_comes(home: Path) -> None:
    written(home / "a.jsonl", 3)
    assert exported(str(home / "a.jsonl"), "-o", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


def test_otlp_is_exported_as_requests(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", 1200)
    done = run("export", str(tmp_path / "a.jsonl"), "--format", "otlp-json")
    bodies = [orjson.loads(line) for line in done.stdout_bytes.splitlines()]
    logs = [body["resourceLogs"][0]["scopeLogs"][0]["logRecords"] for body in bodies]
    assert [len(each) for each in logs] == [1000, 202]


# --- ship ----------------------------------------------------------------------------------------


def test_without_a_sink_there_is_nothing_to_do(home: Path) -> None:
    with pytest.raises(Exception, match="no sink is configured"):
        run("ship", "--once")


@pytest.mark.guarantee("siem:what-is-lost-is-counted")
def test_what_waits_is_delivered_once_and_shown(home: Path) -> None:
    written(home / "data" / "audit" / "a.jsonl", 3)
    configured(home, f"{{name: soc, to: 'file://{home / 'out'}', format: ecs}}",
               f"{{name: far, to: 'unix://{home / 'nobody'}'}}")  # fmt: skip
    assert run("ship", "--once").exit_code == 1
    shown = run("ship", "--status").stdout
    assert f"{home / 'data' / 'audit' / 'a.jsonl'}\n  soc: 5 delivered, 0 waiting" in shown
    assert "far: 0 delivered, 5 waiting, 0 given up, 0 lost\n    unix:///" in shown
    (soc, far) = orjson.loads(run("ship", "--status", "--format", "json").stdout)
    assert (soc["sink"], soc["delivered"], far["waiting"], far["error"] != "") == (
        "soc", 5, 5, True,
    )  # fmt: skip
    configured(home, f"{{name: soc, to: 'file://{home / 'out'}', format: ecs}}")
    assert run("ship", "--once").exit_code == 0
    assert len((home / "out").read_bytes().splitlines()) == 5


@pytest.mark.guarantee("siem:unready-is-said")
def test_the_status_says_what_a_sink_lacks_before_anything_was_sent(home: Path) -> None:
    written(home / "data" / "audit" / "a.jsonl", 3)
    configured(home, "{name: soc, to: 'https://127.0.0.1:9/x', token_env: NOT_SET_HERE}")
    assert "soc: the environment variable NOT_SET_HERE is not set" in run("ship", "--status").stdout


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.guarantee("siem:unread-is-told")
def test_once_delivers_a_folders_orphaned_parts_and_says_what_it_cannot_read(home: Path) -> None:
    configured(home, f"{{name: soc, to: 'file://{home}/o/out'}}")
    folder = home / "logs"
    folder.mkdir()
    written(folder / "a.jsonl", 3)
    (folder / "a.jsonl").rename(folder / "a~000000000005.jsonl")
    assert main(["audit", "ship", "--once", str(folder)]) == 0
    assert len((home / "o" / "out").read_bytes().splitlines()) == 5
    for wrong in (home / "absent.jsonl", home / "config"):
        assert main(["audit", "ship", "--once", str(wrong)]) == 2


@pytest.mark.guarantee("siem:unread-is-told")
def test_once_says_that_records_were_given_up(home: Path) -> None:
    configured(home, f"{{name: soc, to: 'file://{home}/o/out'}}")
    written(home / "a.jsonl", 3)
    with (home / "a.jsonl").open("ab") as file:
        file.write(b"no record\n")
    assert [main(["audit", "ship", "--once", str(home / "a.jsonl")]) for _ in range(2)] == [1, 0]


@pytest.mark.guarantee("siem:trusts-no-entry")
def test_whom_tls_trusts_is_not_said_by_the_environment_of_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in STEERING:
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("TOKEN", "kept")
    assert steered().keys().isdisjoint(STEERING)
    assert steered()["TOKEN"] == "kept"


def test_a_users_and_the_systems_sinks_are_both_delivered_to(tmp_path: Path) -> None:
    own = "audit: {sinks: [{name: own, to: 'udp://h'}]}"
    theirs = "audit: {sinks: [{name: soc, to: 'tls://soc.example', format: cef}]}"
    sinks = Home(tmp_path).load(user=own, system=theirs).settings.audit.sinks
    assert [(each.name, each.to, each.format) for each in sinks] == [
        ("own", "udp://h", "syslog"),
        ("soc", "tls://soc.example", "cef"),
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{name: a}", "`to`"),
        ("{name: a, to: 'udp://h', token: secret}", "token"),
        ("{name: a/b, to: 'udp://h'}", "letters, digits"),
        ("{name: a, to: 'udp://h', format: xml}", "xml"),
        ("{name: a, to: 'udp://h', ca: /ca.pem}", "no effect"),
        ("{name: a, to: 'tls://h', ca: ca.pem}", "an absolute path"),
        ("{name: a, to: 'file:///o', size: 1}", "65536"),
        ("{name: a, to: 'udp://h'}, {name: a, to: 'udp://g'}", "a second entry is called `a`"),
        ("{name: a, to: 'tcp://h:0'}", "nobody listens on port 0"),
        ("{name: a, to: 'file:///o/x'}, {name: b, to: 'file:///o/p/../x'}", "writes to `/o/x`"),
        (
            "{name: a, to: 'file:///o/x'}, {name: b, to: 'file:///o/./x.5'}",
            "`/o/x.5` is what `a` calls an older file",
        ),
        (
            "{name: b, to: 'file:///o/x.1'}, {name: a, to: 'file:///o/x', keep: 1}",
            "`/o/x.1` is what `a` calls an older file",
        ),
    ],
)
def test_an_entry_that_is_wrong_is_an_error_at_its_line(
    tmp_path: Path, entry: str, why: str
) -> None:
    with pytest.raises(Exception, match=re.escape(why)) as caught:
        Home(tmp_path).load(user=f"audit:\n  sinks: [{entry}]")
    assert ":2:" in str(caught.value)


def test_a_file_beyond_those_that_another_sink_keeps_is_nobodys(tmp_path: Path) -> None:
    entries = "{name: a, to: 'file:///o/x', keep: 2}, {name: b, to: 'file:///o/x.3'}"
    more = "{name: c, to: 'file:///o/x.01'}"
    made = Home(tmp_path).load(user=f"audit: {{sinks: [{entries}, {more}]}}").settings.audit.sinks
    assert [each.name for each in made] == ["a", "b", "c"]


def test_a_users_and_the_systems_sinks_do_not_share_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    own = f"audit: {{sinks: [{{name: own, to: 'file://{tmp_path / 'out'}'}}]}}"
    theirs = f"audit: {{sinks: [{{name: soc, to: 'file://{tmp_path / 'link' / 'out'}'}}]}}"
    with pytest.raises(PolicyError, match="a second entry writes to") as caught:
        Home(tmp_path).load(user=own, system=theirs)
    assert caught.value.hint.endswith(":1; name another file")


# --- a session -----------------------------------------------------------------------------------


def session(tmp_path: Path, *sinks: str) -> tuple[Place, subprocess.CompletedProcess[bytes]]:
    place = Place(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text("audit:\n  sinks:\n" + "".join(f"    - {each}\n" for each in sinks))
    done = place.run("--lock", str(place.lock), "--config", str(config), given=INITIALIZE)
    return place, done


@pytest.mark.guarantee("siem:session-delivers-its-log")
def test_a_session_delivers_its_own_log_and_waits_for_no_collector(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never reads
        port = silent.getsockname()[1]
        place, done = session(
            tmp_path,
            f"{{name: soc, to: 'file://{tmp_path / 'out'}'}}",
            f"{{name: silent, to: 'tcp://127.0.0.1:{port}'}}",
            "{name: err, to: 'stderr:', format: leef}",
        )
        assert done.returncode == 0
        (log,) = (place.data / "audit").glob("*.jsonl")
        arrived(tmp_path / "out", log.read_bytes())
    told = [line for line in done.stderr.splitlines() if line.startswith(b"LEEF:2.0|")]
    assert len(told) == len(log.read_bytes().splitlines())


def arrived(path: Path, wanted: bytes) -> None:
    until(lambda: path.exists() and path.read_bytes() == wanted, f"{path} is not what was written")


@pytest.mark.guarantee("siem:session-delivers-its-log")
def test_what_delivers_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "orjson.py").write_text("raise SystemExit(9)", "utf-8")
    code = (
        "import os, sys\n"
        "from mcpguard.siem.process import Shipper\n"
        "from mcpguard.siem.sinks import target_of\n"
        f"os.chdir({str(tmp_path)!r})\n"
        f"made = Shipper.start([target_of({{'name': 'a', 'to': 'file://{tmp_path}/o/out'}})])\n"
        f"from pathlib import Path\nmade.deliver(Path({str(tmp_path / 'a.jsonl')!r}))\n"
        "made.end()\n"
    )
    written(tmp_path / "a.jsonl", 3)
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )
    arrived(tmp_path / "o" / "out", (tmp_path / "a.jsonl").read_bytes())


def test_a_session_without_sinks_starts_nothing_and_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mcpguard.daemon import run\nfrom mcpguard.config.loading import load\n"
        "load()\nprint([m for m in sys.modules if m.startswith('mcpguard.siem')])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout == "[]\n"


# --- papers --------------------------------------------------------------------------------------


def table(heading: str) -> dict[str, str]:
    text = papers().partition(heading)[2].lstrip("\n")
    rows = text.partition("\n\n")[0].splitlines()[2:]
    cells = [[each.strip() for each in row.strip("|").split("|")] for row in rows]
    return {first.strip("`").partition(":")[0]: last for first, *_, last in cells}


def test_the_readmes_tables_are_those_of_the_code() -> None:
    formats, sinks = table("<!-- siem formats -->"), table("<!-- siem sinks -->")
    assert formats == {name: row.help for name, row in FORMATS.items()}
    assert list(sinks) == list(SINKS)
    for kind, keys in sinks.items():
        assert set(re.findall(r"`(\w+)`", keys)) == SINKS[kind].keys & set(KEYS)
