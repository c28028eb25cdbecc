"""The stages as a library, as the README shows them, with a callback of the program's own."""

import subprocess
import sys

from tests.integration import readme
from tests.tools import ROOT


def test_the_example_of_the_readme_asks_its_callback_and_says_what_was_decided() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", readme.block("python approve.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ok\napproval\ntool_denied\n", "")
