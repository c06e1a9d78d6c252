"""The program that `case.build` makes, and how the other programs start it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from catena.coupler.fake_cime.case_files import fail

NAME = "e3sm.exe"
COMPILE = "--compile"

_PROGRAM = """#!{python}
import os
import sys
from pathlib import Path

if {cache!r}:
    os.environ.setdefault("NUMBA_CACHE_DIR", {cache!r})

from catena.coupler.fake_cime.executable import compile_model, main

if {compile!r} in sys.argv:
    sys.exit(compile_model())
sys.exit(main({cime!r}, bypass={bypass!r}, kept=Path(__file__).parent / "weather"))
"""


def write_executable(path: Path, cime: Path, bypass: bool) -> None:
    """Write the program.

    Parameters
    ----------
    path : Path
    cime : Path
        Root of the pretended checkout.
    bypass : bool
        Whether it reads its own weather.
    """
    cache = machine_code_folder(path.parent)
    values = {"python": sys.executable, "cime": str(cime), "cache": cache, "compile": COMPILE}
    path.write_text(_PROGRAM.format(**values, bypass=bypass))
    path.chmod(0o755)


def machine_code_folder(bld: Path) -> str:
    """Where all runs of an executable find the model's machine code; empty for numba's own place.

    Numba keeps it beside the sources. Where these cannot be written it takes the user's home, which
    need not be the same for all members; then the place is beside the executable that they share.
    """
    found = find_spec("catena.coupler.embedded")
    if found is None or found.origin is None:
        fail("catena.coupler.embedded is not there; install catena-coupler whole")
    folder = Path(found.origin).parent / "__pycache__"
    try:
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return str(bld / "machine_code")
    return ""


def run_executable(path: Path, folder: Path, arguments: Sequence[str] = ()) -> int:
    """Run the program in a directory; its exit status."""
    sys.stdout.flush()
    return subprocess.run([str(path), *arguments], cwd=folder, env=dict(os.environ)).returncode
