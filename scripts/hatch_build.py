"""Compiles mcpguard/audit/fastpath/compiled.c: into the wheel, or beside it when editable.

Where there is no C compiler, or no header of Python's, the wheel is one of Python alone: it does
the same, and a call takes a tenth longer. `MCPGUARD_COMPILE=require` makes that an error, `never`
builds without looking.

By hand: scripts/hatch_build.py [FLAG ...] compiles it beside its source, with these flags too.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("mcpguard", "audit", "fastpath")
SOURCE = FOLDER / "compiled.c"
NAME = f"compiled{sysconfig.get_config_var('EXT_SUFFIX')}"
WANTED = ("auto", "require", "never")
FLAGS = ("-O2", "-std=c11", "-Wall", "-Wextra", "-fwrapv")
"""Integers wrap, as in CPython itself; without NDEBUG, so that its headers check types."""


class BuildError(Exception):
    """It was not compiled; says why."""


class CompileHook(BuildHookInterface[Any]):
    """Hatchling asks it before it packs the wheel."""

    PLUGIN_NAME = "custom"
    _made: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel holds. `version`: `editable` or `standard`."""
        wanted = os.environ.get("MCPGUARD_COMPILE") or WANTED[0]
        if wanted not in WANTED:
            raise BuildError(f"MCPGUARD_COMPILE={wanted}: it is one of {', '.join(WANTED)}")
        root, editable = Path(self.root), version == "editable"
        if editable:
            (root / FOLDER / NAME).unlink(missing_ok=True)
        if wanted == "never" or os.name != "posix" or sys.implementation.name != "cpython":
            return
        self._made = None if editable else Path(tempfile.mkdtemp(prefix="mcpguard-build-"))
        try:
            strict = ("-Werror",) if wanted == "require" else ()
            made = compiled(root / SOURCE, self._made or root / FOLDER, *strict)
        except BuildError as error:
            self._clean()
            if wanted == "require":
                raise
            self.app.display_warning(f"mcpguard is built without its compiled part: {error}")
            return
        if not editable:
            build_data["force_include"][str(made)] = str(FOLDER / NAME)
            build_data |= {"pure_python": False, "infer_tag": True}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is packed."""
        self._clean()

    def _clean(self) -> None:
        if self._made is not None:
            shutil.rmtree(self._made)
            self._made = None


def compiled(source: Path, folder: Path, *more: str) -> Path:
    """The module that was made of `source` in `folder`, with `more` flags. Raises BuildError."""
    tool, *shared = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = shutil.which(tool) or shutil.which("cc")
    if compiler is None:
        raise BuildError("no C compiler (on Debian: apt-get install gcc)")
    position = shlex.split(sysconfig.get_config_var("CCSHARED") or "-fPIC")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    given = (f'-DSOURCE_DIGEST="{digest}"', f"-I{sysconfig.get_paths()['include']}")
    part = folder / f".{NAME}.{os.getpid()}"
    command = [compiler, *shared, *position, *FLAGS, *more, *given, str(source), "-o", str(part)]
    try:
        said = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=True
        )
        if not part.is_file():
            raise BuildError(f"{compiler} made nothing and said: {said.stdout}")
        return part.replace(folder / NAME)  # at once: somebody may run the one that is there
    except subprocess.CalledProcessError as error:
        hint = "\n(on Debian: apt-get install python3-dev)" if "Python.h" in error.stdout else ""
        raise BuildError(f"{shlex.join(command)}\n{error.stdout}{hint}") from error
    except OSError as error:
        raise BuildError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    print(compiled(root / SOURCE, root / FOLDER, *sys.argv[1:]))
