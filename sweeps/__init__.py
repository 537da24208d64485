"""Study definitions over the settings of `vmp`, and what runs them: plan, propose, execute, record.

The contents are listed in `__init__.pyi` and loaded on first use: `sweeps.records` must be importable without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
