"""`native.c`, compiled. Numbers called address are those of memory that the caller holds; strides are in elements."""

Layout = tuple[int, int, int, int]  # strides of batch, channel, time, pixel
Shape = tuple[int, int, int]  # samples, frames, pixels
Steps = tuple[tuple[float, float, float], float, float, bool, bool]  # weights, slope, shift, signed, later
Triple = tuple[float, float, float]

def forward(
    shape: Shape, steps: Steps, clip: int, clip_layout: Layout, prompt: int, prompt_layout: Layout, attention: int,
    past_cache: bool, threads: int, /,
) -> tuple[float, float]: ...  # fmt: skip
def backward(
    shape: Shape, steps: Steps, clip: int, clip_layout: Layout, attention: int, grad: int, grad_layout: Layout,
    grad_maps: int, grad_maps_layout: Layout, scale: float, grad_clip: int, threads: int, /,
) -> tuple[float, float]: ...  # fmt: skip
def forward_bytes(
    shape: Shape, steps: Steps, scale: Triple, offset: Triple, frames: tuple[int, ...], prompt: int, attention: int,
    before: int, squares: int, past_cache: bool, /,
) -> None: ...  # fmt: skip
