"""Streamflow networks behind the service's interface: built, trained, asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from catena.forecaster.data.noise import TRAINING_MIXTURE
from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import issues_within
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.data.windows import Windows
from catena.forecaster.forecasters import (
    QUANTILES,
    About,
    Arrays,
    Checkpoint,
    Forecaster,
    Forecasts,
    in_period,
)
from catena.forecaster.process_forecaster import Gr4j, part_of
from catena.forecaster.scenarios import HYBRID_MIXTURE, Weather, training_weather
from catena.forecaster.training import TrainingConfig, train
from catena.forecaster.training.loop import Average, no_denormals
from catena.models.flow_model import FlowModel
from catena.models.flow_models import load_flow_model, new_flow_model
from catena.shared.errors import InvalidData

BATCH = 512
"""Forecasts per pass."""


@dataclass(frozen=True)
class Settings:
    """How a network is built and trained.

    Parameters
    ----------
    window : int
        Days of the past.
    width : int or None
        Units of the layers; None: the model's own default.
    steps, batch : int
        Of the training.
    learning_rate : float
    """

    window: int = 90
    width: int | None = None
    steps: int = 1500
    batch: int = 256
    learning_rate: float = 2e-3

    def training(self) -> TrainingConfig:
        """Settings of the loop."""
        return TrainingConfig(
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            balance_leads=True,
        )


class NetworkForecaster(Forecaster):
    """A trained network with its scales, and the process model that it corrects, if any.

    Parameters
    ----------
    about : About
    network : FlowModel
    scalers : Scalers
    settings : Settings
    process : Gr4j, optional
    history : sequence of (step, training loss, validation loss)
    """

    def __init__(
        self,
        about: About,
        network: FlowModel[Any],
        scalers: Scalers,
        settings: Settings,
        process: Gr4j | None = None,
        history: tuple[tuple[int, float, float], ...] = (),
    ) -> None:
        self.about, self.network, self.scalers = about, network, scalers
        self.settings, self.process, self.history = settings, process, history
        self.past = max(settings.window, process.past if process is not None else 1)

    @classmethod
    def fit(
        cls,
        about: About,
        records: BasinRecords,
        settings: Settings,
        *,
        process: Gr4j | None = None,
        archive: ForecastArchive | None = None,
        progress: Callable[[float, str], None] = lambda fraction, message: None,
        checkpoint: Checkpoint | None = None,
        average: Average | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> Self:
        """Train from fresh weights, or from where a checkpoint left off.

        Parameters
        ----------
        about : About
        records : BasinRecords
        settings : Settings
        process : Gr4j, optional
            Its forecast becomes an input.
        archive : ForecastArchive, optional
            Forecasts that part of the training sees; their noise stands in `about`.
        progress, checkpoint, average, part
            As in :func:`catena.forecaster.training.train`.

        Raises
        ------
        InvalidData
            Names basins that nothing can be learned for, or says which period has no samples.
        """
        progress(0.0, "making samples")
        made = cls._fresh(about, records, settings, process)
        done = train(
            made.network,
            made._samples(records, about.training_days, archive, window=settings.window),
            made._samples(records, _validation(about), archive),
            settings.training(),
            seed=about.seed,
            checkpoint=checkpoint,
            progress=progress,
            average=average,
            part=part,
        )
        made.history = tuple(done.history)
        return made

    @classmethod
    def _fresh(
        cls, about: About, records: BasinRecords, settings: Settings, process: Gr4j | None
    ) -> Self:
        scalers = Scalers.fit(records, in_period(records, about.training_days))
        windows = Windows(records, scalers, past=settings.window, leads=about.leads, predict=True)
        sizes = windows.sizes
        config: dict[str, Any] = {
            "past_variables": sizes.past_weather,
            "future_variables": sizes.future_weather,
            "statics": sizes.statics,
            "head": {"process": process is not None},
        }
        if settings.width is not None:
            config["width"] = settings.width
        if about.model == "channel_tst":  # whose weights are made for one window and these leads
            config |= {"window": settings.window, "max_leads": about.leads}
        try:
            network = new_flow_model(about.model, config, about.seed)
        except ValueError as error:
            raise InvalidData(f"{error}; give another width to training, or none") from None
        return cls(about, network, scalers, settings, process)

    def _samples(
        self,
        records: BasinRecords,
        period: tuple[str, str],
        archive: ForecastArchive | None,
        window: int = 0,
    ) -> Windows:
        """Samples whose targets lie in a period; with `window` their past does too."""
        days = in_period(records, period)
        issues = issues_within(days, leads=self.about.leads, past=window)
        if not issues.size:
            raise InvalidData(
                f"{' to '.join(period)} holds no forecast of {self.about.leads} days"
                + (f" with {window} days before it" if window else "")
                + "; give a longer period, or records that reach over it"
            )
        lend = in_period(records, self.about.training_days)
        # Without a process model the weather may be another one in each epoch.
        mixture = TRAINING_MIXTURE if self.process is None else HYBRID_MIXTURE
        weather = training_weather(
            records,
            lend,
            self.about.leads,
            seed=self.about.seed,
            mixture=mixture,
            archive=archive,
            noise=self.about.archive_noise,
        )
        return self.windows(records, issues, weather, predict=False)

    def windows(
        self,
        records: BasinRecords,
        issues: Index,
        weather: Weather,
        *,
        predict: bool,
        states: Arrays | None = None,
    ) -> Windows:
        """What the network sees of all basins at some issue times.

        Parameters
        ----------
        records, issues, weather, states
            As in :meth:`forecast`.
        predict : bool
            Keep forecasts of days that nobody has observed.
        """
        flow = None
        if self.process is not None:
            flow = process_flow(self.process, records, issues, weather, states)
        return Windows(
            records,
            self.scalers,
            past=self.settings.window,
            leads=self.about.leads,
            issues=issues,
            forecasts=weather.forecasts,
            archive=weather.archive,
            archive_noise=weather.archive_noise,
            process_flow=flow,
            predict=predict,
        )

    def forecast(
        self, records: BasinRecords, issues: Index, weather: Weather, states: Arrays | None = None
    ) -> Forecasts:
        """Means and quantiles of the network's distributions, not negative."""
        self.check(records)
        windows = self.windows(records, issues, weather, predict=True, states=states)
        place = np.searchsorted(issues, windows.issue)
        shape = (len(records), len(issues), self.about.leads)
        flow = np.full(shape, np.nan)
        quantiles = np.full((*shape, len(QUANTILES)), np.nan, np.float32)
        self.network.eval()
        with no_denormals(), torch.inference_mode():
            for rows in windows.batches(BATCH):
                made = self.network(windows.batch(rows)[0])
                at = windows.basin[rows], place[rows]
                flow[at] = np.maximum(windows.unscaled(made.mean().numpy(), rows), 0.0)
                own = windows.unscaled(made.quantile(QUANTILES).numpy(), rows)
                quantiles[at] = np.maximum(own, 0.0)
        return Forecasts(flow, quantiles)

    def states(
        self, records: BasinRecords, issues: Index, states: Arrays | None = None
    ) -> tuple[Arrays, str]:
        """Those of the process model; the network itself has none between forecasts."""
        if self.process is None:
            return {}, ""
        return self.process.states(records, issues, states)

    def arrays(self) -> Arrays:
        """Weights, scales, and the process model's numbers."""
        weights = {f"network.{k}": v.cpu().numpy() for k, v in self.network.state().items()}
        scales = {f"scalers.{name}": value for name, value in self.scalers.arrays().items()}
        inner = {} if self.process is None else self.process.arrays()
        return {**weights, **scales, **{f"gr4j.{name}": value for name, value in inner.items()}}

    def meta(self) -> dict[str, Any]:
        """Architecture, names, settings, and how the training went."""
        process = self.process
        return {
            "network": self.network.config(),
            "scalers": self.scalers.about(),
            "settings": asdict(self.settings),
            "history": [list(entry) for entry in self.history],
            "gr4j": None
            if process is None
            else {"about": process.about.to_dict(), "meta": process.meta()},
        }

    @classmethod
    def from_arrays(
        cls, about: About, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Self:
        """Inverse of :meth:`arrays` and :meth:`meta`."""
        weights = {k: torch.as_tensor(v) for k, v in part_of(arrays, "network.").items()}
        process = None
        if meta["gr4j"] is not None:
            inner = About.from_dict(meta["gr4j"]["about"])
            process = Gr4j.from_arrays(inner, part_of(arrays, "gr4j."), meta["gr4j"]["meta"])
        return cls(
            about,
            load_flow_model(about.model, meta["network"], weights),
            Scalers.from_arrays(part_of(arrays, "scalers."), meta["scalers"]),
            Settings(**meta["settings"]),
            process,
            tuple((int(s), float(t), float(v)) for s, t, v in meta["history"]),
        )


def _validation(about: About) -> tuple[str, str]:
    if about.validation_days is None:
        raise InvalidData("a network stops early by its error on days of validation; name them")
    return about.validation_days


def process_flow(
    process: Gr4j,
    records: BasinRecords,
    issues: Index,
    weather: Weather,
    states: Arrays | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Flow of the process model from the weather of each scenario, as :class:`Windows` takes it.

    Perfect weather is taken as it is. Otherwise the process model gets the weather that is to be
    expected, which is the climate where there is no forecast: what is left to the network is small.
    None before the warm-up is over.

    Returns
    -------
    dict of str to (N, T, H) array, mm d-1
        NaN at other issue times.
    """
    leads = process.about.leads
    shape = (len(records), len(records.days), leads)
    found = {}
    for scenario in weather.forecasts.mixture.scenarios:
        flow = np.full(shape, np.nan, np.float32)
        perfect = scenario.quality == "perfect" and scenario.reach is None
        flow[:, issues] = process.run(
            records,
            issues,
            weather.only(scenario),
            states,
            correction="sharp" if perfect else "expected",
        )
        found[scenario.name] = flow
    return found
