"""Entry points of ``catena flow run``: check, make Prefect ready, run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from catena.flows.archives import Archives, check_datasets
from catena.flows.environment import prepare
from catena.flows.explain_steps import check_explanations
from catena.flows.forecast_steps import check_forecasting
from catena.flows.forecasts import Forecasting
from catena.flows.orbit import OrbitTraining
from catena.flows.orbit_steps import check_orbit
from catena.flows.site import Site
from catena.flows.spin_up_steps import check_region
from catena.flows.spin_ups import SpinUpRegion
from catena.flows.steps import check_sections
from catena.flows.submission import Submission
from catena.flows.submission_steps import check_submission
from catena.shared.client import Settings


def calibrate_site(config: Path, ensemble: str = "") -> None:
    """Run the flow ``calibrate_site`` in this process with the site in the YAML file `config`.

    Parameters
    ----------
    config : Path
    ensemble : str
        Another ensemble than the file's: a name in the folder ``ensembles`` beside that of the
        file, or the path of a YAML file.
    """
    if ensemble.endswith((".yaml", ".yml")):
        ensemble = str(Path(ensemble).absolute())
    site = Site.from_file(config, ensemble)
    # The flow checks as well; here a mistake is told before Prefect has taken seconds to start.
    check_sections(site, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    from catena.flows import calibrate_site as module

    module.calibrate_site(site)


def ingest(config: Path) -> None:
    """Run the flow ``ingest`` in this process with the archives in the YAML file `config`."""
    archives = Archives.from_file(config)
    check_datasets(archives, archives.as_of or datetime.now(UTC).date().isoformat())
    prepare(Settings())
    from catena.flows import ingest as module

    module.ingest(archives)


def callmip(config: Path) -> None:
    """Run the flow ``callmip`` in this process with the submission in the YAML file `config`."""
    submission = Submission.from_file(config)
    check_submission(submission, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    from catena.flows import callmip as module

    module.callmip(submission)


def train_forecaster(config: Path) -> None:
    """Run the flow ``train_forecaster`` in this process with the models in the file `config`."""
    forecasting = _checked(config)
    from catena.flows import train_forecaster as module

    module.train_forecaster(forecasting)


def forecast_basins(config: Path, issue: str = "") -> None:
    """Run the flow ``forecast_basins`` in this process with the models in the file `config`.

    Parameters
    ----------
    config : Path
    issue : str
        Day to forecast from, in the place of the file's.
    """
    forecasting = _checked(config, issue)
    from catena.flows import forecast_basins as module

    module.forecast_basins(forecasting)


def explain_basins(config: Path) -> None:
    """Run the flow ``explain_basins`` in this process with the models in the file `config`."""
    forecasting = Forecasting.from_file(config)
    check_explanations(forecasting, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    from catena.flows import explain_basins as module

    module.explain_basins(forecasting)


def _checked(config: Path, issue: str = "") -> Forecasting:
    forecasting = Forecasting.from_file(config)
    if issue:
        forecasting = forecasting.model_copy(update={"issue": issue})
    check_forecasting(forecasting, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    return forecasting


def pretrain_orbit(config: Path) -> None:
    """Run the flow ``pretrain_orbit`` in this process with the settings in the file `config`."""
    training = _checked_orbit(config)
    from catena.flows import pretrain_orbit as module

    module.pretrain_orbit(training)


def finetune_orbit(config: Path) -> None:
    """Run the flow ``finetune_orbit`` in this process with the settings in the file `config`."""
    training = _checked_orbit(config)
    from catena.flows import finetune_orbit as module

    module.finetune_orbit(training)


def _checked_orbit(config: Path) -> OrbitTraining:
    training = OrbitTraining.from_file(config)
    check_orbit(training, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    return training


def spin_up_region(config: Path) -> None:
    """Run the flow ``spin_up_region`` in this process with the region in the YAML file `config`."""
    region = SpinUpRegion.from_file(config)
    check_region(region, datetime.now(UTC).date().isoformat())
    prepare(Settings())
    from catena.flows import spin_up_region as module

    module.spin_up_region(region)
