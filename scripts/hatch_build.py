"""Compiles each `compiled.c` of `FOLDERS`: into the wheel, or beside its source when editable.

Where there is no C compiler, or no header of Python's, the wheel is one of Python alone: it does
the same, and calls and scans take longer. All are built, or none. `MCPGUARD_COMPILE=require` makes
a failure an error, `never` builds without looking.

By hand: scripts/hatch_build.py [FLAG ...] compiles them beside their sources, with these flags too.
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

FOLDERS = (
    Path("mcpguard", "audit", "fastpath"),
    Path("mcpguard", "scan", "threats", "classifier", "fastpath"),
)
SOURCE = "compiled.c"
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
            remove(root)
        if wanted == "never" or os.name != "posix" or sys.implementation.name != "cpython":
            return
        self._made = None if editable else Path(tempfile.mkdtemp(prefix="mcpguard-build-"))
        try:
            strict = ("-Werror",) if wanted == "require" else ()
            made = {
                folder / NAME: compiled(root / folder, (self._made or root) / folder, *strict)
                for folder in FOLDERS
            }
        except BuildError as error:
            self._clean()
            if editable:
                remove(root)
            if wanted == "require":
                raise
            self.app.display_warning(f"mcpguard is built without its compiled parts: {error}")
            return
        if not editable:
            build_data["force_include"] |= {str(file): str(place) for place, file in made.items()}
            build_data |= {"pure_python": False, "infer_tag": True}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is packed."""
        self._clean()

    def _clean(self) -> None:
        if self._made is not None:
            shutil.rmtree(self._made)
            self._made = None


def remove(root: Path) -> None:
    """What was compiled beside its source before."""
    for folder in FOLDERS:
        (root / folder / NAME).unlink(missing_ok=True)


def compiled(origin: Path, folder: Path, *more: str) -> Path:
    """The module that was made in `folder` of what is in `origin`, with `more` flags.

    Raises BuildError.
    """
    tool, *shared = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    compiler = shutil.which(tool) or shutil.which("cc")
    if compiler is None:
        raise BuildError("no C compiler (on Debian: apt-get install gcc)")
    position = shlex.split(sysconfig.get_config_var("CCSHARED") or "-fPIC")
    source, part = origin / SOURCE, folder / f".{NAME}.{os.getpid()}"
    command = [compiler, *shared, *position, *FLAGS, *more, f"-I{sysconfig.get_paths()['include']}"]
    try:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        command += [f'-DSOURCE_DIGEST="{digest}"', str(source), "-o", str(part)]
        folder.mkdir(parents=True, exist_ok=True)
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
    remove(root)
    for folder in FOLDERS:
        print(compiled(root / folder, root / folder, *sys.argv[1:]))
