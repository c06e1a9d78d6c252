"""The method of a spin-up as a configuration names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catena.coupler.elm.spin_up_options import NATIVE, SpinUpOptions
from catena.coupler.spin_up import emulator as networks
from catena.coupler.spin_up import training_sites as samples
from catena.coupler.spin_up.emulator import Emulator
from catena.coupler.spin_up.learned import Learned
from catena.coupler.spin_up.plug_in import SpinUp, spin_up_method
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.coupler.spin_up.two_files import read_two
from catena.shared.errors import InvalidRequest


def spin_up_of(options: SpinUpOptions) -> SpinUp:
    """The method, ready to run.

    Parameters
    ----------
    options : SpinUpOptions
        ``emulator`` is where a method that learned has it from: a folder or the URI of an artifact,
        with ``emulator.json`` and ``weights.safetensors`` for the emulator, with ``about.json`` and
        ``sites.safetensors`` for methods that keep the sites themselves (analogue, trees).

    Raises
    ------
    NotFound
        When no installed package brings the method, or nothing lies there.
    InvalidRequest
        When a method that learned is not told from where, one that did not is, or an option is not
        the method's.
    InvalidData
        When what lies there is something else.
    """
    name, where = options.method, options.emulator
    kind = spin_up_method(name)
    learns = issubclass(kind, Learned)
    if learns and where is None:
        raise InvalidRequest(
            f"the spin-up '{name}' learned from other sites; say where that lies: spin_up.emulator "
            "(--emulator), a folder or the URI of an artifact"
        )
    if where is not None and not learns:
        raise InvalidRequest(f"the spin-up '{name}' takes no emulator; leave '{where}' out")
    try:
        if issubclass(kind, Emulator):
            parts = _parts(str(where), networks.ABOUT, networks.WEIGHTS, "emulator")
            return kind.from_parts(*parts, **options.options)
        made: Any = kind
        if learns:
            parts = _parts(str(where), samples.ABOUT, samples.ARRAYS, "sites to learn from")
            found: SpinUp = made(TrainingSites.from_parts(*parts), **options.options)
        else:
            found = made(**options.options)
    except TypeError as error:
        raise InvalidRequest(
            f"options of the spin-up '{name}' are not as wanted: {error}; correct spin_up.options"
        ) from error
    return found


def is_native(options: SpinUpOptions) -> bool:
    """Whether the stages run as they are listed."""
    return options.method == NATIVE


def _parts(where: str, about: str, arrays: str, what: str) -> tuple[Any, Any]:
    """JSON and arrays of a folder or an artifact of the store."""
    from catena.shared.artifacts import ArtifactStore
    from catena.shared.settings import Settings

    folder = Path(where).expanduser()
    if folder.is_dir():
        return read_two(folder, about, arrays, what)
    artifact = ArtifactStore(Settings().store).open(where)
    return artifact.read_json(about), artifact.read_arrays(arrays)
