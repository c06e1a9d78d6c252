"""Make the folder that looks like a checkout of E3SM."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = ("create_newcase", "create_clone")
CASE_TOOLS = (
    "xmlchange",
    "xmlquery",
    "case.setup",
    "case.build",
    "case.submit",
    "preview_namelists",
    "check_input_data",
)
ROOT_FILE = "fake_cime.root"
"""Marks the root; a case remembers its root in a file of this name too."""

_PROGRAM = """#!{python}
import sys

from catena.coupler.fake_cime.{module} import main

sys.exit(main(sys.argv[1:], {where!r}))
"""
_MODULES = {
    "create_newcase": "new_case",
    "create_clone": "clone_case",
    "xmlchange": "xmlchange",
    "xmlquery": "xmlquery",
    "case.setup": "setup_case",
    "case.build": "build_case",
    "case.submit": "submit_case",
    "preview_namelists": "namelists",
    "check_input_data": "input_data",
}


def write_program(path: Path, name: str, where: Path) -> None:
    """Write the script `name`; it is called with its arguments and the folder `where`."""
    path.write_text(_PROGRAM.format(python=sys.executable, module=_MODULES[name], where=str(where)))
    path.chmod(0o755)


def install_fake_cime(root: Path, moab: bool = False) -> Path:
    """Make a stand-in for a checkout of E3SM.

    Parameters
    ----------
    root : Path
        Folder to make; what is there already is kept.
    moab : bool
        Whether the pretended machine has MOAB.

    Returns
    -------
    Path
        What the configuration calls ``cime_root``.
    """
    root = root.absolute()
    scripts = root / "cime" / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    (root / "driver-mct").mkdir(exist_ok=True)
    machines = root / "cime_config" / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    (machines / "config_machines.xml").write_text(
        '<config_machines><machine MACH="fake-machine"><COMPILERS>gnu</COMPILERS>'
        "<MPILIBS>mpi-serial</MPILIBS>"
        + ('<env name="MOAB_ROOT">/opt/moab</env>' if moab else "")
        + "</machine></config_machines>\n"
    )
    (root / ROOT_FILE).write_text(str(root))
    for name in SCRIPTS:
        write_program(scripts / name, name, root)
    return root
