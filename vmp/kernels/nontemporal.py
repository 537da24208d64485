"""A product whose result goes to memory past the cache, by an LLVM instruction that numba has no name for.

An ordinary store first reads the line that it is about to overwrite. For a prompt larger than the cache that is a third
of all memory traffic of the forward pass.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # floats of a 64-byte line; processors with narrower vectors store it in parts


@intrinsic
def store_products(typingctx, x, y, out, lines):
    """out[i] = x[i] * y[i] for i < LANES * lines; float32, contiguous, `out` from a multiple of 64 bytes on."""
    del typingctx

    def generate(context, builder, signature, arguments):
        vector = ir.VectorType(ir.FloatType(), LANES)
        data = [
            builder.bitcast(context.make_array(kind)(context, builder, value).data, vector.as_pointer())
            for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
        ]
        mark = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        with cgutils.for_range(builder, arguments[3]) as loop:
            factors = [builder.load(builder.gep(pointer, [loop.index]), align=4) for pointer in data[:2]]
            store = builder.store(builder.fmul(*factors), builder.gep(data[2], [loop.index]), align=4 * LANES)
            store.set_metadata("nontemporal", mark)
        builder.fence("seq_cst")  # such stores are not ordered with others
        return context.get_dummy_value()

    return types.void(x, y, out, lines), generate
