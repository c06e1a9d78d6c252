"""Files whose values cannot be decoded are refused by name; a defect of ours is not put on them."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import xarray as xr
from support.cmip6_tree import write_tree

from catena.data_ingest import ingest
from catena.data_ingest.archive import open_archive
from catena.data_ingest.ingest import Reading, read_entry
from catena.data_ingest.sources.cmip6 import Cmip6
from catena.data_ingest.vocabulary import Selection


def read(folder: Path) -> Reading:
    archive = open_archive(str(folder))
    [entry] = Cmip6().search(archive).entries
    return read_entry(Cmip6(), archive, entry, Selection())


def spoil(path: Path) -> None:
    """Write noise over a compressed chunk; the file's structure stays whole."""
    with xr.open_dataset(path, decode_times=False) as data:
        whole = data.load()
    path.unlink()
    whole.to_netcdf(path, encoding={"tas": {"zlib": True, "chunksizes": (73, 3, 4)}})
    with h5py.File(path) as file:
        place = file["tas"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[place.byte_offset + 10 : place.byte_offset + 200] = bytes(190)
    path.write_bytes(content)


def test_the_damaged_one_of_several_files_is_named(tmp_path: Path) -> None:
    first, second = write_tree(tmp_path, ("MIROC6",))
    spoil(second)
    reading = read(tmp_path)
    assert reading.dataset is None
    [finding] = reading.inspection
    assert finding.action == "refused"
    assert second.name in finding.found and first.name not in finding.found
    assert "HDF error" in finding.found


def test_an_error_of_our_own_is_none_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, ("MIROC6",))

    def wrong(*_: object, **__: object) -> None:
        raise ValueError("a defect in a check")

    monkeypatch.setattr(ingest, "inspect", wrong)
    with pytest.raises(ValueError, match="a defect in a check"):
        read(tmp_path)
