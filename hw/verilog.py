"""The generated top level: wires, instances and memory files, nothing else."""

from collections.abc import Mapping

from .design import Design, Instance, Memory

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
            top=top, title=_comment(design.name), interval=design.interval,
            beats_in=first.beats, bits_in=first.bits, beats_out=last.beats, bits_out=last.bits,
            in_msb=first.bits - 1, out_msb=last.bits - 1,
        )
    ]
    edges = [instance.name for instance in design.instances[:-1]]
    for instance in design.instances[:-1]:
        lines.append(f"    wire [{instance.output.bits - 1}:0] {instance.name}_tdata;\n")
        lines.append(f"    wire {instance.name}_tvalid;\n    wire {instance.name}_tready;\n")
    for instance, source, sink in zip(design.instances, ["s", *edges], [*edges, "m"], strict=True):
        lines.append(_instance(instance, source, sink, prefix))
    lines.append("endmodule\n\n`default_nettype wire\n")
    return "".join(lines)


def _instance(instance: Instance, source: str, sink: str, prefix: str) -> str:
    values = {**instance.params, **_memory_params(instance, prefix)}
    params = ",\n        ".join(f".{name}({values[name]})" for name in instance.unit.params)
    ports = ",\n        ".join(
        f".{side}_t{part}({wire}_t{part})"
        for side, wire in (("s", source), ("m", sink))
        for part in ("data", "valid", "ready")
    )
    label = f"    // {_comment(instance.layer)}\n" if instance.layer else ""
    return (
        f"\n{label}    {instance.unit.module} #(\n        {params}\n    ) {instance.name} (\n"
        f"        .clk(clk),\n        .rst(rst),\n        {ports}\n    );\n"
    )


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
