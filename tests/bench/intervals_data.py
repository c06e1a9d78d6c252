"""Data of the interval benchmark: seven UCI sets, the cubic, two East River sites."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd

SETS = ("boston", "concrete", "energy", "naval", "power", "protein", "wine")
ACRES = {"Qui": 576.4915, "Rock": 799.9965}
TEST_DAYS = 365


def root() -> Path:
    """Folder of the real data."""
    return Path(os.environ["CATENA_DATA"])


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, d) and target (n,) of a UCI set, columns as UQnet takes them.

    Two-target sets (energy, naval) give their last target.
    """
    folder = root() / "uq_benchmarks" / "uci"
    if name == "boston":
        table = np.loadtxt(folder / "boston-housing" / "boston_housing.txt")
    elif name == "concrete":
        table = numbers_of_xls(folder / "concrete" / "Concrete_Data.xls")
    elif name == "energy":
        frame = pd.read_excel(folder / "energy-efficiency" / "ENB2012_data.xlsx")
        frame = frame.dropna(how="all", axis="columns").dropna(how="all", axis="rows")
        table = np.delete(frame.to_numpy(np.float64), 8, axis=1)
    elif name == "naval":
        table = np.delete(np.loadtxt(folder / "naval" / "data.txt"), 16, axis=1)
    elif name == "power":
        table = pd.read_excel(folder / "power-plant" / "Folds5x2_pp.xlsx").to_numpy(np.float64)
    elif name == "protein":
        table = pd.read_csv(folder / "protein" / "CASP.csv").to_numpy(np.float64)
        table = np.roll(table, -1, axis=1)
    elif name == "wine":
        path = folder / "wine-quality" / "winequality-red.csv"
        table = pd.read_csv(path, sep=";").to_numpy(np.float64)
    else:
        raise ValueError(f"set {name!r}; want one of {', '.join(SETS)}")
    return table[:, :-1], table[:, -1]


def split(
    x: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Random 90/10 split; everything standardised by the training part's mean and deviation."""
    order = np.random.default_rng(seed).permutation(len(x))
    cut = round(0.9 * len(x))
    train, test = order[:cut], order[cut:]
    center, spread = x[train].mean(0), x[train].std(0)
    x = (x - center) / np.where(spread > 1e-10, spread, 1.0)
    y = (y - y[train].mean()) / y[train].std()
    return x[train], y[train], x[test], y[test]


def cubic(n: int, rng: np.random.Generator, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """PI3NN's 10-D cubic: the mean of ten cubes of normal inputs, plus noise of variance 1."""
    x = rng.normal(shift, 1.0, (n, 10))
    return x, (x**3).mean(1) + rng.normal(size=n)


def east_river(site: str) -> np.ndarray:
    """Columns precipitation, Tmax, Tmin, simulated flow, flow (inches per day), one row a day."""
    table = np.loadtxt(root() / "streamflow_east_river" / f"{site}.dat")
    table[:, 4] /= ACRES[site] * 0.042
    return table


def numbers_of_xls(path: Path) -> np.ndarray:
    """Rows of numbers of the only sheet of an old Excel file (BIFF8 in an OLE container).

    The one set that comes in this format; no library of ours reads it.
    """
    blob = path.read_bytes()
    size = 1 << struct.unpack_from("<H", blob, 30)[0]

    def sector(i: int) -> bytes:
        return blob[(i + 1) * size : (i + 2) * size]

    fat = np.concatenate(
        [np.frombuffer(sector(i), "<i4") for i in struct.unpack_from("<109i", blob, 76) if i >= 0]
    )

    def chain(start: int) -> bytes:
        parts = []
        while start >= 0:
            parts.append(sector(start))
            start = int(fat[start])
        return b"".join(parts)

    entries = chain(struct.unpack_from("<i", blob, 48)[0])
    for at in range(0, len(entries), 128):
        length = struct.unpack_from("<H", entries, at + 64)[0]
        if entries[at : at + length - 2].decode("utf-16-le") == "Workbook":
            book = chain(struct.unpack_from("<i", entries, at + 116)[0])
            break
    cells: dict[tuple[int, int], float] = {}
    at = 0
    while at + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, at)
        body = book[at + 4 : at + 4 + length]
        if kind == 0x0203:  # NUMBER
            row, column = struct.unpack_from("<HH", body)
            cells[row, column] = struct.unpack_from("<d", body, 6)[0]
        elif kind == 0x027E:  # RK
            row, column = struct.unpack_from("<HH", body)
            cells[row, column] = _rk(struct.unpack_from("<I", body, 6)[0])
        elif kind == 0x00BD:  # MULRK: a run of RK cells of one row
            row, first = struct.unpack_from("<HH", body)
            for j in range((length - 6) // 6):
                cells[row, first + j] = _rk(struct.unpack_from("<I", body, 4 + 6 * j + 2)[0])
        at += 4 + length
    rows = sorted({row for row, _ in cells})
    columns = sorted({column for _, column in cells})
    return np.array([[cells[row, column] for column in columns] for row in rows])


def _rk(word: int) -> float:
    """A number packed in 30 bits: bit 0 says hundredths, bit 1 says integer."""
    if word & 2:
        value = float(struct.unpack("<i", struct.pack("<I", word))[0] >> 2)
    else:
        value = float(struct.unpack("<d", struct.pack("<Q", (word & 0xFFFFFFFC) << 32))[0])
    return value / 100.0 if word & 1 else value
