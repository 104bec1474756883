"""What the back end knows of ARM cores: LLVM targets, and one name for each instruction of every ISA."""

from dataclasses import dataclass

from tvm import tirx

from .builder import const, dtype_of, lanes_of

# Weights loaded in a loop are to stay there: hoisted, they fill the registers and then the stack.
_OPTIONS = ["-licm-mssa-optimization-cap:uint=0", "-enable-load-pre:bool=0"]
# The scheduler would take the critical path of a loop to be worth spills: a seventh of all instructions of
# sums of single bits.
_UNCYCLIC = "-misched-cyclicpath:bool=0"


# 1.5 * 2^23 as a float's bits.
_MAGIC_BITS = 0x4B400000


@dataclass(frozen=True)
class Core:
    """A processor core: LLVM's target for it, and what its instruction set has.

    Attributes:
        name: what LLVM, qemu and llvm-mca call it.
        wide: AArch64 (32 vector registers); else ARMv7 (16).
        dot: SDOT and UDOT (ARMv8.2).
    """

    name: str
    wide: bool = True
    dot: bool = False

    @property
    def triple(self) -> str:
        """The target triple of LLVM and zig, without the C library."""
        return "aarch64-linux" if self.wide else "arm-linux"

    @property
    def target(self) -> dict:
        """TVM's target."""
        # Depthwise kernels of SDOT are better with it: DS-CNN takes 4 % less.
        options = _OPTIONS if self.dot else [*_OPTIONS, _UNCYCLIC]
        common = {"kind": "llvm", "mcpu": self.name, "cl-opt": options}
        if self.wide:
            features = ["+neon", *(["+dotprod"] if self.dot else [])]
            return common | {"mtriple": "aarch64-linux-gnu", "mattr": features}
        features = ["+neon", "+vfp3"]
        return common | {"mtriple": "armv7a-linux-gnueabihf", "mattr": features, "mfloat-abi": "hard"}

    @property
    def index(self) -> str:
        """Type of loop counters: as wide as a pointer."""
        return "int64" if self.wide else "int32"

    @property
    def registers(self) -> int:
        """Vector registers of 128 bits."""
        return 32 if self.wide else 16


CORES = {
    core.name: core
    for core in (
        Core("cortex-a9", wide=False),
        Core("cortex-a53"),
        Core("cortex-a72"),
        Core("cortex-a76", dot=True),
    )
}

_WIDER = {"int8": "int16", "int16": "int32", "int32": "int64"}
_WIDER |= {f"u{k}": f"u{v}" for k, v in _WIDER.items()}


def llvm_type(dtype: str) -> str:
    """LLVM's mangled name of a vector type: int32x4 is v4i32."""
    base, _, lanes = dtype.partition("x")
    return f"v{lanes}i{base.lstrip('uint')}"


def widened(dtype: str) -> str:
    """The vector type with as many lanes of twice the width."""
    base, _, lanes = dtype.partition("x")
    return f"{_WIDER[base]}x{lanes}"


def narrowed(dtype: str) -> str:
    """The vector type with as many lanes of half the width."""
    base, _, lanes = dtype.partition("x")
    return f"{next(k for k, v in _WIDER.items() if v == base)}x{lanes}"


def cast(value, element: str):
    """Each lane in another integer type (sign or zero extended, or cut)."""
    lanes = lanes_of(value)
    return tirx.Cast(element if lanes == 1 else f"{element}x{lanes}", value)


def reinterpret(value, dtype: str):
    """The same bits as another vector type."""
    return value if dtype_of(value) == dtype else tirx.reinterpret(dtype, value)


def part(value, first: int, lanes: int):
    """``lanes`` neighbouring lanes of a vector."""
    return tirx.Shuffle([value], [tirx.IntImm("int32", first + i) for i in range(lanes)])


def low(value):
    """The lower half of the lanes."""
    return part(value, 0, lanes_of(value) // 2)


def high(value):
    """The upper half of the lanes."""
    return part(value, lanes_of(value) // 2, lanes_of(value) // 2)


def joined(*values):
    """The lanes of vectors of one type one after another."""
    count = sum(lanes_of(v) for v in values)
    if len(values) == 1:
        return values[0]
    return tirx.Shuffle(list(values), [tirx.IntImm("int32", i) for i in range(count)])


def spread(value, lane: int, lanes: int | None = None):
    """One lane of a vector in every lane."""
    return tirx.Shuffle([value], [tirx.IntImm("int32", lane)] * (lanes or lanes_of(value)))


def _call(name: str, dtype: str, *arguments):
    return tirx.call_llvm_pure_intrin(dtype, name, *arguments)


def population(value):
    """Bits set in each byte of an int8x16 (CNT)."""
    return _call("llvm.ctpop.v16i8", "int8x16", value)


class Instructions:
    """NEON instructions by what they do; arguments and results are vectors of TensorIR."""

    def __init__(self, core: Core):
        self.core = core

    def _named(self, aarch64: str, arm: str, dtype: str, *arguments, types: tuple[str, ...] | None = None):
        kinds = ".".join(llvm_type(t) for t in (types or (dtype,)))
        if self.core.wide:
            return _call(f"llvm.aarch64.neon.{aarch64}.{kinds}", dtype, *arguments)
        return _call(f"llvm.arm.neon.{arm}.{kinds}", dtype, *arguments)

    def multiply_high(self, a, b):
        """``(2*a*b + 2^(n-1)) >> n`` in n-bit lanes, saturated (SQRDMULH); lanes of 16 or 32 bits."""
        return self._named("sqrdmulh", "vqrdmulh", dtype_of(a), a, b)

    def multiply_high_down(self, a, b):
        """``2*a*b >> n`` in n-bit lanes, rounded down and saturated (SQDMULH)."""
        return self._named("sqdmulh", "vqdmulh", dtype_of(a), a, b)

    def shift_rounding(self, a, shift):
        """``a << shift``, or for a negative shift ``(a + 2^(-shift-1)) >> -shift`` (SRSHL)."""
        return self._named("srshl", "vrshifts", dtype_of(a), a, shift)

    def round_to_even(self, a):
        """Floats to the nearest int32, halves to even (FCVTNS); |a| < 2^22 on ARMv7, which lacks it."""
        if self.core.wide:
            return _call("llvm.aarch64.neon.fcvtns.v4i32.v4f32", "int32x4", a)
        # The last place of floats around 1.5 * 2^23 is 1: an addition rounds there, as its mode is nearest.
        magic = tirx.Broadcast(tirx.FloatImm("float32", 1.5 * 2**23), 4)
        return reinterpret(a + magic, "int32x4") - tirx.Broadcast(tirx.IntImm("int32", _MAGIC_BITS), 4)

    def narrow(self, a):
        """Lanes of half the width, saturated, signed to signed (SQXTN)."""
        return self._named("sqxtn", "vqmovns", narrowed(dtype_of(a)), a)

    def narrow_unsigned(self, a):
        """Lanes of half the width, saturated to their unsigned range (SQXTUN)."""
        return self._named("sqxtun", "vqmovnsu", narrowed(dtype_of(a)), a)

    def shift_narrow(self, a, shift: int, unsigned: bool = False):
        """``(a + 2^(shift-1)) >> shift`` in bytes, saturated, from int16x8 (SQRSHRN, SQRSHRUN)."""
        if self.core.wide:
            name = f"llvm.aarch64.neon.sqrshr{'u' if unsigned else ''}n.v8i8"
            return _call(name, "int8x8", a, const(shift))
        name = f"llvm.arm.neon.vqrshiftns{'u' if unsigned else ''}.v8i8"
        return _call(name, "int8x8", a, const(-shift, "int16x8"))

    def add_saturating(self, a, b):
        """``a + b``, saturated (SQADD)."""
        return _call(f"llvm.sadd.sat.{llvm_type(dtype_of(a))}", dtype_of(a), a, b)

    def multiply_long(self, a, b):
        """Products in lanes of twice the width (SMULL, UMULL)."""
        wide = _WIDER[dtype_of(a).partition("x")[0]]
        return cast(a, wide) * cast(b, wide)

    def pairs_accumulate(self, acc, a):
        """``acc[i] + a[2i] + a[2i+1]`` in lanes of twice the width (SADALP, UADALP)."""
        signed = not dtype_of(a).startswith("u")
        types = (dtype_of(acc), dtype_of(a))
        if not self.core.wide:
            name = f"llvm.arm.neon.vpadal{'s' if signed else 'u'}"
            return _call(f"{name}.{llvm_type(types[0])}.{llvm_type(types[1])}", dtype_of(acc), acc, a)
        name = f"llvm.aarch64.neon.{'s' if signed else 'u'}addlp"
        return acc + _call(f"{name}.{llvm_type(types[0])}.{llvm_type(types[1])}", dtype_of(acc), a)

    def pairs(self, a, b):
        """Sums of neighbours: ``a[0]+a[1], a[2]+a[3], ..., b[0]+b[1], ...`` (ADDP)."""
        if self.core.wide:
            return _call(f"llvm.aarch64.neon.addp.{llvm_type(dtype_of(a))}", dtype_of(a), a, b)
        # ARMv7 adds pairs in registers of 64 bits only.
        half = f"{dtype_of(a).partition('x')[0]}x{lanes_of(a) // 2}"
        name = f"llvm.arm.neon.vpadd.{llvm_type(half)}"
        return joined(_call(name, half, low(a), high(a)), _call(name, half, low(b), high(b)))

    def dot(self, acc, a, b):
        """``acc[i] + sum_j a[4i+j] * b[4i+j]`` (SDOT); only where ``core.dot``."""
        return _call("llvm.aarch64.neon.sdot.v4i32.v16i8", "int32x4", acc, a, b)

    def dot_unsigned(self, acc, a, b):
        """``acc[i] + sum_j a[4i+j] * b[4i+j]`` of lanes without sign (UDOT); only where ``core.dot``."""
        return _call("llvm.aarch64.neon.udot.v4i32.v16i8", "uint32x4", acc, a, b)

    def table(self, tables, index, beyond=None):
        """Bytes of one to four vectors of 16 at an index, uint8 lanes (TBL); AArch64 only.

        Where the index is beyond them: 0, or the lanes of ``beyond`` (TBX).
        """
        kind = dtype_of(index)
        name = f"llvm.aarch64.neon.tb{'l' if beyond is None else 'x'}{len(tables)}.{llvm_type(kind)}"
        return _call(name, kind, *([] if beyond is None else [beyond]), *tables, index)

    def difference(self, a, b):
        """``|a - b|`` of signed lanes, as unsigned bits (SABD)."""
        return self._named("sabd", "vabds", dtype_of(a), a, b)

    def distance(self, a, b):
        """``|a - b|`` of signed lanes, as lanes without sign: added up it is SABA, SABAL where widened."""
        return reinterpret(self.difference(a, b), f"u{dtype_of(a)}")
