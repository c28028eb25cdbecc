"""What a command line really starts: packages and their pins, images, scripts, what is in front."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.hosts.launchers import container, packages, program, script, unwrapped

COMMIT, DIGEST = "0123456789abcdef" * 2 + "01234567", "sha256:" + "a" * 64

PACKAGES = {
    "npx -y pkg": ("pkg", False),
    "npx -y pkg@latest": ("pkg@latest", False),
    "npx -y pkg@^1.2.3": ("pkg@^1.2.3", False),
    "npx -y pkg@1.2": ("pkg@1.2", False),
    "npx -y pkg@1.2.3": ("pkg@1.2.3", True),
    "npx --yes @scope/pkg@1.2.3-beta.1 /dir": ("@scope/pkg@1.2.3-beta.1", True),
    "npx @scope/pkg": ("@scope/pkg", False),
    "npx -p pkg@1.0.0 command": ("pkg@1.0.0", True),
    "npx --package=pkg command": ("pkg", False),
    "npx --registry https://r pkg": ("pkg", False),
    "npx -- pkg": ("pkg", False),
    "npx github:o/r": ("github:o/r", False),
    f"npx github:o/r#{COMMIT}": (f"github:o/r#{COMMIT}", True),
    f"npx o/r#{COMMIT[:7]}": (f"o/r#{COMMIT[:7]}", False),
    "npx ./local": ("./local", True),
    "npm exec pkg": ("pkg", False),
    "pnpm dlx pkg@1.0.0": ("pkg@1.0.0", True),
    "bunx pkg": ("pkg", False),
    "C:\\nodejs\\npx.cmd -y pkg": ("pkg", False),
    "uvx pkg": ("pkg", False),
    "uvx pkg==1.0": ("pkg==1.0", True),
    "uvx pkg==1.*": ("pkg==1.*", False),
    "uvx pkg>=1": ("pkg>=1", False),
    "uvx pkg@2.0.1 --flag": ("pkg@2.0.1", True),
    "uvx pkg@latest": ("pkg@latest", False),
    "uvx --from pkg==1.0 command": ("pkg==1.0", True),
    "uvx --from git+https://h/o/r command": ("git+https://h/o/r", False),
    f"uvx --from git+https://h/o/r@{COMMIT} command": (f"git+https://h/o/r@{COMMIT}", True),
    "uvx --python 3.12 pkg": ("pkg", False),
    "uv tool run pkg": ("pkg", False),
    "uv run --with pkg x.py": ("pkg", False),
    "pipx run pkg==1.0": ("pkg==1.0", True),
    "go run example.org/x@latest": ("example.org/x@latest", False),
    "go run example.org/x@v1.2.3": ("example.org/x@v1.2.3", True),
    "deno run -A npm:pkg@1.2.3": ("npm:pkg@1.2.3", True),
    "deno run https://deno.land/x/y.ts": ("https://deno.land/x/y.ts", False),
}


def split(command: str) -> list[str]:
    return shlex.split(command.replace("\\", "\\\\"))


@pytest.mark.parametrize("command", PACKAGES)
def test_a_package_is_pinned_by_an_exact_version_or_commit_alone(command: str) -> None:
    (found,) = packages(split(command))
    assert (found.said, found.pinned) == PACKAGES[command]


@pytest.mark.parametrize("command", ["node x.js", "python -m x", "npm start", "uv sync", ""])
def test_other_commands_fetch_nothing(command: str) -> None:
    assert packages(split(command)) == []


IMAGES = {
    "docker run -i --rm mcp/x": ("mcp/x", False),
    f"docker run -i mcp/x@{DIGEST}": (f"mcp/x@{DIGEST}", True),
    "docker run -i mcp/x@sha256:aa": ("mcp/x@sha256:aa", False),
    "podman run -e KEY --name n -it mcp/x:1 arg": ("mcp/x:1", False),
    "docker run --pull=always -v/a:/b mcp/x": ("mcp/x", False),
}


@pytest.mark.parametrize("command", IMAGES)
def test_an_image_is_what_stands_behind_the_options(command: str) -> None:
    found = container(split(command))
    assert found is not None
    assert (found.image, found.pinned) == IMAGES[command]


def test_options_of_a_container_have_their_values() -> None:
    found = container(split("docker run -v /a:/b -v/c:/d --network=host --privileged x"))
    assert found is not None
    assert found.options == (
        ("-v", "/a:/b"), ("-v", "/c:/d"), ("--network", "host"), ("--privileged", ""),
    )  # fmt: skip


@pytest.mark.parametrize("command", ["docker ps", "node run", "docker"])
def test_other_commands_run_no_container(command: str) -> None:
    assert container(split(command)) is None


UNWRAPPED = {
    "env A=b npx pkg": "npx pkg",
    "env -u X -i npx pkg": "npx pkg",
    "env -S 'npx pkg' x": "npx pkg x",
    "env --s 'npx pkg' x": "npx pkg x",
    "env --split='npx pkg' x": "npx pkg x",
    "env -iS 'npx pkg' x": "npx pkg x",
    "env '-vSnpx pkg' x": "npx pkg x",
    "env -S '-i -u X A=1 npx' pkg": "npx pkg",
    "env --uns X --ch /tmp --argv0=a npx pkg": "npx pkg",
    "env -iu X -0C /tmp -P /bin npx pkg": "npx pkg",
    "env -uX -C/tmp -- npx pkg": "npx pkg",
    "nice -n 5 npx pkg": "npx pkg",
    "sh -c 'exec npx pkg'": "npx pkg",
    "bash -lc 'npx pkg'": "npx pkg",
    "cmd /c npx -y pkg": "npx -y pkg",
    "sh -c 'npx pkg; rm x'": "sh -c 'npx pkg; rm x'",
    "sh -c 'npx pkg | tee x'": "sh -c 'npx pkg | tee x'",
    "sh -c 'npx $(cat x)'": "sh -c 'npx $(cat x)'",
    "sh script.sh": "sh script.sh",
    "npx pkg": "npx pkg",
}


@pytest.mark.parametrize("command", UNWRAPPED)
def test_what_stands_before_one_plain_command_is_taken_off(command: str) -> None:
    assert list(unwrapped(split(command))) == split(UNWRAPPED[command])


@pytest.mark.parametrize(
    ("command", "by_shell"),
    [
        ("bash -c 'a | b'", True),
        ("powershell -Command a", True),
        ("python3.12 -c 'import x'", False),
        ("node --eval x", False),
        ("python x.py -c y", None),
        ("python -m x", None),
    ],
)
def test_code_in_the_command_line_is_told_from_files(
    command: str, *, by_shell: bool | None
) -> None:
    found = script(split(command))
    assert (None if found is None else found.by_shell) is by_shell


WORDS = st.lists(
    st.sampled_from(["npx", "env", "sh", "-c", "docker", "run", "-v", "--", "uvx", "--from", "a=b"])
    | st.text(max_size=8),
    max_size=8,
)


@given(WORDS)
def test_any_command_line_is_understood_somehow(words: list[str]) -> None:
    inner = unwrapped(words)
    assert isinstance(program(inner), str)
    assert all(each.launcher for each in packages(inner))
    assert container(inner) is None or script(inner) is None
