"""How the fields of an ORBIT model, and their changes over a lead time, are normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from catena.shared.errors import InvalidRequest

__all__ = ["Statistics"]


@dataclass(frozen=True)
class Statistics:
    """How fields are normalised; goes with a checkpoint.

    Parameters
    ----------
    variables, units : tuple of str
    mean, std : tuple of float
        Over time and grid, in `units`. A constant field has a standard deviation of 1.
    leads_h : tuple of float
        Hours.
    differences : tuple of tuple of float, (L, V)
        Standard deviation of ``x(t + lead) - x(t)``, in `units`; 1 where it never changes.
    """

    variables: tuple[str, ...]
    units: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    leads_h: tuple[float, ...]
    differences: tuple[tuple[float, ...], ...]

    def moments(self, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of some variables, shape (V,) each.

        Raises
        ------
        InvalidRequest
            When a variable has no statistics.
        """
        rows = self._rows(names)
        return np.array(self.mean)[rows], np.array(self.std)[rows]

    def difference_scales(self, lead_hours: ArrayLike, names: Sequence[str]) -> NDArray[np.float64]:
        """Standard deviations of normalised fields' changes, shape (B, V), for leads (B,).

        Raises
        ------
        InvalidRequest
            When a lead or a variable has no statistics.
        """
        rows = self._rows(names)
        leads = np.asarray(lead_hours, dtype=np.float64)
        known = np.array(self.leads_h)
        nearest = np.abs(leads[:, None] - known).argmin(1)
        wrong = ~np.isclose(known[nearest], leads, rtol=1e-5)
        if wrong.any():
            raise InvalidRequest(
                f"lead of {leads[wrong][0]:g} h; there are statistics of changes over "
                f"{', '.join(f'{lead:g}' for lead in self.leads_h)} h: choose one of these, or "
                "reach other leads by several steps"
            )
        scales: NDArray[np.float64] = (
            np.array(self.differences)[:, rows] / np.array(self.std)[rows]
        )[nearest]
        return scales

    def restored(
        self,
        fields: Tensor,
        predicted: Tensor,
        lead_hours: Tensor,
        outputs: Sequence[str] | None = None,
    ) -> Tensor:
        """Normalised fields at the end of the lead, out of predicted changes.

        Parameters
        ----------
        fields : Tensor, (B, V, H, W)
            The outputs' normalised fields at the beginning.
        predicted : Tensor, (B, V, H, W)
            Residual targets.
        lead_hours : Tensor, (B,)
        outputs : sequence of str, optional
            What V counts; all variables by default.
        """
        names = self.variables if outputs is None else outputs
        scales = self.difference_scales(lead_hours.detach().cpu().numpy(), names)
        gain = torch.as_tensor(scales, dtype=predicted.dtype, device=predicted.device)
        return fields + predicted * gain[:, :, None, None]

    def physical(self, fields: Tensor, names: Sequence[str] | None = None) -> Tensor:
        """Normalised fields (..., V, H, W) in their units."""
        mean, std = self._columns(fields, names)
        return fields * std + mean

    def normalised(self, fields: Tensor, names: Sequence[str] | None = None) -> Tensor:
        """Inverse of :meth:`physical`."""
        mean, std = self._columns(fields, names)
        return (fields - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave, lists in the place of tuples."""
        plain = {name: tuple(column) for name, column in values.items()}
        plain["differences"] = tuple(tuple(row) for row in values["differences"])
        return cls(**plain)

    def _rows(self, names: Sequence[str]) -> list[int]:
        places = {name: place for place, name in enumerate(self.variables)}
        unknown = [name for name in names if name not in places]
        if unknown:
            raise InvalidRequest(
                f"variables {unknown} have no statistics; wanted some of {list(self.variables)}"
            )
        return [places[name] for name in names]

    def _columns(self, like: Tensor, names: Sequence[str] | None) -> tuple[Tensor, Tensor]:
        mean, std = self.moments(self.variables if names is None else names)
        return tuple(
            torch.as_tensor(column, dtype=like.dtype, device=like.device)[:, None, None]
            for column in (mean, std)
        )  # type: ignore[return-value]
