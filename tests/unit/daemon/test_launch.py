"""The reviewed launch: written down by `lock`, checked before every start."""

import os
import shlex
from pathlib import Path

import pytest

from mcpguard.daemon import launch
from mcpguard.errors import LaunchError, UnreachableError, UsageError
from mcpguard.lock.lockfile import DATA, Launch

DIGEST_OF_ONE = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a script, a program, a data directory, and a PATH with launchers."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (
        "node", "python3.11", "npx.cmd", "custom-server", "sh", "env", "java", "uvx", "dash",
        "flock", "perl", "timeout",
    ):  # fmt: skip
        (tools / name).write_text("1")
        (tools / name).chmod(0o755)
    (tmp_path / "server.js").write_text("1")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tools))
    return tmp_path


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("argv", "files"),
    [
        (("node", "server.js"), {"server.js"}),
        (("python3.11", "-m", "server"), set()),
        (("npx.cmd", "-y", "pkg", "data"), set()),
        (("custom-server",), {"custom-server"}),
        (("tools/node",), {"tools/node"}),
        (("node", "--config=server.js", "--dir=data"), {"--config=server.js"}),
        (("node", "--config=a=server.js", "@server.js"), {"--config=a=server.js", "@server.js"}),
        (("uvx", "serve", "server.js:app", "server.js:80"), {"server.js:app"}),
        (("node", "=" * 9000 + "server.js"), {"=" * 9000 + "server.js"}),
        (("dash", "server.js"), {"dash", "server.js"}),
        (("timeout", "9", "node", "server.js"), {"timeout", "server.js"}),
        (("node", "-y", "", "a\0b", "n" * 5000), set()),
    ],
)
def test_every_argument_that_is_a_file_is_pinned_and_launchers_are_known_by_name(
    here: Path, argv: tuple[str, ...], files: set[str]
) -> None:
    found = launch.describe(argv, ("B", "A", "B"))
    assert found == Launch(argv, "inherit", ("A", "B"), dict.fromkeys(files, DIGEST_OF_ONE))
    launch.verify(found, argv)
    launch.verify(found)


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("python3.11", "server.js", "-v"), "the program is 'python3.11', the lockfile has 'node'"),
        (("node", "other.js", "-v"), "argument 1 is 'other.js', the lockfile has 'server.js'"),
        (("node", "server.js"), "argument 2 is missing, the lockfile has '-v'"),
        (("node", "server.js", "-v", "-x"), "argument 3 is '-x', the lockfile ends before"),
    ],
)
def test_another_command_is_refused_and_the_first_difference_is_named(
    here: Path, given: tuple[str, ...], words: str
) -> None:
    locked = launch.describe(("node", "server.js", "-v"))
    with pytest.raises(LaunchError) as caught:
        launch.verify(locked, given, Path("ci/my lock.json"))
    assert caught.value.message == words
    assert caught.value.exit_code == 1
    assert caught.value.hint.endswith(
        f": mcpguard lock --update -o 'ci/my lock.json' -- {shlex.join(given)}"
    )


def changed(here: Path) -> None:
    (here / "server.js").write_text("2")


def missing(here: Path) -> None:
    (here / "server.js").unlink()


def appeared(here: Path) -> None:
    (here / "index").write_text("1")


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        (changed, "server.js is not the reviewed file: its bytes changed"),
        (missing, "server.js is not the reviewed file: it is missing here"),
        (appeared, "index is a file now and was none at the review"),
    ],
)
def test_a_file_that_is_not_the_reviewed_one_is_refused_by_name(
    here: Path, meanwhile: object, words: str
) -> None:
    locked = launch.describe(("node", "server.js", "index"))
    assert callable(meanwhile)
    meanwhile(here)
    with pytest.raises(LaunchError) as caught:
        launch.verify(locked)
    assert caught.value.message == words


NPX = "npx starts what it finds in the working directory (node_modules, .npmrc), a cache or the"
NPX += " registry: that code is not pinned"
UVX = "uvx starts what it finds in a project, a cache or the index: that code is not pinned"
WORDS = "the words of the code are pinned, the programs and files that it names are not"
MODULE = "-m server is looked up at every start"
FIRST = ", in the working directory first (-P prevents that)"
DATABASE = (
    "store.db is pinned: once its bytes change, the server is not started; if it is data, lock it"
    " with --data store.db"
)


@pytest.mark.guarantee("launch:open-parts-named")
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("node", "server.js", "data"), []),
        (("python3.11", "-W", "ignore", "--", "server.js"), []),
        (("custom-server", "data", "-m", "x"), []),
        (("npx.cmd", "-y", "pkg@1.2.3", "data"), [NPX]),
        (("uvx", "server-of-tables", "--db-path", "store.db"), [UVX, DATABASE]),
        (
            ("python3.11", "-m", "server"),
            [f"{MODULE}{FIRST}: its code is not pinned"],
        ),
        (("python3.11", "-X", "dev", "-BIm", "server"), [f"{MODULE}: its code is not pinned"]),
        (("python3.11", "-P", "-mserver"), [f"{MODULE}: its code is not pinned"]),
        (("sh", "-c", "exec python3 server.py"), [f"sh -c: {WORDS}"]),
        (("sh", "-ec", "exec node server.js"), [f"sh -c: {WORDS}"]),
        (("node", "--eval", "1"), [f"node --eval: {WORDS}"]),
        (("python3.11", "data"), ["data is a directory: the code in it is not pinned"]),
        (("node", "index"), ["index is no file here: what node finds for it is not pinned"]),
        (("node", "--require", "./server.js", "server.js"), []),
        (
            ("node", "--require", "hook", "server.js"),
            ["node --require: what it loads is not pinned"],
        ),
        (
            ("node", "--import=data:text/javascript,1", "-r", "data", "server.js"),
            [f"node {each}: what it loads is not pinned" for each in ("--import", "-r")],
        ),
        (
            ("node", "--experimental_loader", "hook", "server.js"),
            ["node --experimental-loader: what it loads is not pinned"],
        ),
        (
            ("python3.11", "-W", "error::hook.Warn", "-Xpycache_prefix=data", "server.js"),
            [f"python {each}: what it loads is not pinned" for each in ("-W", "-X")],
        ),
        (("python3.11", "-W", "error::UserWarning:a.b", "server.js"), []),
        (("perl", "-Mhook", "server.js"), ["perl -M: what it loads is not pinned"]),
        (("dash", "-c", "x"), [f"dash -c: {WORDS}"]),
        (("perl", "-we", "x"), [f"perl -e: {WORDS}"]),
        (("timeout", "9", "python3.11", "-c", "x"), [f"python -c: {WORDS}"]),
        (("timeout", "-k", "1", "--", "9", "python3.11", "-c", "x"), [f"python -c: {WORDS}"]),
        (("flock", "lock", "-c", "x"), [f"flock -c: {WORDS}"]),
        (("flock", "lock", "uvx", "x"), [UVX]),
        (
            ("timeout", "9", "custom-server"),
            ["custom-server is looked up on PATH at every start: it is not pinned"],
        ),
        (("custom-server", "--in", "jail", "python3.11", "-c", "x"), [f"python -c: {WORDS}"]),
        (("custom-server", "--db", "data/npx"), []),
        (("env", "A=1", "-u", "B", "node", "server.js"), []),
        (("env", "-i", "sh", "-c", "x"), [f"sh -c: {WORDS}"]),
        (
            ("env", "custom-server"),
            ["custom-server is looked up on PATH at every start: it is not pinned"],
        ),
        (
            ("java", "-jar", "server.js"),
            ["java: arguments that are files are pinned, and nothing else that it loads"],
        ),
        (("custom-server", "--db=store.db"), [DATABASE.replace("store.db", "--db=store.db")]),
        (
            ("env",),
            ["env: arguments that are files are pinned, and nothing else that it loads"],
        ),
        (("node",), []),
        (("python3.11", "-W"), []),
    ],
)
def test_what_no_pin_covers_is_named_in_one_sentence(
    here: Path, argv: tuple[str, ...], said: list[str]
) -> None:
    (here / "store.db").write_text("1")
    assert [each.message for each in launch.remarks(launch.describe(argv))] == said


@pytest.mark.guarantee("launch:data-by-name")
@pytest.mark.parametrize("argument", ["store.db", "--db=store.db"])
@pytest.mark.parametrize("there", [True, False], ids=["there", "not-yet"])
def test_a_file_that_a_person_named_as_data_may_change_and_nothing_else_may(
    here: Path, argument: str, there: bool
) -> None:
    store = here / "store.db"
    if there:
        store.write_text("1")
    argv = ("node", "server.js", argument)
    locked = launch.describe(argv, data=("store.db",))
    assert locked.files == {"server.js": DIGEST_OF_ONE, argument: DATA}
    (remark,) = launch.remarks(locked)
    assert remark.message == f"{argument} is data: its bytes are not pinned"
    store.write_text("2")
    launch.verify(locked)
    (here / "server.js").write_text("2")
    with pytest.raises(LaunchError, match=r"server\.js is not the reviewed file"):
        launch.verify(locked)


@pytest.mark.guarantee("launch:data-by-name")
def test_an_argument_that_nobody_named_as_data_is_pinned_and_the_way_out_is_said(
    here: Path,
) -> None:
    (here / "store.db").write_text("1")
    locked = launch.describe(("node", "server.js", "store.db"))
    (here / "store.db").write_text("2")
    with pytest.raises(LaunchError, match=r"store\.db is not the reviewed file") as caught:
        launch.verify(locked)
    assert caught.value.hint.endswith("mcpguard lock --update -o FILE --data store.db")


@pytest.mark.guarantee("launch:data-by-name")
@pytest.mark.parametrize(
    ("argv", "name", "words"),
    [
        (("node", "server.js"), "store.db", "no such argument"),
        (("custom-server", "x"), "custom-server", "no such argument"),
    ],
)
def test_data_that_is_no_argument_is_refused(
    here: Path, argv: tuple[str, ...], name: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        launch.describe(argv, data=(name,))


CODE = [
    "node server.js",
    "env node server.js",
    "env ./prog",
    "env A=1 -u B -i ./prog",
    "env -a x ./prog",
    "env env ./prog",
    "timeout 9 ./prog",
    "timeout -s INT 9 node prog",
    "flock server.js ./prog",
    "ionice -c 3 ./prog",
    "chrt -f 9 ./prog",
    "taskset 1 ./prog",
    "time ./prog",
    "xargs -n 1 ./prog",
    "busybox sh prog",
    "dash prog",
    "node --experimental_loader ./prog server.js",
    "nice -n 5 ./prog",
    "nohup ./prog",
    "stdbuf -oL ./prog",
    "node prog",
    "./node prog",
    "node -r ./prog server.js",
    "node --require ./prog server.js",
    "node --require=./prog server.js",
    "node --import ./prog server.js",
    "node --loader ./prog server.js",
    "node --experimental-loader ./prog server.js",
    "node --env-file ./prog server.js",
    "env node --import ./prog server.js",
    "python3.11 -X dev prog",
    "uv run prog",
    "uv run --with x --python 3.12 prog",
    "uv run python prog",
    "uvx --from ./prog x",
    "npx -p x ./prog",
    "npx -p ./prog x",
    "npx -y tsx prog",
    "bun prog",
    "bun run prog",
    "bun --preload ./prog run server.js",
    "deno run -A prog",
    "deno run --import-map ./prog server.js",
    "java -jar prog",
    "java -cp ./prog Main",
    "java -cp lib -jar prog",
    "ruby prog",
    "ruby -r ./prog server.js",
    "perl -I lib prog",
    "php -f prog",
    "php -c ./prog server.js",
    "sh prog",
    "sh --rcfile ./prog server.js",
    "custom-server x.node",
    "custom-server --plugin=x.SO",
    "custom-server x.wasm",
]


@pytest.mark.guarantee("launch:data-by-name")
@pytest.mark.parametrize("command", CODE)
def test_code_is_never_data(here: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for name in ("prog", "x.node", "x.SO", "x.wasm", "node"):
        (here / name).write_text("1")
        (here / name).chmod(0o755)
    for name in (
        "bun", "busybox", "chrt", "deno", "ionice", "nice", "nohup", "npx", "php", "ruby", "stdbuf",
        "taskset", "time", "uv", "xargs",
    ):  # fmt: skip
        (here / "tools" / name).write_text("1")
        (here / "tools" / name).chmod(0o755)
    argv = tuple(command.split())
    code = [word for word in argv[1:] if word.endswith(("prog", ".node", ".SO", ".wasm"))]
    name = (code or ["server.js"])[0].rpartition("=")[2]
    with pytest.raises(UsageError, match="the code that is run") as caught:
        launch.describe(argv, data=(name,))
    assert (caught.value.exit_code, caught.value.hint != "") == (2, True)
    locked = launch.describe(argv)
    assert not [each for each in launch.remarks(locked) if "--data" in each.message]
    pinned = next(word for word in argv[1:] if name in {word, word.partition("=")[2]})
    with pytest.raises(LaunchError, match="the lockfile calls it data"):
        launch.verify(locked._replace(files={**locked.files, pinned: DATA}))


@pytest.mark.guarantee("launch:data-by-name")
@pytest.mark.parametrize(
    "command",
    [
        "npx.cmd -y pkg store.db",
        "uvx server-of-tables --db-path store.db",
        "env A=1 node server.js store.db",
        "python3.11 -m server store.db",
        "java -jar server.js store.db",
        "node server.js --import store.db",
        "sh -c x store.db",
        "custom-server -r store.db",
        "env",
    ],
)
def test_what_stands_behind_the_code_may_be_data(here: Path, command: str) -> None:
    (here / "store.db").write_text("1")
    argv = tuple(command.split())
    data = [word for word in argv if word == "store.db"]
    assert [*launch.describe(argv, data=data).files.values()].count(DATA) == len(data)


@pytest.mark.guarantee("launch:open-parts-named")
@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("env", "NODE_OPTIONS=--require=x", "node", "server.js"), "NODE_OPTIONS"),
        (("env", "-i", "A=1", "PYTHONPATH=x", "python3.11", "server.js"), "PYTHONPATH"),
        (("env", "env", "LD_PRELOAD=x", "custom-server"), "LD_PRELOAD"),
        (("env", "-iu", "B", "npm_config_node_options=x", "npx.cmd", "y"), "npm_config_node_opti"),
        (("uvx", "env", "LD_PRELOAD=x", "custom-server"), "LD_PRELOAD"),
        (("timeout", "9", "env", "NODE_OPTIONS=x", "node", "server.js"), "NODE_OPTIONS"),
        (("timeout", "--kill", "1", "9", "env", "LD_AUDIT=x", "node", "server.js"), "LD_AUDIT"),
        (("custom-server", "-x", "env", "--any", "LD_PRELOAD=x", "node"), "LD_PRELOAD"),
        (("custom-server", "env", "-iC", "/", "LD_PRELOAD=x", "node"), "LD_PRELOAD"),
        (("custom-server", "env", "--ch", "/", "--uns", "A", "LD_PRELOAD=x", "y"), "LD_PRELOAD"),
    ],
)
def test_a_variable_whose_value_is_code_is_not_set_by_env_either(
    here: Path, argv: tuple[str, ...], name: str
) -> None:
    with pytest.raises(UsageError, match=f"{name}.* is never passed to a server"):
        launch.describe(argv)
    with pytest.raises(UsageError, match=f"{name}.* is never passed to a server"):
        launch.verify(Launch(argv, "inherit", (), {}))


@pytest.mark.guarantee("launch:env-is-read")
@pytest.mark.parametrize(
    "option",
    [
        "-S", "-Snode", "-iS", "-vSA=1\\_NODE_OPTIONS=x node", "--split-string=node", "--split",
        "--s=node", "-C", "--chdir=data", "-P", "--unse=A", "-x", "--help",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [(), ("timeout", "9"), ("uvx",), ("env", "A=1")])
def test_an_option_with_which_env_may_start_anything_is_refused(
    here: Path, before: tuple[str, ...], option: str
) -> None:
    argv = (*before, "env", option, "node server.js", "server.js")
    with pytest.raises(UsageError, match="it cannot be told what is started") as caught:
        launch.describe(argv)
    assert "one by one" in caught.value.hint
    with pytest.raises(UsageError, match="it cannot be told what is started"):
        launch.verify(Launch(argv, "inherit", (), {}))


@pytest.mark.guarantee("launch:env-is-read")
@pytest.mark.parametrize("option", ["-S", "-iSx", "--split", "--split-string=x"])
def test_env_splits_no_string_behind_a_program_that_is_not_known_either(
    here: Path, option: str
) -> None:
    with pytest.raises(UsageError, match="it cannot be told what is started"):
        launch.describe(("custom-server", "--in", "x", "env", option, "node server.js"))


@pytest.mark.parametrize(
    "words",
    ["-i -u A -vuB -0 --unset=C -a x - --ignore-signal=INT --debug A=1 -- node", "A=1 node", ""],
)
def test_the_options_of_env_that_are_known_are_read_over(here: Path, words: str) -> None:
    argv = ("env", *words.split())
    assert launch.describe(argv).argv == argv


def test_an_unknown_programs_own_env_is_left_alone(here: Path) -> None:
    (here / "env").mkdir()
    for argv in (("custom-server", "env", "--json"), ("custom-server", str(here / "env"), "-S")):
        assert launch.describe(argv).argv == argv


def test_a_command_of_nothing_but_starters_is_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="2000 words of the command"):
        launch.describe(("env",) * 2000)


def test_a_launcher_outside_of_the_systems_directories_is_remarked(here: Path) -> None:
    own = str(here / "tools" / "node")
    for argv in ((own, "server.js"), ("env", own, "server.js")):
        (remark,) = launch.remarks(launch.describe(argv))
        said = f"{own} is a launcher outside of the system's directories: it is not pinned"
        assert remark.message == said
    assert launch.remarks(Launch(("/usr/bin/node", "server.js"), "inherit", (), {})) == ()


@pytest.mark.parametrize("argument", ["cur.js", "cur/server.js"])
def test_code_reached_through_a_link_is_pinned_and_remarked(here: Path, argument: str) -> None:
    (here / "one").mkdir()
    (here / "one" / "server.js").write_text("1")
    (here / "cur").symlink_to("one")
    (here / "cur.js").symlink_to("server.js")
    locked = launch.describe(("node", argument))
    assert locked.files == {argument: DIGEST_OF_ONE}
    (remark,) = launch.remarks(locked)
    assert remark.message.startswith(f"{argument} is reached through a link")


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize("url", ["file://{}", "file:{}", "FILE://localhost{}?a=1#b", "file://{}#x"])
def test_a_file_named_by_its_address_is_pinned(here: Path, url: str) -> None:
    (here / "a hook.mjs").write_text("1")
    named = url.format(f"{here}/a%20hook.mjs")
    argv = ("node", "--import", named, f"--import={named}", "server.js")
    locked = launch.describe(argv)
    assert set(locked.files) == {named, f"--import={named}", "server.js"}
    assert launch.remarks(locked) == ()
    (here / "a hook.mjs").write_text("2")
    with pytest.raises(LaunchError, match="its bytes changed"):
        launch.verify(locked)


def test_a_program_called_data_by_hand_is_refused_all_the_same(here: Path) -> None:
    with pytest.raises(LaunchError, match="custom-server is not the reviewed file"):
        launch.verify(Launch(("custom-server",), "inherit", (), {"custom-server": DATA}))


def test_an_unknown_directory_rule_is_refused(here: Path) -> None:
    with pytest.raises(LaunchError, match=r"launch\.cwd"):
        launch.verify(Launch(("node",), "/srv", (), {}))


def test_a_missing_program_is_unreachable_not_refused(here: Path) -> None:
    with pytest.raises(UnreachableError, match="no such program on PATH"):
        launch.describe(("absent", "server.js"))


def test_a_program_without_the_right_to_run_is_told_so(here: Path) -> None:
    with pytest.raises(UnreachableError, match=r"\./server\.js: it is not executable") as caught:
        launch.describe(("./server.js",))
    assert "chmod +x ./server.js" in caught.value.hint


def test_an_unreadable_file_is_unreachable(here: Path) -> None:
    os.mkfifo(here / "tools" / "pipe")
    (here / "tools" / "pipe").chmod(0o755)
    with pytest.raises(UnreachableError, match="no such program"):
        launch.describe(("pipe",))


@pytest.mark.parametrize(("argv", "names"), [((), ()), (("node",), ("LD_PRELOAD",))])
def test_an_empty_command_and_a_refused_variable_are_usage_errors(
    here: Path, argv: tuple[str, ...], names: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError):
        launch.describe(argv, names)
