"""Prediction intervals: PI3NN, cross-fitted PI3NN, online tracking, and their peers.

One interface (:class:`~catena.forecaster.intervals.model.IntervalModel`) for all methods::

    fitted = fit_crossfit(x, y)                      # or fit_pi3nn, fit_cqr, fit_gp, ...
    lower, upper = fitted.predict(x_new, [0.5, 0.9, 0.95])
    fitted.is_out_of_distribution(x_new)
    fitted.update(y_observed, x_new)                 # bounds follow what is observed
    arrays, meta = fitted.to_arrays()                # for safetensors and JSON
"""

from catena.forecaster.intervals.crossfit import CrossFitConfig, fit_crossfit
from catena.forecaster.intervals.means import RegressorMean, TorchMean
from catena.forecaster.intervals.model import IntervalModel
from catena.forecaster.intervals.online import OnlineConfig, OnlineIntervals
from catena.forecaster.intervals.peers.cmal import fit_cmal
from catena.forecaster.intervals.peers.cqr import fit_cqr
from catena.forecaster.intervals.peers.deep_ensemble import fit_deep_ensemble
from catena.forecaster.intervals.peers.gp import fit_gp
from catena.forecaster.intervals.peers.laplace import fit_laplace
from catena.forecaster.intervals.peers.mc_dropout import fit_mc_dropout
from catena.forecaster.intervals.pi3nn import PI3NNConfig, fit_pi3nn
from catena.forecaster.intervals.storage import from_arrays
from catena.forecaster.intervals.tracking import QuantileTracker, TrackerConfig

__all__ = [
    "CrossFitConfig",
    "IntervalModel",
    "OnlineConfig",
    "OnlineIntervals",
    "PI3NNConfig",
    "QuantileTracker",
    "RegressorMean",
    "TorchMean",
    "TrackerConfig",
    "fit_cmal",
    "fit_cqr",
    "fit_crossfit",
    "fit_deep_ensemble",
    "fit_gp",
    "fit_laplace",
    "fit_mc_dropout",
    "fit_pi3nn",
    "from_arrays",
]
