"""``python -m vmp`` is the command ``vmp``."""

from vmp.cli import main

main()
