"""``python -m vmp`` is the command ``vmp``: what lies in the current folder hides none of our packages."""

import sys
from pathlib import Path

import vmp

here = str(Path.cwd())
if sys.path[0] in ("", here) and Path(vmp.__file__).parent.parent != Path(here):
    del sys.path[0]  # modules of the user's are found after all others, see `vmp.core.choices.find_object`

from vmp.cli import main  # noqa: E402

main()
