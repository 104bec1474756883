"""Names and numbers of a model as C text; whatever a model calls itself, only letters and digits pass."""

import re

# Headers that a program may include, and system libraries that a linker looks for: <name>.h and lib<name>.a
# must not stand in front of them.
_TAKEN = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
    stdarg stdatomic stdbool stdckdint stdbit stddef stdint stdio stdlib stdnoreturn string strings
    memory tgmath threads time uchar wchar wctype pthread sched semaphore unistd fcntl poll select
    termios dirent glob grp pwd regex search spawn syslog tar ucontext ulimit utime utmpx wordexp
    alloca endian elf link malloc mcheck features getopt libgen libintl monetary nl_types nss resolv
    values version c m dl rt gcc gcc_s util crypt stdc atomic unwind z example"""
# What kernels' names begin with, behind the library's.
KERNEL = "gwk_"
_LONGEST = 40
_INT_MAX = 2**31 - 1


def identifier(name: str) -> str:
    """A C identifier for a model's name, also good as a file's name.

    >>> identifier("/Résnet 8;rm -rf"), identifier("8bit"), identifier("math"), identifier("")
    ('R_snet_8_rm_rf', 'network_8bit', 'math_network', 'network')
    """
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_LONGEST].rstrip("_")
    if not kept:
        return "network"
    if kept[0].isdigit():
        return f"network_{kept}"
    return f"{kept}_network" if kept.lower() in _TAKEN.split() else kept


def comment(text: str) -> str:
    """Text from outside as part of a block comment: without what could end it.

    >>> comment("conv*/ system(1) /*")
    'conv?/ system(1) /?'
    """
    return re.sub(r"[^A-Za-z0-9_ .,:;()\[\]/+=-]", "?", text)[:120]


def integer(value: int) -> str:
    """A C expression of at least 32 bits, or of 64 where it needs them.

    >>> integer(5), integer(-5), integer(-2**31), integer(2**40)
    ('5', '-5', '(-2147483647 - 1)', '1099511627776LL')
    """
    if abs(value) <= _INT_MAX:
        return str(value)
    if value == -_INT_MAX - 1:
        return f"(-{_INT_MAX} - 1)"
    return f"{value}LL" if value > -(2**63) else f"(-{2**63 - 1}LL - 1)"


def number(value: float) -> str:
    """A C literal that reads back as the same double.

    >>> number(0.1), number(3.0), number(1e-30)
    ('0.1', '3.0', '1e-30')
    """
    return repr(float(value))
