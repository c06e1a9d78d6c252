"""The part of BMI that speaks of the grid: scattered points, one per cell."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NoReturn

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.shared.errors import InvalidRequest

Array = NDArray[Any]


class PointGrid(Bmi):
    """Functions of BMI for a model on points without topology."""

    @abstractmethod
    def cells(self) -> Columns:
        """The cells of the run."""

    def get_grid_type(self, grid: int) -> str:
        """Scattered points."""
        self._only(grid)
        return "points"

    def get_grid_rank(self, grid: int) -> int:
        """Dimensions of the grid."""
        self._only(grid)
        return 1

    def get_grid_size(self, grid: int) -> int:
        """Number of cells."""
        self._only(grid)
        return self.cells().cells

    def get_grid_x(self, grid: int, x: Array) -> Array:
        """Longitudes, degrees."""
        self._only(grid)
        x[...] = self.cells().lon
        return x

    def get_grid_y(self, grid: int, y: Array) -> Array:
        """Latitudes, degrees."""
        self._only(grid)
        y[...] = self.cells().lat
        return y

    def get_grid_z(self, grid: int, z: Array) -> Array:
        """Heights are not known: 0."""
        self._only(grid)
        z[...] = 0.0
        return z

    def get_grid_node_count(self, grid: int) -> int:
        """Number of cells."""
        return self.get_grid_size(grid)

    def get_grid_shape(self, grid: int, shape: Array) -> Array:
        """Number of cells."""
        shape[...] = np.array([self.get_grid_size(grid)])
        return shape

    def get_grid_edge_count(self, grid: int) -> int:
        """Points have none."""
        self._only(grid)
        return 0

    def get_grid_face_count(self, grid: int) -> int:
        """Points have none."""
        self._only(grid)
        return 0

    def get_grid_spacing(self, grid: int, spacing: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("spacing")

    def get_grid_origin(self, grid: int, origin: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("origin")

    def get_grid_edge_nodes(self, grid: int, edge_nodes: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("edges")

    def get_grid_face_edges(self, grid: int, face_edges: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("faces")

    def get_grid_face_nodes(self, grid: int, face_nodes: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("faces")

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: Array) -> NoReturn:
        """Refused: points have none."""
        self._without("faces")

    @staticmethod
    def _only(grid: int) -> None:
        if grid != 0:
            raise InvalidRequest(f"grid {grid} came; the model has grid 0 only")

    @staticmethod
    def _without(what: str) -> NoReturn:
        raise InvalidRequest(f"the grid is one of scattered points; it has no {what}")
