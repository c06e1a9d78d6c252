"""Users' runs become an ensemble, or a message that names the row and the column."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import xarray as xr

from catena.calibrator.ensemble import EnsembleData, OutputTable
from catena.calibrator.ensemble_checks import build_ensemble
from catena.calibrator.prior import Prior
from catena.calibrator.runs import runs_needed
from catena.calibrator.tables import read_sites, read_table
from catena.shared.errors import InvalidData

PRIOR = Prior(("a", "b", "c"), [0.0, 10.0, -1.0], [1.0, 20.0, 1.0], ("1", "K", "m"))
TABLE = OutputTable(("y1", "y2"), ("W m-2", "W m-2"), ("first", "second"))


def runs(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = PRIOR.low + rng.uniform(size=(n, 3)) * (PRIOR.high - PRIOR.low)
    return x, np.stack([x.sum(axis=1), x[:, 0] * x[:, 1]], axis=1)


def csv_of(columns: dict[str, np.ndarray]) -> bytes:
    names = list(columns)
    lines = [",".join(names)]
    lines += [",".join(repr(float(v)) for v in row) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines).encode()


def npy_of(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def message(call) -> str:
    with pytest.raises(InvalidData) as caught:
        call()
    assert caught.value.violations, "a field must be named"
    return str(caught.value)


def read(name: str, data: bytes, columns=("a", "b", "c"), kind: str = "parameter") -> np.ndarray:
    return read_table(name, data, columns, field="files.parameters_file", kind=kind)


def test_csv_is_read_by_name_in_any_order_bit_for_bit():
    x, _ = runs()
    data = csv_of({"c": x[:, 2], "note": x[:, 0], "a": x[:, 0], "b": x[:, 1]})
    assert np.array_equal(read("x.csv", data), x)


def test_csv_from_a_spreadsheet_is_read():
    x, _ = runs(3)
    data = csv_of({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}).decode()
    data = "\ufeff" + data.replace(",", ", ").replace("\n", "\r\n")
    assert np.array_equal(read("x.CSV", data.encode()), x)


def test_a_trailing_comma_does_not_shift_the_columns():
    data = b"a,b,c\n1,2,3,\n4,5,6,\n"
    assert read("x.csv", data).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_npy_keeps_the_order_of_the_request():
    x, _ = runs()
    assert np.array_equal(read("x.npy", npy_of(x)), x)


def test_pickled_arrays_are_never_loaded(tmp_path):
    proof = tmp_path / "ran"

    class Harmful:
        def __reduce__(self):
            return (proof.write_text, ("code ran",))

    for data in (npy_of(np.array([Harmful()], dtype=object)), pickle.dumps(Harmful())):
        assert "not a plain npy array" in message(lambda data=data: read("x.npy", data))
    assert not proof.exists()


def test_netcdf_with_one_variable_per_column():
    x, _ = runs()
    dataset = xr.Dataset({name: ("run", x[:, i]) for i, name in enumerate("cab")})
    got = read("x.nc", bytes(dataset.to_netcdf(engine="h5netcdf")), columns=("c", "a", "b"))
    assert np.array_equal(got, x)


def test_netcdf_with_names_along_a_dimension():
    x, _ = runs()
    for dims in (("run", "parameter"), ("parameter", "run")):
        values = x if dims[0] == "run" else x.T
        dataset = xr.Dataset({"table": (dims, values)}, coords={"parameter": ["a", "b", "c"]})
        data = bytes(dataset.to_netcdf(engine="h5netcdf"))
        assert np.array_equal(read("x.nc", data, columns=("b", "a")), x[:, [1, 0]])


def test_netcdf_fill_values_are_failed_runs():
    _, y = runs()
    y[3, 1] = np.nan
    dataset = xr.Dataset({"y1": ("run", y[:, 0]), "y2": ("run", y[:, 1])})
    encoding = {"y2": {"_FillValue": 1e36}}
    data = bytes(dataset.to_netcdf(engine="h5netcdf", encoding=encoding))
    got = read("y.nc", data, columns=("y1", "y2"), kind="output")
    assert np.isnan(got[3, 1])


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("x.csv", b"", "is empty"),
        ("x.csv", b"a,b\n1,2\n", "no column 'c'"),
        ("x.csv", b"a,b,c,a\n1,2,3,4\n", "'a' appears more than once"),
        ("x.csv", b"a,b,c\n1,2,3\n1,two,3\n", "run 1 (counted from 0), column 'b': got 'two'"),
        ("x.csv", b"\xff\xfe\x00\n", "UTF-8"),
        ("x.npy", b"nonsense", "not a plain npy array"),
        ("x.npy", npy_of(np.zeros((4, 2))), "shape (4, 2)"),
        ("x.npy", npy_of(np.array(["a"])), "real numbers"),
        ("x.nc", b"nonsense", "not a netCDF file"),
    ],
)
def test_a_bad_table_is_named(name, data, wanted):
    assert wanted in message(lambda: read(name, data))


def test_failed_runs_are_listed_and_left_out():
    x, y = runs()
    y[3, 0], y[7, 1], y[9, 1] = np.nan, np.inf, 1e36
    ensemble = build_ensemble(PRIOR, x, y, TABLE, held_out_runs=5)
    assert ensemble.failed == (3, 7, 9)
    assert (ensemble.n_ok, ensemble.n_asked) == (37, 40)
    assert ensemble.held_out.sum() == 5
    assert ensemble.run[ensemble.held_out].tolist() == [35, 36, 37, 38, 39]
    assert np.array_equal(ensemble.outputs[ensemble.index_of(39)], y[39])
    with pytest.raises(InvalidData, match="that run failed"):
        ensemble.index_of(7)
    with pytest.raises(InvalidData, match="no such run"):
        ensemble.index_of(40)


def test_a_held_out_run_that_failed_is_not_replaced_by_a_training_run():
    x, y = runs()
    y[39] = np.nan
    ensemble = build_ensemble(PRIOR, x, y, TABLE, held_out_runs=5)
    assert ensemble.held_out.sum() == 4


def test_single_precision_bounds_are_put_on_the_bound():
    x, y = runs()
    x[0, 0] = np.float32(1.0) + 1e-8
    ensemble = build_ensemble(PRIOR, x, y, TABLE)
    assert ensemble.parameters[0, 0] == 1.0


def change(row: int, column: int, value: float):
    x, y = runs()
    x[row, column] = value
    return lambda: build_ensemble(PRIOR, x, y, TABLE)


def test_a_parameter_outside_its_prior_is_named():
    text = message(change(4, 1, 25.0))
    assert "run 4 (counted from 0), column 'b': got 25" in text
    assert "[10, 20]" in text


def test_a_nan_parameter_is_named():
    assert "run 6 (counted from 0), column 'c': got nan" in message(change(6, 2, np.nan))


def test_a_repeated_run_is_named():
    x, y = runs()
    x[8] = x[2]
    assert "run 8 has the same parameters as run 2" in message(
        lambda: build_ensemble(PRIOR, x, y, TABLE)
    )


def test_many_mistakes_are_summed_up():
    x, y = runs()
    text = message(lambda: build_ensemble(PRIOR, x * 100, y, TABLE))
    assert "more values outside the prior" in text
    assert len(text) < 2000


def test_too_few_runs_are_refused():
    x, y = runs(runs_needed(3) + 2)
    assert "wanted at least 10 for 3 parameters" in message(
        lambda: build_ensemble(PRIOR, x, y, TABLE, held_out_runs=3)
    )
    assert build_ensemble(PRIOR, x, y, TABLE, held_out_runs=2).n_ok == 12


def test_an_output_that_never_changes_is_refused():
    x, y = runs()
    y[:, 1] = 5.0
    assert "column 'y2' has the same value" in message(lambda: build_ensemble(PRIOR, x, y, TABLE))


def test_tables_of_different_length_are_refused():
    x, y = runs()
    assert "39 rows of outputs for 40 rows" in message(
        lambda: build_ensemble(PRIOR, x, y[:-1], TABLE)
    )


def test_xarray_and_back_is_the_same_ensemble():
    x, y = runs()
    y[3, 0] = np.nan
    before = build_ensemble(PRIOR, x, y, TABLE, held_out_runs=5, generated=True, title="t")
    dataset = before.to_xarray()
    after = EnsembleData.from_xarray(dataset, before.to_dict())
    for name in ("parameters", "outputs", "run", "held_out"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert before.to_dict() == after.to_dict()
    assert dataset["outputs"].attrs["units"] == "W m-2"
    assert "units" not in dataset["parameters"].attrs
    assert dataset["parameter_units"].to_numpy().tolist() == ["1", "K", "m"]


SITES = b"""site,y1,y1_sd,y2,y2_sd
A,1.0,0.1,2.0,0.2
B,,,2.5,0.2

C,1.5,0.1,,
"""


def sites(data: bytes):
    return read_sites("sites.csv", data, ("y1", "y2"), field="observations_file")


def test_an_empty_cell_is_masked():
    table = sites(SITES)
    assert table.sites == ("A", "B", "C")
    assert table.observed.tolist() == [[True, True], [False, True], [True, False]]
    assert table.values.tolist() == [[1, 2], [0, 2.5], [1.5, 0]]
    assert table.error_sd.tolist() == [[0.1, 0.2], [1, 0.2], [0.1, 1]]


def test_an_output_without_columns_is_masked_everywhere():
    table = sites(b"site,y2,y2_sd\nA,1,0.1\n")
    assert table.observed.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"name,y1,y1_sd\nA,1,1\n", "no column 'site'"),
        (b"site,y1\nA,1\n", "no column 'y1_sd'"),
        (b"site,y9,y9_sd\nA,1,1\n", "'y9', 'y9_sd' is no output"),
        (b"site\nA\n", "no column of any output"),
        (b"site,y1,y1_sd\n", "no sites"),
        (b"site,y1,y1_sd\nA,1,1\nB,x,1\n", "line 3, column 'y1': got 'x'"),
        (b"site,y1,y1_sd\nA,1,0\n", "line 2, column 'y1_sd': got '0'"),
        (b"site,y1,y1_sd\nA,1,\n", "line 2, column 'y1_sd'"),
        (b"site,y1,y1_sd\nA,inf,1\n", "line 2, column 'y1'"),
        (b"site,y1,y1_sd\nA,1,1\n\nA,1,1\n", "line 4, column 'site': 'A' was in line 2"),
        (b"site,y1,y1_sd\nA,1,1\nB,,\n", "line 3, column 'site': nothing was observed"),
        (b"site,y1,y1_sd\nA,1\n", "line 2, column 'site': got 2 cells"),
        (b"site,y1,y1_sd\n,1,1\n", "line 2, column 'site'"),
    ],
)
def test_a_bad_cell_of_the_sites_is_named(data, wanted):
    assert wanted in message(lambda: sites(data))
