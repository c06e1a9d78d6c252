"""Interpretable LSTM: one hidden state per variable, attention over days, mixture over variables.

IMV-LSTM of Guo, Lin & Antulov-Fantulin 2019 (ICML), in its tensorised form, with leads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from catena.models import flow_features
from catena.models.attention import causal, position_code
from catena.models.flow_features import SEASON, LastFlow
from catena.models.flow_model import FlowConfig, FlowModel, Internals
from catena.models.forecast_inputs import ForecastInputs
from catena.models.lstm_layer import FORGET_BIAS
from catena.models.mixtures import NormalMixture


@dataclass(frozen=True, kw_only=True)
class InterpretableLSTMConfig(FlowConfig):
    """Architecture of an :class:`InterpretableLSTM`; of its head, `skip` and `process` count.

    Parameters
    ----------
    width : int
        Length of the hidden state of one variable.
    """

    width: int = 16

    @property
    def past_series(self) -> int:
        """Variables of the past: weather, season, flow."""
        return self.past_variables - SEASON + 2

    @property
    def future_series(self) -> int:
        """Variables ahead: weather, season, noise, process model's flow."""
        return self.future_variables - SEASON + 2 + int(self.head.process)


class VariableLSTM(nn.Module):
    """LSTMs of `n` variables, independent of one another, as batched products.

    Guo et al. 2019, section 3.1 (IMV-Tensor). Each variable has two numbers a day.
    """

    def __init__(self, variables: int, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self._width = width
        self.of_input = nn.Parameter(torch.empty(variables, 2, 4 * width).uniform_(-0.7, 0.7))
        self.of_hidden = nn.Parameter(
            torch.empty(variables, width, 4 * width).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.zeros(variables, 1, 4 * width))
        with torch.no_grad():
            self.bias[..., width : 2 * width] = FORGET_BIAS

    def forward(self, days: Tensor) -> Tensor:
        """Hidden states (n, B, T, d) of `days` (B, T, n, 2)."""
        batch, _, variables, _ = days.shape
        driven = torch.einsum("btni,nij->tnbj", days, self.of_input) + self.bias
        hidden = days.new_zeros(variables, batch, self._width)
        cell, states = hidden, []
        for now in driven.unbind(0):
            gates = torch.baddbmm(now, hidden, self.of_hidden)
            enter, forget, candidate, leave = gates.chunk(4, -1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            states.append(hidden)
        return torch.stack(states, 2)


class VariableMixture(nn.Module):
    """Head: each variable's own normal distribution, and its weight in the mixture.

    Guo et al. 2019, Eq. 5 to 7. With `skip`, the distribution of past flow is one of the change
    from the last flow, and that of the process model of its error.
    """

    def __init__(self, config: InterpretableLSTMConfig) -> None:
        super().__init__()
        self._skip, self._process = config.head.skip, config.head.process
        self._flow = config.past_series - 1
        self._variables = config.past_series + config.future_series + 1
        self.out = nn.Parameter(torch.randn(self._variables, 2 * config.width, 3) * 0.05)
        self.bias = nn.Parameter(torch.zeros(self._variables, 3))

    def forward(self, features: Tensor, inputs: ForecastInputs) -> NormalMixture:
        """Mixture over variables: past ones, those ahead, the basin."""
        own = features.view(*features.shape[:2], self._variables, -1)
        raw = torch.einsum("bhnd,ndk->bhnk", own, self.out) + self.bias
        location, scale, score = raw.unbind(-1)
        start = torch.zeros_like(location)
        if self._skip:
            last: LastFlow = flow_features.last_flow(inputs)
            start[..., self._flow] = last.value[:, None]
        if self._process:
            flow, given = flow_features.process_flow(inputs).unbind(-1)
            start[..., -2] = flow if self._skip else 0.0
            # a forecast that is not there has no weight
            missing = torch.zeros_like(score, dtype=torch.bool)
            missing[..., -2] = given == 0
            score = score.masked_fill(missing, -torch.inf)
        return NormalMixture(score.softmax(-1), start + location, softplus(scale) + 1e-3)


class InterpretableLSTM(FlowModel[InterpretableLSTMConfig]):
    """Which variable, and which of its days, a forecast rests on, can be read from its weights.

    Variables, in order: past weather, past season, past flow, forecast weather, its season, its
    noise, the process model's flow (if used), the basin. Those ahead are followed over the leads
    up to the one that is forecast.

    :meth:`explain` gives ``variable_importance`` (B, H, n), the mixture's weights;
    ``past_importance`` (B, H, n past, L), attention over days; and ``future_importance``
    (B, H, n ahead, H), attention over leads, 0 after the lead itself.
    """

    Config = InterpretableLSTMConfig

    def build(self, config: InterpretableLSTMConfig) -> VariableMixture:
        """Make the layers; returns the mixture over variables."""
        d = config.width
        self.past = VariableLSTM(config.past_series, d)
        self.future = VariableLSTM(config.future_series, d)
        self.basin = nn.Linear(2 * config.statics, 2 * d)
        self.past_score = nn.Parameter(torch.randn(config.past_series, d) / math.sqrt(d))
        self.lead_score = nn.Parameter(torch.zeros(config.past_series, d, d))
        self.future_score = nn.Parameter(torch.randn(config.future_series, d) / math.sqrt(d))
        n = config.past_series + config.future_series + 1
        self.mix = nn.Parameter(torch.randn(n, 2 * d, 2 * d) / math.sqrt(2 * d))
        self.lead = nn.Linear(2 * d, n * 2 * d)
        return VariableMixture(config)

    def features(self, inputs: ForecastInputs, internals: Internals | None = None) -> Tensor:
        """All variables of each lead side by side, (B, H, n 2d)."""
        d, leads = self._config.width, inputs.leads
        days = torch.arange(1, leads + 1, device=inputs.noise.device, dtype=inputs.noise.dtype)
        code = position_code(days, 2 * d)
        past = self.past(self._past(inputs))
        ahead = self.future(self._ahead(inputs))

        # which days of the past count may depend on the lead
        ask = self.past_score + torch.einsum("hd,nde->hne", code[:, :d], self.lead_score)
        alpha = torch.einsum("nbtd,hnd->bhnt", past.tanh(), ask).softmax(-1)
        context = torch.einsum("bhnt,nbtd->bhnd", alpha, past)
        newest = past[:, :, -1].transpose(0, 1)[:, None].expand_as(context)

        score = torch.einsum("nbtd,nd->bnt", ahead.tanh(), self.future_score)
        score = score[:, None].expand(-1, leads, -1, -1)
        mask = causal(leads, score.device)[:, None]
        alpha_ahead = score.masked_fill(~mask, -torch.inf).softmax(-1)
        context_ahead = torch.einsum("bhnt,nbtd->bhnd", alpha_ahead, ahead)
        of_lead = ahead.permute(1, 2, 0, 3)

        basin = self.basin(flow_features.statics(inputs))[:, None, None].expand(-1, leads, 1, -1)
        own = torch.cat(
            [
                torch.cat([newest, context], -1),
                torch.cat([of_lead, context_ahead], -1),
                basin,
            ],
            2,
        )
        lead = self.lead(code).view(leads, own.shape[2], -1)
        mixed = torch.tanh(torch.einsum("bhnd,nde->bhne", own, self.mix) + lead).flatten(2)
        if internals is not None:
            internals["past_importance"] = alpha
            internals["future_importance"] = alpha_ahead
            internals["variable_importance"] = self.head(mixed, inputs).weight
        return mixed

    @torch.no_grad()
    def importance(self, inputs: ForecastInputs, observed: Tensor) -> Tensor:
        """Posterior weights of the variables, given what came (Guo et al. 2019, Eq. 10).

        Parameters
        ----------
        inputs : ForecastInputs
            The forecasts.
        observed : Tensor, (B, H)
            Scaled flow; leads with NaN are left out.

        Returns
        -------
        Tensor, (n,)
            Mean over forecasts and leads; sums to 1.
        """
        mixture: NormalMixture = self.head(self.features(inputs), inputs)
        z = (observed[..., None] - mixture.location) / mixture.scale
        score = mixture.weight.log() - mixture.scale.log() - z.square() / 2
        return score[~observed.isnan()].softmax(-1).mean(0)

    def _past(self, inputs: ForecastInputs) -> Tensor:
        """Pairs of numbers of each variable, (B, L, n, 2)."""
        weather = torch.stack(flow_features.filled(inputs.past_weather), -1)[:, :, :-SEASON]
        season = inputs.past_weather[..., None, -SEASON:].nan_to_num(nan=0.0)
        flow = flow_features.past_flow(inputs)[..., None, :]
        return torch.cat([weather, season, flow], 2)

    def _ahead(self, inputs: ForecastInputs) -> Tensor:
        process = self._config.head.process
        known = flow_features.future(inputs, process)
        columns = self._config.future_variables
        values, flags = known[..., :columns], known[..., columns : 2 * columns - SEASON]
        weather = torch.stack([values[..., :-SEASON], flags], -1)
        season = values[..., None, -SEASON:]
        noise = known[..., 2 * columns - SEASON, None, None]
        parts = [weather, season, torch.cat([noise, torch.ones_like(noise)], -1)]
        if process:
            parts.append(known[..., None, -2:])
        return torch.cat(parts, 2)
