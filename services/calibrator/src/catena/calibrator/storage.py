"""What the calibrator's artifacts hold: from science to files and back.

============  =====================================================================================
kind          files
============  =====================================================================================
ensemble      ``ensemble.json``, ``ensemble.zarr`` (run, parameter, output)
surrogate     ``surrogate.json``, ``surrogate.safetensors``
posterior     ``posterior.json``, ``posterior.safetensors``
chains        ``chains.json``, ``chains.zarr`` (chain, draw, parameter), ``chains.safetensors``
draws         ``draws.json``, ``draws.zarr`` (site, draw, parameter)
check         ``check.json``, ``check.safetensors``
report        ``report.json``, ``report.html``
============  =====================================================================================

Each JSON file of a trained thing also says what it was trained on (:class:`About`), so that a
report never has to guess and a request can be checked without loading arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from catena.calibrator.chains import Chains
from catena.calibrator.ensemble import EnsembleData, OutputTable
from catena.calibrator.posterior import Posterior
from catena.calibrator.prior import Prior
from catena.calibrator.statistics import DATASET, SUMMARY, RunStatistics, run_statistics
from catena.calibrator.steps import Step
from catena.calibrator.surrogate import Surrogate
from catena.shared.errors import FieldViolation, InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactWriter


@dataclass(frozen=True)
class About:
    """What a surrogate or a posterior speaks of.

    Parameters
    ----------
    prior : Prior
        Names, units and ranges of the parameters.
    outputs : OutputTable
        Names, units and long names of the outputs.
    parameter_long_names : tuple of str
        For labels.
    data : dict
        Title and source of the runs, how many, and whether a formula made them.
    """

    prior: Prior
    outputs: OutputTable
    parameter_long_names: tuple[str, ...]
    data: dict[str, Any]

    @classmethod
    def of(cls, ensemble: EnsembleData) -> About:
        """From the ensemble itself."""
        plain = ensemble.to_dict()
        names = (
            "title",
            "source_note",
            "generated",
            "model",
            "generated_weather",
            "runs_asked",
            "runs_ok",
            "runs_held_out",
        )
        return cls(
            ensemble.prior,
            ensemble.output_table,
            ensemble.parameter_long_names,
            {name: plain[name] for name in names},
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "prior": self.prior.to_dict(),
            "outputs": self.outputs.to_dict(),
            "parameter_long_names": list(self.parameter_long_names),
            "data": self.data,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> About:
        """Inverse of :meth:`to_dict`."""
        return cls(
            Prior.from_dict(plain["prior"]),
            OutputTable.from_dict(plain["outputs"]),
            tuple(plain["parameter_long_names"]),
            dict(plain["data"]),
        )

    def units(self) -> dict[str, str]:
        """Units of every parameter and output, for a manifest; a field's outputs as one."""
        units = dict(zip(self.prior.names, self.prior.units, strict=True))
        if len(set(self.outputs.units)) == 1 and len(self.outputs.names) > 50:
            return units | {"outputs": self.outputs.units[0]}
        return units | dict(zip(self.outputs.names, self.outputs.units, strict=True))


def read_about(artifact: Artifact) -> About:
    """:class:`About` of a surrogate, posterior, chains or draws artifact."""
    return About.from_dict(artifact.read_json(f"{artifact.kind}.json")["about"])


# ------------------------------------------------------------------ ensemble


def write_ensemble(writer: ArtifactWriter, ensemble: EnsembleData) -> None:
    """Write an ensemble."""
    writer.write_json("ensemble.json", ensemble.to_dict())
    writer.write_dataset("ensemble.zarr", ensemble.to_xarray())


def read_ensemble(artifact: Artifact) -> EnsembleData:
    """Read an ensemble."""
    meta = artifact.read_json("ensemble.json")
    return EnsembleData.from_xarray(artifact.open_dataset("ensemble.zarr"), meta)


def read_outputs(artifact: Artifact) -> tuple[tuple[Step, ...], OutputTable]:
    """What the outputs of an ensemble are of, without reading its runs.

    Raises
    ------
    InvalidData
        When it was not made of runs of ensemble-runner: then nobody knows.
    """
    meta = artifact.read_json("ensemble.json")
    steps = tuple(Step(**step) for step in meta.get("steps", ()))
    if not steps:
        text = "was not imported from runs of ensemble-runner; give the observation's values"
        raise InvalidData("no times are known", violations=[FieldViolation("ensemble", text)])
    return steps, OutputTable.from_dict(meta["outputs"])


def read_table_of(artifact: Artifact) -> OutputTable:
    """Names and units of an ensemble's outputs, without reading its runs."""
    return OutputTable.from_dict(artifact.read_json("ensemble.json")["outputs"])


def read_statistics(artifact: Artifact) -> RunStatistics:
    """Statistics of runs at several sites, made by ensemble-runner."""
    return run_statistics(artifact.open_dataset(DATASET), artifact.read_json(SUMMARY))


# ------------------------------------------------------------------ surrogate and posterior


def write_surrogate(writer: ArtifactWriter, surrogate: Surrogate, about: About) -> None:
    """Write a surrogate."""
    arrays, meta = surrogate.to_arrays()
    writer.write_arrays("surrogate.safetensors", arrays)
    writer.write_json("surrogate.json", {"about": about.to_dict(), "surrogate": meta})


def read_surrogate(artifact: Artifact) -> tuple[Surrogate, About]:
    """Read a surrogate."""
    plain = artifact.read_json("surrogate.json")
    arrays = artifact.read_arrays("surrogate.safetensors")
    return Surrogate.from_arrays(arrays, plain["surrogate"]), About.from_dict(plain["about"])


def write_posterior(writer: ArtifactWriter, posterior: Posterior, about: About) -> None:
    """Write a posterior."""
    arrays, meta = posterior.to_arrays()
    writer.write_arrays("posterior.safetensors", arrays)
    methods = {"methods": list(posterior.methods)}
    writer.write_json("posterior.json", {"about": about.to_dict(), "posterior": meta, **methods})


def read_posterior(artifact: Artifact) -> tuple[Posterior, About]:
    """Read a posterior."""
    plain = artifact.read_json("posterior.json")
    arrays = artifact.read_arrays("posterior.safetensors")
    return Posterior.from_arrays(arrays, plain["posterior"]), About.from_dict(plain["about"])


# ------------------------------------------------------------------ chains and draws


def draws_dataset(values: np.ndarray, about: About, axis: str, labels: list[Any]) -> xr.Dataset:
    """Draws (axis, draw, parameter) as a dataset in CF style."""
    prior = about.prior
    dataset = xr.Dataset(
        {
            "parameters": ((axis, "draw", "parameter"), values),
            "prior_low": (("parameter",), prior.low),
            "prior_high": (("parameter",), prior.high),
        },
        coords={
            axis: labels,
            "draw": np.arange(values.shape[1]),
            "parameter": list(prior.names),
            "parameter_units": (("parameter",), list(prior.units)),
        },
        attrs={"Conventions": "CF-1.11", "title": "draws from the posterior of a calibration"},
    )
    dataset["parameters"].attrs["long_name"] = "draws of the calibrated parameters"
    return dataset


def write_chains(
    writer: ArtifactWriter, chains: Chains, about: About, observation: dict[str, Any]
) -> None:
    """Write Markov chains and what they were run for."""
    arrays, meta = chains.to_arrays()
    labels = list(range(len(chains.values)))
    writer.write_dataset("chains.zarr", draws_dataset(chains.values, about, "chain", labels))
    writer.write_arrays(
        "chains.safetensors", {name: array for name, array in arrays.items() if name != "values"}
    )
    writer.write_json(
        "chains.json", {"about": about.to_dict(), "observation": observation, "chains": meta}
    )


def read_chains(artifact: Artifact) -> tuple[Chains, dict[str, Any]]:
    """Chains, and the observation that they were run for."""
    plain = artifact.read_json("chains.json")
    arrays = artifact.read_arrays("chains.safetensors")
    arrays["values"] = artifact.open_dataset("chains.zarr")["parameters"].to_numpy()
    return Chains.from_arrays(arrays, plain["chains"]), dict(plain["observation"])


# ------------------------------------------------------------------ checks


def write_check(
    writer: ArtifactWriter, figures: dict[str, Any], arrays: dict[str, np.ndarray], about: About
) -> None:
    """Write the results of checks."""
    writer.write_json("check.json", {"about": about.to_dict(), "figures": figures})
    writer.write_arrays("check.safetensors", arrays)


def read_check(artifact: Artifact) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Figures and arrays of a check."""
    plain = artifact.read_json("check.json")
    return plain["figures"], artifact.read_arrays("check.safetensors")


# ------------------------------------------------------------------ datasets of data-ingest


def read_dataset(artifact: Artifact, key: str) -> tuple[dict[str, Any], xr.Dataset]:
    """One dataset of an artifact of data-ingest, and what is known about it.

    Raises
    ------
    InvalidData
        When there is no such dataset, or there are several and no key.
    """
    rows = {row["key"]: row for row in artifact.read_json("ingest.json")["datasets"]}
    if key not in rows and (key or len(rows) != 1):
        known = ", ".join(list(rows)[:8]) + (", ..." if len(rows) > 8 else "")
        text = f"got {key!r}, wanted one of {known or 'none: it holds nothing'}"
        raise InvalidData("no such dataset", violations=[FieldViolation("key", text)])
    row = rows[key] if key else next(iter(rows.values()))
    return row, artifact.open_dataset(row["name"])


def source_of(row: dict[str, Any]) -> str:
    """Where a dataset of data-ingest comes from, in words."""
    facets = row["facets"]
    named = [facets.get(name, "") for name in ("source_id", "product")]
    what = ", ".join(dict.fromkeys(name for name in named if name)) or row["key"]
    return f"{what}, {row['start'][:10]} to {row['end'][:10]}"[:200]
