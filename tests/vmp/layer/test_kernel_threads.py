"""Kernels among threads and processes: one result for any number, memory that nobody else holds, forked children."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

from tests.vmp.layer.fused import MEAN, NATIVE, STD, clip_of
from vmp.layer.kernels import buffers
from vmp.layer.kernels.registry import native_works
from vmp.layer.published import VideoMotionPrompt


@pytest.mark.parametrize("kernel", [NATIVE])
@pytest.mark.parametrize("shape", [(3, 3, 6, 120, 130), (1, 3, 4, 256, 200)], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(shape: tuple[int, ...], kernel: str) -> None:
    clip, results, before = clip_of(*shape), [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
            out = layer(clip)
            (out.prompt.square().sum() + 10 * out.variation).backward()
            results.append([*out, layer.m.grad, layer.n.grad])
    finally:
        torch.set_num_threads(before)
    for more in results[1:]:
        for one, other in zip(results[0][:3], more[:3], strict=True):
            assert torch.equal(one, other)
    # The gradient that comes from above is torch's, whose sums may depend on the number of threads.
    torch.testing.assert_close(results[0][3:], results[1][3:], rtol=1e-6, atol=0)


def test_memory_is_used_again_only_when_nothing_refers_to_it() -> None:
    shape = (1, 3, 4, 320, 320)
    first = buffers.empty(shape)
    address = first.data_ptr()
    kept = first[0, 1].numpy()  # a view of a view, through numpy
    kept[:] = 7.0
    del first
    assert buffers.empty(shape).data_ptr() != address
    assert (kept == 7.0).all()
    del kept
    assert address in {buffers.empty(shape).data_ptr() for _ in range(3)}


def test_calls_from_several_threads_do_not_disturb_each_other() -> None:
    layer = VideoMotionPrompt(MEAN, STD)
    clips = [clip_of(2, 3, 4, 200, 200, seed=i) for i in range(4)]
    expected = [layer(clip).prompt.clone() for clip in clips]
    wrong = []

    def work(i: int) -> None:
        for _ in range(5):
            if not torch.equal(layer(clips[i]).prompt, expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORKED = """
import os, signal, sys, torch
from vmp.layer.published import VideoMotionPrompt
torch.set_num_threads(2)
layer, clip = VideoMotionPrompt((0.45,) * 3, (0.225,) * 3), torch.rand(2, 3, 4, 256, 256).exp()
expected = layer(clip).prompt.detach() if sys.argv[1] == "called" else None
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # a child that waits for threads which are not there
    prompt = layer(clip).prompt.detach()
    os._exit(0 if expected is None or (prompt.numpy() == expected.numpy()).all() else 1)  # torch itself would hang
assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork") or not native_works(), reason="needs fork, and the kernel in C")
@pytest.mark.parametrize("before", ["called", "only imported"])
def test_a_forked_child_can_use_the_layer(before: str) -> None:
    assert subprocess.run([sys.executable, "-c", FORKED, before], timeout=60).returncode == 0
