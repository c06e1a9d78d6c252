"""A stand-in for CIME and ELM, to try and to test the driver of real cases without either.

:func:`install_fake_cime` makes a folder that looks like a checkout of E3SM: `create_newcase`,
`create_clone` and, in each case, `xmlchange`, `xmlquery`, `case.setup`, `case.build`,
`case.submit`, `preview_namelists` and `check_input_data`. They are separate programs that take
CIME's flags and keep its state (`env_*.xml`, `LockedFiles`, namelists). What `case.build` "builds"
is a program that reads the namelists of a run directory, runs the embedded model
(:mod:`catena.coupler.embedded`) on the case's weather, parameters, soil and plants, and writes
history, restart, pointer and log files with ELM's names and dimensions, while it runs.

The numbers are the embedded model's, not ELM's; there is no phosphorus.
"""

from catena.coupler.fake_cime.faults import FAULTS, Fault, set_faults
from catena.coupler.fake_cime.install import install_fake_cime

__all__ = ["FAULTS", "Fault", "install_fake_cime", "set_faults"]
