"""Machine code of kernels, through TVM's LLVM back end."""

from collections.abc import Mapping

import tvm
from tvm import tirx

from .isa import Core


def compile_kernels(functions: Mapping[str, tirx.PrimFunc], core: Core) -> tvm.runtime.Module:
    """A module with one plain C function per kernel: no packed calls, no runtime behind it.

    The usual pipeline would wrap each function in TVM's calling convention and check shapes at each call;
    kernels here are flat and lowered already, so only what code generation needs is run.
    """
    target = tvm.target.Target(core.target)
    module = tvm.IRModule({name: f.with_attr("global_symbol", name) for name, f in functions.items()})
    passes = (tirx.transform.BindTarget(target), tirx.transform.LowerIntrin())
    with target:
        for each in passes:
            module = each(module)
        return tvm.get_global_func("target.build.llvm")(module, target)
