"""An embedded system of a test's own, worked through the ``catena`` command as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from catena.shared.client import ServiceClient, connect
from catena.shared.settings import Settings
from catena.shared.supervisor import ray_head
from catena.shared.supervisor.layout import Layout
from catena.shared.supervisor.processes import ProcessRecord
from catena.shared.supervisor.state import SystemState

CATENA = str(Path(sys.executable).parent / "catena")

TINY_SITE = """
site: {name}
title: A tiny generated site
ensemble:
  generated: {{runs: 120, seed: {seed}}}
  held_out_runs: 40
observation:
  synthetic: {{run: 100, error_fraction: 0.3, seed: 1}}
surrogate: {{method: gp, folds: 2}}
posterior: {{method: sir, bank_size: 4096}}
check: {{simulated_pairs: 20, draws: 50}}
mcmc: {{draws: 200, warmup: 100}}
"""

TINY_RUNS = """
site: {name}
title: Tiny runs of the embedded land model under generated weather
ensemble:
  run:
    setup:
      forcing:
        ingest:
          source: generated_weather
          weather: {{sites: 1, years: 3, seed: {seed}, climates: [temperate_continental]}}
      surfaces:
        - pfts: [{{name: broadleaf_deciduous_temperate_tree, fraction: 1.0}}]
          soil: [{{bottom_m: 3.5, sand_percent: 40.0, clay_percent: 20.0}}]
      stages: [{{kind: ad_spinup, years: 30}}, {{kind: transient}}]
    draw:
      members: 60
      parameters: [{{name: flnr}}, {{name: slatop}}, {{name: rootb_par}}]
  variables: [{{name: EFLX_LH_TOT, aggregation: yearly}}, {{name: GPP, aggregation: yearly}}]
  held_out_runs: 20
observation:
  synthetic: {{run: 50, error_fraction: 0.3, seed: 1}}
surrogate: {{method: gp, folds: 2}}
posterior: {{method: sir, bank_size: 4096}}
check: {{simulated_pairs: 20, draws: 50}}
mcmc: {{draws: 200, warmup: 100}}
predictive: {{draws: 12}}
"""


class System:
    """A home, a run folder and a store that nobody else has.

    Parameters
    ----------
    variables : str
        Settings, ``CATENA_`` in front of each name.
    """

    first_run: subprocess.CompletedProcess[str]

    def __init__(self, **variables: str) -> None:
        # Short: Ray puts Unix sockets below it, and a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="ce-", dir="/tmp"))
        self.settings = Settings(home=self.folder / "home", run_dir=self.folder / "r")
        self.variables = {
            "CATENA_HOME": str(self.settings.home),
            "CATENA_RUN_DIR": str(self.settings.run_dir),
            **{f"CATENA_{name.upper()}": value for name, value in variables.items()},
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its commands."""
        folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([folder, os.environ.get("PATH", "")])
        return {**os.environ, **self.variables, "PATH": path}

    def __call__(
        self, *words: object, check: bool = True, timeout_s: float = 900.0
    ) -> subprocess.CompletedProcess[str]:
        """Run ``catena`` with these words."""
        done = subprocess.run(
            [CATENA, *map(str, words)],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check and done.returncode:
            raise AssertionError(
                f"catena {' '.join(map(str, words))} ended with {done.returncode}:\n"
                f"{done.stdout}{done.stderr}\n{self.logs()}"
            )
        return done

    def json(self, *words: object, check: bool = True) -> Any:
        """What ``catena ... --json`` prints."""
        return json.loads(self(*words, "--json", check=check).stdout)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """``catena`` in the background."""
        return subprocess.Popen(
            [CATENA, *map(str, words)],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def client(self, **changes: object) -> ServiceClient:
        """Client of its calibrator."""
        return connect("calibrator", self.settings.model_copy(update=changes))

    def site_file(self, name: str = "tiny", seed: int = 1, text: str = TINY_SITE) -> Path:
        """YAML file of a small site."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text.format(name=name, seed=seed))
        return path

    # ---- its processes ------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings)

    @property
    def state(self) -> SystemState:
        """What the supervisor wrote last."""
        state = SystemState.read(self.layout)
        assert state is not None, self.logs()
        return state

    def process(self, part: str) -> ProcessRecord:
        """Process of a part: supervisor, ray, calibrator."""
        if part == "supervisor":
            return self.state.supervisor
        found = next(item.process for item in self.state.parts if item.name == part)
        assert found is not None
        return found

    def ray_processes(self) -> list[ProcessRecord]:
        """Ray with everything in it, jobs included."""
        return ray_head.members(self.layout)

    def processes(self) -> list[psutil.Process]:
        """Every living process whose command line or environment names this system's folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = [*process.cmdline(), *process.environ().values()]
                if any(str(self.folder) in word for word in words) and process.status() != "zombie":
                    found.append(process)
        return found

    def logs(self) -> str:
        """End of each log."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-2500:]}"
            for path in sorted(self.layout.logs.glob("*.log"))
        )

    def close(self) -> None:
        """End it, by force if need be, and remove its folder."""
        with contextlib.suppress(Exception):
            self("down", check=False, timeout_s=90)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        for record in self.ray_processes():
            record.signal(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> System:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
