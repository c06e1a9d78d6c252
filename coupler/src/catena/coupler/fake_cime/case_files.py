"""The state of a case: entries of `env_*.xml`, what is locked, what CaseStatus says."""

from __future__ import annotations

import shutil
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NoReturn

from catena.coupler.fake_cime.install import ROOT_FILE

ENTRIES: dict[str, dict[str, str]] = {
    "env_case.xml": {
        "CASE": "",
        "CASEROOT": "",
        "COMPSET": "",
        "GRID": "",
        "MACH": "",
        "COMP_INTERFACE": "mct",
        "CIMEROOT": "",
    },
    "env_build.xml": {
        "COMPILER": "",
        "MPILIB": "",
        "EXEROOT": "",
        "DEBUG": "FALSE",
        "BUILD_COMPLETE": "FALSE",
        "ELM_CONFIG_OPTS": "-phys elm -phys elm -cppdefs -DMODAL_AER",
    },
    "env_mach_pes.xml": {"NTASKS": "8", "NTHRDS": "1"},
    "env_batch.xml": {"BATCH_SYSTEM": "none"},
    "env_workflow.xml": {"JOB_QUEUE": "", "JOB_WALLCLOCK_TIME": "01:00:00", "PROJECT": ""},
    "env_run.xml": {
        "RUNDIR": "",
        "DIN_LOC_ROOT": "",
        "DIN_LOC_ROOT_CLMFORC": "",
        "DOUT_S": "TRUE",
        "STOP_OPTION": "ndays",
        "STOP_N": "5",
        "REST_OPTION": "$STOP_OPTION",
        "REST_N": "$STOP_N",
        "RUN_STARTDATE": "0001-01-01",
        "RUN_TYPE": "startup",
        "RUN_REFCASE": "case.std",
        "RUN_REFDATE": "0001-01-01",
        "GET_REFCASE": "FALSE",
        "CONTINUE_RUN": "FALSE",
        "ELM_USRDAT_NAME": "UNSET",
        "ELM_FORCE_COLDSTART": "off",
        "ELM_BLDNML_OPTS": "-bgc bgc -nutrient cnp -nutrient_comp_pathway rd",
        "ELM_NML_USE_CASE": "1850_control",
        "LND_DOMAIN_PATH": "UNSET",
        "LND_DOMAIN_FILE": "UNSET",
        "ATM_DOMAIN_PATH": "UNSET",
        "ATM_DOMAIN_FILE": "UNSET",
        "CCSM_CO2_PPMV": "284.7",
        "DATM_MODE": "CLM_QIAN",
        "DATM_CLMNCEP_YR_START": "1",
        "DATM_CLMNCEP_YR_END": "1",
        "DATM_CLMNCEP_YR_ALIGN": "1",
        "SAVE_TIMING": "TRUE",
    },
}
LOCKED_AT_SETUP = ("env_mach_pes.xml", "env_batch.xml", "env_case.xml")


def fail(message: str) -> NoReturn:
    """End the program as CIME does."""
    sys.stderr.write(f"ERROR: {message}\n")
    sys.exit(1)


class Case:
    """A case directory of the stand-in."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def cime(self) -> Path:
        """Root of the pretended checkout."""
        return Path((self.root / ROOT_FILE).read_text())

    def file_of(self, name: str) -> str | None:
        """Which file holds the entry `name`."""
        return next((file for file, entries in ENTRIES.items() if name in entries), None)

    def read(self, file: str, folder: Path | None = None) -> dict[str, str]:
        """Entries of one file."""
        tree = ET.parse((folder or self.root) / file)  # noqa: S314 (files that these programs wrote)
        return {entry.attrib["id"]: entry.attrib["value"] for entry in tree.iter("entry")}

    def write(self, file: str, entries: dict[str, str]) -> None:
        """Write the entries of one file."""
        element = ET.Element("file", {"id": file})
        for name, value in entries.items():
            ET.SubElement(element, "entry", {"id": name, "value": value})
        ET.indent(element)
        ET.ElementTree(element).write(self.root / file)

    def get(self, name: str) -> str:
        """Value of an entry; `$OTHER` is followed."""
        file = self.file_of(name)
        if file is None:
            fail(f" No results found for variable {name}")
        value = self.read(file)[name]
        return self.get(value[1:]) if value.startswith("$") else value

    def set(self, name: str, value: str) -> None:
        """Change an entry."""
        file = self.file_of(name)
        if file is None:
            fail(f"No variable {name} found in case")
        self.write(file, {**self.read(file), name: value})

    def lock(self, *files: str) -> None:
        """Remember these files as they are."""
        locked = self.root / "LockedFiles"
        locked.mkdir(exist_ok=True)
        for file in files:
            shutil.copyfile(self.root / file, locked / file)

    def changed(self, file: str) -> dict[str, tuple[str, str]]:
        """Entries that differ from when the file was locked: (then, now)."""
        if not (self.root / "LockedFiles" / file).exists():
            return {}
        then, now = self.read(file, self.root / "LockedFiles"), self.read(file)
        return {
            name: (then[name], now[name])
            for name in now
            if now[name] != then.get(name) and name != "BUILD_COMPLETE"
        }

    def check_locked(self) -> None:
        """End with what has to be called for changes to take effect."""
        if self.changed("env_case.xml"):
            fail("Cannot change `env_case.xml`, please restore origin 'env_case.xml'")
        for file in ("env_mach_pes.xml", "env_batch.xml"):
            if self.changed(file):
                self._report(file)
                fail("For your changes to take effect, run:\n./case.setup --reset\n")
        if self.changed("env_build.xml"):
            self._report("env_build.xml")
            self.set("BUILD_COMPLETE", "FALSE")
            fail("For your changes to take effect, run:\n./case.build --clean-all\n./case.build")

    def _report(self, file: str) -> None:
        for name, (then, now) in self.changed(file).items():
            sys.stdout.write(f"\t'{name}' has changed from '{then}' to '{now}'\n")

    def status(self, text: str) -> None:
        """Add a line to CaseStatus."""
        with (self.root / "CaseStatus").open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}: {text}\n")
