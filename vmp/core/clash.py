"""Other code under our packages' names, such as a `sweeps/` in the current folder or W&B's `sweeps`: said at start."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from vmp.core.errors import InputError

SIBLINGS = ("sweeps", "analysis")
_HOME = Path(__file__).resolve().parents[2]


def refuse_clash(names: Sequence[str] = SIBLINGS) -> None:
    """Refuse to start where an import of one of our packages would find somebody else's code.

    Raises:
        InputError: Names the package, what stands in its way, and the way out.
    """
    for name in names:
        there = _place(find_spec(name))
        if there == _HOME / name:
            continue
        if there is None:
            raise InputError(
                f"the package '{name}' of this toolkit cannot be found beside 'vmp' in {_HOME}; install it again"
            )
        try:
            foreign = distribution(name)
            root = Path(str(foreign.locate_file(""))).resolve()
        except PackageNotFoundError:
            root = None
        if root is not None and there.is_relative_to(root):
            raise InputError(
                f"the distribution '{name}' {foreign.version} is installed in this environment and has the import name "
                f"of a package of this toolkit: uninstall it (pip uninstall {name}), or use an environment of its own"
            )
        raise InputError(
            f"'{there}' has the name of a package of this toolkit and is imported in its place: start `vmp` elsewhere, "
            "or rename it (is it named in PYTHONPATH?)"
        )


def _place(spec: ModuleSpec | None) -> Path | None:
    """Folder or file that an import would take."""
    if spec is None:
        return None
    if spec.origin is not None and spec.has_location:
        origin = Path(spec.origin).resolve()
        return origin.parent if origin.name.startswith("__init__.") else origin
    return next((Path(one).resolve() for one in spec.submodule_search_locations or ()), None)
