"""What a server inherits: an allowlist, and names from the lockfile that are no code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.daemon.environment import (
    BASE,
    base_environment,
    refuse_names,
    server_environment,
)
from mcpguard.errors import UsageError

CODE = [
    "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "NODE_OPTIONS", "PYTHONPATH",
    "PYTHONSTARTUP", "BASH_ENV", "ENV", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "NODE_PATH",
    "CLASSPATH", "GCONV_PATH", "BUN_OPTIONS", "DOTNET_STARTUP_HOOKS", "npm_config_node_options",
    "NPM_CONFIG_SCRIPT_SHELL", "Npm_Config_Registry", "OPENSSL_CONF", "OPENSSL_MODULES", "ZDOTDIR",
    "CORECLR_PROFILER_PATH", "CORECLR_PROFILER_PATH_64", "COR_PROFILER", "COMPlus_GCName",
    "DOTNET_gcName", "GEM_PATH", "GEM_HOME", "BUNDLE_GEMFILE", "GIT_SSH_COMMAND",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT", "GIT_EXEC_PATH", "R_PROFILE", "R_LIBS_USER",
    "PYTHONWARNINGS", "LUA_INIT_5_4", "TS_NODE_REQUIRE", "YARN_YARN_PATH", "UV_PYTHON", "GOFLAGS",
    "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES", "MANPAGER", "RUSTC", "RUSTC_WRAPPER", "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT", "UV_TOOL_DIR", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY",
    "PAGER",
]  # fmt: skip


@pytest.mark.guarantee("child:environment")
@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12), max_size=8))
def test_nothing_outside_the_allowlist_passes(environ: dict[str, str]) -> None:
    environ = {**environ, "PATH": "/bin", "LC_ALL": "C", "API_KEY": "secret"}
    passed = base_environment(environ)
    assert passed["PATH"] == "/bin"
    assert passed["LC_ALL"] == "C"
    assert all(name in BASE or name.startswith("LC_") for name in passed)
    assert all(environ[name] == value for name, value in passed.items())


@pytest.mark.guarantee("child:environment")
@pytest.mark.parametrize(
    ("path", "passed"),
    [
        ("/bin:/usr/bin", {"PATH": "/bin:/usr/bin"}),
        (".:/bin::node_modules/.bin:./x:", {"PATH": "/bin"}),
        (".", {}),
        ("", {}),
    ],
)
@pytest.mark.parametrize("names", [(), ("PATH",)])
def test_no_entry_of_path_means_the_working_directory(
    path: str, passed: dict[str, str], names: tuple[str, ...]
) -> None:
    assert server_environment({"PATH": path}, names) == passed


@pytest.mark.guarantee("child:environment")
def test_variables_keep_the_order_in_which_the_host_has_them() -> None:
    environ = {"TOKEN": "t", "PATH": "/bin:.:/usr/bin", "LC_ALL": "C", "OTHER": "o", "HOME": "/h"}
    told = server_environment(environ, ["TOKEN"])
    assert [*told.items()] == [
        ("TOKEN", "t"), ("PATH", "/bin:/usr/bin"), ("LC_ALL", "C"), ("HOME", "/h")
    ]  # fmt: skip


def test_a_named_variable_passes_when_it_is_set() -> None:
    environ = {"API_KEY": "k", "OTHER": "o", "HOME": "/h"}
    assert server_environment(environ, ("API_KEY", "UNSET")) == {"API_KEY": "k", "HOME": "/h"}


@pytest.mark.guarantee("child:environment")
@pytest.mark.parametrize("name", ["PYTHONUNBUFFERED", "PythonUTF8", "npm_config_loglevel"])
def test_a_variable_of_an_interpreter_that_runs_nothing_passes(name: str) -> None:
    assert base_environment({name: "x"}) == {}
    assert server_environment({name: "x"}, (name,)) == {name: "x"}


@pytest.mark.parametrize("name", CODE)
def test_a_variable_whose_value_is_code_never_passes(name: str) -> None:
    assert base_environment({name: "x"}) == {}
    with pytest.raises(UsageError, match="never passed") as caught:
        server_environment({name: "x"}, (name,))
    assert "script" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "GIT_AUTHOR_NAME", "UV_INDEX_URL", "RUST_LOG", "NODE_ENV", "DOTNET_ENVIRONMENT"],
)
def test_a_variable_whose_value_is_no_code_passes(name: str) -> None:
    assert server_environment({name: "x"}, (name,)) == {name: "x"}


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not the name"):
        refuse_names((name,))


def test_an_exported_shell_function_does_not_pass() -> None:
    environ = {"TERM": "() { :; }; boom", "MINE": "() { :; }"}
    assert server_environment(environ, ("MINE",)) == {}
