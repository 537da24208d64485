"""Video Motion Prompts: the layer, its backbones, its data and its training loop.

Everything public is listed in ``__init__.pyi`` and loaded on first use, so that ``import vmp`` (and with it
``vmp --help``) does not wait for torch. Clips are ``(b, c, t, h, w)`` at every boundary.

    >>> import torch, vmp
    >>> layer = vmp.VideoMotionPrompt(mean=(0.45,) * 3, std=(0.225,) * 3)
    >>> tuple(layer(torch.zeros(2, 3, 9, 32, 32)).prompt.shape)  # 9 frames in, 8 prompts out
    (2, 3, 8, 32, 32)
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
