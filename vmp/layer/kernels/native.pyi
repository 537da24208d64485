"""`native.c`, compiled. Numbers called address are those of memory that the caller holds; strides are in elements."""

Layout = tuple[int, int, int, int]  # strides of batch, channel, time, pixel
Shape = tuple[int, int, int]  # samples, frames, pixels
Steps = tuple[tuple[float, float, float], float, float, bool, bool]  # weights, slope, shift, signed, later
Triple = tuple[float, float, float]
Clip = tuple[int, Layout, bool, Triple, Triple]  # address, strides, whether it is bytes, their scale and offset

def normalize(shape: Shape, clip: Clip, out: int, threads: int, /) -> float: ...
def forward(
    shape: Shape, steps: Steps, clip: Clip, prompt: int, prompt_layout: Layout, attention: int, past_cache: bool,
    threads: int, /,
) -> tuple[float, float]: ...  # fmt: skip
def backward(
    shape: Shape, steps: Steps, clip: Clip, attention: int, grad: int, grad_layout: Layout,
    grad_maps: int, grad_maps_layout: Layout, scale: float, grad_clip: int, threads: int, /,
) -> tuple[float, float]: ...  # fmt: skip
def forward_frames(
    shape: Shape, steps: Steps, frames: tuple[int, ...], scale: Triple, offset: Triple, prompt: int, attention: int,
    before: int, squares: int, past_cache: bool, /,
) -> tuple[float, float]: ...  # fmt: skip
