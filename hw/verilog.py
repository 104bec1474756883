"""The generated top level: wires, instances and memory files, nothing else."""

from collections.abc import Mapping, Sequence

from .design import Design, Instance, Memory, Port
from .store import Columns, Store
from .units.ram import clog2

_HEADER = """\
// {top}: made by gatewright from {title}
// {interval} clocks a frame; {beats_in} beats of {bits_in} bits in, {beats_out} of {bits_out} bits out
`default_nettype none

module {top} (
    input  wire clk,
    input  wire rst,
    input  wire [{in_msb}:0] s_tdata,
    input  wire s_tvalid,
    output wire s_tready,
    output wire [{out_msb}:0] m_tdata,
    output wire m_tvalid,
    input  wire m_tready
);
"""

# Digits of a literal; Icarus Verilog takes less than 16,384 characters, Verilator 65,536 bits.
_PIECE = 1024


def memory_files(design: Design, prefix: str = "") -> dict[str, str]:
    """File name -> text of every ROM, in $readmemh form."""
    files = {}
    for instance in design.instances:
        for param, make in instance.memories.items():
            if param not in instance.unit.memories:  # a store's
                continue
            memory = make()
            stem = f"{prefix}{_stem(instance, param)}"
            if memory.per_lane:
                for lane, words in enumerate(memory.words):
                    files[f"{stem}_{lane:03d}.mem"] = _hex(words, memory)
            else:
                files[f"{stem}.mem"] = _hex(memory.words, memory)
    for store in design.stores:
        memory = store.memory(design.instances)
        files[f"{prefix}{store.name}.mem"] = _hex(memory.words, memory)
    return files


def top_level(design: Design, top: str, prefix: str = "") -> str:
    """Verilog of ``design`` as module ``top``; ``prefix`` is the memory files' folder, as simulator and
    synthesizer see it."""
    first, last = design.input, design.output
    lines = [
        _HEADER.format(
            top=top,
            title=_comment(design.name),
            interval=design.interval,
            beats_in=first.beats,
            bits_in=first.bits,
            beats_out=last.beats,
            bits_out=last.bits,
            in_msb=first.bits - 1,
            out_msb=last.bits - 1,
        )
    ]
    names = wires(design)
    for place, instance in enumerate(design.instances):
        for index, stream in enumerate(instance.outputs):
            name = names[Port(place, index)]
            if name != "m":
                lines.append(f"    wire [{stream.bits - 1}:0] {name}_tdata;\n")
                lines.append(f"    wire {name}_tvalid;\n    wire {name}_tready;\n")
    tables = {(c.place, c.param): c for store in design.stores for c in store.parts}
    lines += [_table_wires(design, columns) for columns in tables.values()]
    fed = dict.fromkeys(design.instances[place].name for place, _ in tables)
    lines += [f"    wire {name}_rom_ce;\n" for name in fed]
    for place, instance in enumerate(design.instances):
        sources = [names[source] for source in design.sources(place)]
        sinks = [names[Port(place, k)] for k in range(len(instance.outputs))]
        own = [columns for columns in tables.values() if columns.place == place]
        lines.append(_instance(instance, sources, sinks, prefix, own))
    lines += [_store(design, store, prefix) for store in design.stores]
    lines.append("endmodule\n\n`default_nettype wire\n")
    return "".join(lines)


def wires(design: Design) -> dict[Port | None, str]:
    """What the wires of each stream are called, by where it comes from; None is the design's input."""
    names: dict[Port | None, str] = {None: "s"}
    for place, instance in enumerate(design.instances):
        for index in range(len(instance.outputs)):
            tail = f"_{index}" if len(instance.outputs) > 1 else ""
            names[Port(place, index)] = f"{instance.name}{tail}"
    (last,) = (edge.source for edge in design.edges if edge.sink is None)
    names[last] = "m"
    return names


def _table_wires(design: Design, columns: Columns) -> str:
    """The wires between a unit and the memories that hold its table."""
    stem = _stem(design.instances[columns.place], columns.param)
    addr, data = clog2(columns.words), columns.width
    return f"    wire [{addr - 1}:0] {stem}_addr;\n    wire [{data - 1}:0] {stem}_data;\n"


def _store(design: Design, store: Store, prefix: str) -> str:
    """The instance of a memory outside of units."""
    pair = len(store.parts) > 1
    values: dict[str, int | str] = {}
    ports = [".clk(clk)"]
    for side, part in zip(("a_", "b_") if pair else ("",), store.parts, strict=True):
        instance = design.instances[part.place]
        stem = _stem(instance, part.param)
        values |= {f"{side.upper()}BITS": part.bits, f"{side.upper()}WORDS": part.words}
        ports += [
            f".{side}ce({instance.name}_rom_ce)",
            f".{side}addr({stem}_addr)",
            f".{side}data({stem}_data[{part.low + part.bits - 1}:{part.low}])",
        ]
    if pair:
        values["BASE"] = store.base
    else:
        values = {"BITS": values["BITS"], "DEPTH": values["WORDS"], "STYLE": 1, "OUT_REG": 1}
    values["FILE"] = f'"{prefix}{store.name}.mem"'
    params = ",\n        ".join(f".{name}({value})" for name, value in values.items())
    joined = ",\n        ".join(ports)
    label = f"    // {_comment(store.layer)}\n" if store.layer else ""
    return (
        f"\n{label}    {store.module} #(\n        {params}\n    ) {store.name} (\n        {joined}\n    );\n"
    )


def _fed_ports(instance: Instance, tables: Sequence[Columns]) -> list[str]:
    """The ports of a unit whose tables are outside of it."""
    if not tables:
        return []
    return [f".rom_ce({instance.name}_rom_ce)"] + [
        f".{table.param.lower()}_{part}({_stem(instance, table.param)}_{part})"
        for table in tables
        for part in ("addr", "data")
    ]


def _instance(
    instance: Instance, sources: Sequence[str], sinks: Sequence[str], prefix: str, tables: Sequence[Columns]
) -> str:
    values = {**instance.params, **_memory_params(instance, prefix)}
    params = ",\n        ".join(f".{name}({_literal(values[name])})" for name in instance.unit.params)
    streams = [
        f".{side}_t{part}({_packed(wires, part)})"
        for side, wires in (("s", sources), ("m", sinks))
        for part in ("data", "valid", "ready")
    ]
    ports = ",\n        ".join(streams + _fed_ports(instance, tables))
    label = f"    // {_comment(instance.layer)}\n" if instance.layer else ""
    return (
        f"\n{label}    {instance.unit.module} #(\n        {params}\n    ) {instance.name} (\n"
        f"        .clk(clk),\n        .rst(rst),\n        {ports}\n    );\n"
    )


def _literal(value: int | str) -> str:
    """A parameter's text; beyond 32 bits hexadecimal, in pieces that simulators read."""
    if isinstance(value, str) or -(1 << 31) <= value < 1 << 31:
        return str(value)
    digits = f"{value:x}"
    pieces = [digits[max(end - _PIECE, 0) : end] for end in range(len(digits), 0, -_PIECE)]
    texts = [f"{4 * len(piece)}'h{piece}" for piece in reversed(pieces)]
    return texts[0] if len(texts) == 1 else f"{{{', '.join(texts)}}}"


def _packed(wires: Sequence[str], part: str) -> str:
    """One port's wires; those of several streams side by side, stream 0 in the low bits."""
    names = [f"{wire}_t{part}" for wire in reversed(wires)]
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"


def _memory_params(instance: Instance, prefix: str) -> Mapping[str, str]:
    values = {}
    for param in instance.unit.memories:
        if param not in instance.memories:
            values[param] = '"none.mem"'
            continue
        # A per-lane table's name is a prefix, to which the unit adds its lane's number.
        per_lane = param == "TABLE"
        values[param] = f'"{prefix}{_stem(instance, param)}{"" if per_lane else ".mem"}"'
    return values


def _stem(instance: Instance, param: str) -> str:
    return f"{instance.name}_{param.lower()}"


def _hex(words, memory: Memory) -> str:
    digits = -(-memory.bits // 4)
    return "".join(f"{w:0{digits}x}\n" for w in words)


def _comment(text: str) -> str:
    """A model's name as comment text: printable ASCII, one line, no backslash to continue it."""
    return "".join(c if 32 <= ord(c) < 127 and c != "\\" else "?" for c in text)[:80]
