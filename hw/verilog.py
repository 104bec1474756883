"""The generated top level: wires, instances and memory files, nothing else."""

from collections.abc import Mapping, Sequence

from .design import Design, Instance, Memory, Port

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


def memory_files(design: Design, prefix: str = "") -> dict[str, str]:
    """File name -> text of every ROM, in $readmemh form."""
    files = {}
    for instance in design.instances:
        for param, make in instance.memories.items():
            memory = make()
            stem = f"{prefix}{_stem(instance, param)}"
            if memory.per_lane:
                for lane, words in enumerate(memory.words):
                    files[f"{stem}_{lane:03d}.mem"] = _hex(words, memory)
            else:
                files[f"{stem}.mem"] = _hex(memory.words, memory)
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
    names = _wires(design)
    for place, instance in enumerate(design.instances):
        for index, stream in enumerate(instance.outputs):
            name = names[Port(place, index)]
            if name != "m":
                lines.append(f"    wire [{stream.bits - 1}:0] {name}_tdata;\n")
                lines.append(f"    wire {name}_tvalid;\n    wire {name}_tready;\n")
    for place, instance in enumerate(design.instances):
        sources = [names[source] for source in design.sources(place)]
        sinks = [names[Port(place, k)] for k in range(len(instance.outputs))]
        lines.append(_instance(instance, sources, sinks, prefix))
    lines.append("endmodule\n\n`default_nettype wire\n")
    return "".join(lines)


def _wires(design: Design) -> dict[Port | None, str]:
    """What the wires of each stream are called, by where it comes from; None is the design's input."""
    names: dict[Port | None, str] = {None: "s"}
    for place, instance in enumerate(design.instances):
        for index in range(len(instance.outputs)):
            tail = f"_{index}" if len(instance.outputs) > 1 else ""
            names[Port(place, index)] = f"{instance.name}{tail}"
    (last,) = (edge.source for edge in design.edges if edge.sink is None)
    names[last] = "m"
    return names


def _instance(instance: Instance, sources: Sequence[str], sinks: Sequence[str], prefix: str) -> str:
    values = {**instance.params, **_memory_params(instance, prefix)}
    params = ",\n        ".join(f".{name}({values[name]})" for name in instance.unit.params)
    ports = ",\n        ".join(
        f".{side}_t{part}({_packed(wires, part)})"
        for side, wires in (("s", sources), ("m", sinks))
        for part in ("data", "valid", "ready")
    )
    label = f"    // {_comment(instance.layer)}\n" if instance.layer else ""
    return (
        f"\n{label}    {instance.unit.module} #(\n        {params}\n    ) {instance.name} (\n"
        f"        .clk(clk),\n        .rst(rst),\n        {ports}\n    );\n"
    )


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
