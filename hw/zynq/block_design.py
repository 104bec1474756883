"""build.tcl: the Vivado project, its block design with processing system and DMA, and the bitstream."""

from ...boards.schema import Board
from ...errors import BoardError
from .ip_xact import VLNV

# Where the processor sees the registers: 64 KiB and 4 KiB in the window of its first port to the logic.
DMA_BASE = {"processing_system7": 0x40400000, "zynq_ultra_ps_e": 0xA0000000}
CONTROL_BASE = {"processing_system7": 0x43C00000, "zynq_ultra_ps_e": 0xA0010000}
# A transfer of the DMA is shorter than 2 to the power of this, in bytes.
LENGTH_BITS = 26

_PINS = {
    "processing_system7": {
        "clock": "FCLK_CLK0",
        "reset": "FCLK_RESET0_N",
        "control": "M_AXI_GP0",
        "memory": "S_AXI_HP0",
        "control_clock": "M_AXI_GP0_ACLK",
        "memory_clock": "S_AXI_HP0_ACLK",
        "interrupts": "IRQ_F2P",
    },
    "zynq_ultra_ps_e": {
        "clock": "pl_clk0",
        "reset": "pl_resetn0",
        "control": "M_AXI_HPM0_FPD",
        "memory": "S_AXI_HP0_FPD",
        "control_clock": "maxihpm0_fpd_aclk",
        "memory_clock": "saxihp0_fpd_aclk",
        "interrupts": "pl_ps_irq0",
    },
}
_AUTOMATION = {
    "processing_system7": '{make_external "FIXED_IO, DDR" apply_board_preset "1" Master "Disable" '
    'Slave "Disable"}',
    "zynq_ultra_ps_e": '{apply_board_preset "1"}',
}
_SETTINGS = {
    "processing_system7": (
        "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz",
        "CONFIG.PCW_USE_M_AXI_GP0 {1}",
        "CONFIG.PCW_USE_S_AXI_HP0 {1}",
        "CONFIG.PCW_S_AXI_HP0_DATA_WIDTH {%(port_bits)d}",
        "CONFIG.PCW_USE_FABRIC_INTERRUPT {1}",
        "CONFIG.PCW_IRQ_F2P_INTR {1}",
    ),
    "zynq_ultra_ps_e": (
        "CONFIG.PSU__FPGA_PL0_ENABLE {1}",
        "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz",
        "CONFIG.PSU__USE__M_AXI_GP0 {1}",
        "CONFIG.PSU__USE__M_AXI_GP1 {0}",
        "CONFIG.PSU__USE__M_AXI_GP2 {0}",
        "CONFIG.PSU__USE__S_AXI_GP2 {1}",
        "CONFIG.PSU__SAXIGP2__DATA_WIDTH {%(port_bits)d}",
        "CONFIG.PSU__USE__IRQ0 {1}",
    ),
}

_SCRIPT = """\
# Makes accelerator.bit and accelerator.hwh beside this file; made by gatewright (docs/zynq.md).
#   vivado -mode batch -source build.tcl -tclargs 4        (4: jobs that run at once)
set here [file normalize [file dirname [info script]]]
set jobs [expr {{[info exists argv] && [llength $argv] > 0 ? [lindex $argv 0] : 4}}]
set part {{{part}}}
set board_part {{{board_part}}}
set clock_mhz {clock_mhz}

if {{[llength [get_board_parts -quiet $board_part]] == 0}} {{
    error "Vivado does not know board $board_part: install its files (Tools, Vivado Store, Boards)."
}}
create_project -force accelerator [file join $here vivado] -part $part
set_property board_part $board_part [current_project]
set_property ip_repo_paths [list [file join $here ip]] [current_project]
update_ip_catalog

create_bd_design system
create_bd_cell -type ip -vlnv xilinx.com:ip:{system} ps
apply_bd_automation -rule xilinx.com:bd_rule:{system} -config {automation} [get_bd_cells ps]
set_property -dict [list \\
    {settings}] [get_bd_cells ps]
create_bd_cell -type ip -vlnv {vlnv} accelerator
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma dma
set_property -dict [list \\
    CONFIG.c_include_sg {{0}} \\
    CONFIG.c_sg_include_stscntrl_strm {{0}} \\
    CONFIG.c_sg_length_width {{{length_bits}}} \\
    CONFIG.c_addr_width {{32}} \\
    CONFIG.c_include_mm2s {{1}} \\
    CONFIG.c_include_s2mm {{1}} \\
    CONFIG.c_m_axi_mm2s_data_width {{{port_bits}}} \\
    CONFIG.c_m_axi_s2mm_data_width {{{port_bits}}} \\
    CONFIG.c_m_axis_mm2s_tdata_width {{{in_bits}}} \\
    CONFIG.c_s_axis_s2mm_tdata_width {{{out_bits}}}] [get_bd_cells dma]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect control
set_property -dict [list CONFIG.NUM_SI {{1}} CONFIG.NUM_MI {{2}}] [get_bd_cells control]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect memory
set_property -dict [list CONFIG.NUM_SI {{2}} CONFIG.NUM_MI {{1}}] [get_bd_cells memory]
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset
create_bd_cell -type ip -vlnv xilinx.com:ip:xlconcat interrupts
set_property -dict [list CONFIG.NUM_PORTS {{3}}] [get_bd_cells interrupts]

connect_bd_intf_net [get_bd_intf_pins ps/{control}] [get_bd_intf_pins control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins control/M00_AXI] [get_bd_intf_pins dma/S_AXI_LITE]
connect_bd_intf_net [get_bd_intf_pins control/M01_AXI] [get_bd_intf_pins accelerator/s_axi_control]
connect_bd_intf_net [get_bd_intf_pins dma/M_AXI_MM2S] [get_bd_intf_pins memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins dma/M_AXI_S2MM] [get_bd_intf_pins memory/S01_AXI]
connect_bd_intf_net [get_bd_intf_pins memory/M00_AXI] [get_bd_intf_pins ps/{memory}]
connect_bd_intf_net [get_bd_intf_pins dma/M_AXIS_MM2S] [get_bd_intf_pins accelerator/s_axis]
connect_bd_intf_net [get_bd_intf_pins accelerator/m_axis] [get_bd_intf_pins dma/S_AXIS_S2MM]

foreach pin {{
    ps/{control_clock} ps/{memory_clock} reset/slowest_sync_clk control/aclk memory/aclk
    dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk accelerator/aclk
}} {{
    connect_bd_net [get_bd_pins ps/{clock}] [get_bd_pins $pin]
}}
connect_bd_net [get_bd_pins ps/{reset}] [get_bd_pins reset/ext_reset_in]
connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins control/aresetn]
connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins memory/aresetn]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins dma/axi_resetn]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins accelerator/aresetn]
connect_bd_net [get_bd_pins accelerator/irq] [get_bd_pins interrupts/In0]
connect_bd_net [get_bd_pins dma/mm2s_introut] [get_bd_pins interrupts/In1]
connect_bd_net [get_bd_pins dma/s2mm_introut] [get_bd_pins interrupts/In2]
connect_bd_net [get_bd_pins interrupts/dout] [get_bd_pins ps/{interrupts}]

assign_bd_address -offset {dma_base:#x} -range 64K -target_address_space [get_bd_addr_spaces ps/Data] \\
    [get_bd_addr_segs dma/S_AXI_LITE/Reg]
assign_bd_address -offset {control_base:#x} -range 4K -target_address_space [get_bd_addr_spaces ps/Data] \\
    [get_bd_addr_segs accelerator/s_axi_control/reg0]
assign_bd_address
validate_bd_design
save_bd_design
puts "gatewright: the logic's clock is [get_property CONFIG.FREQ_HZ [get_bd_pins ps/{clock}]] Hz"

set design [get_files system.bd]
generate_target all $design
set wrapper [make_wrapper -files $design -top]
add_files -norecurse $wrapper
set_property top system_wrapper [current_fileset]
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs $jobs
wait_on_run impl_1
if {{[get_property PROGRESS [get_runs impl_1]] ne "100%"}} {{
    error "Vivado did not finish: see vivado/accelerator.runs/impl_1/runme.log"
}}
set slack [get_property STATS.WNS [get_runs impl_1]]
if {{$slack < 0}} {{
    error "the clock of $clock_mhz MHz is missed by [expr {{-$slack}}] ns: compile with a lower --clock"
}}

set runs [get_property DIRECTORY [get_runs impl_1]]
file copy -force [file join $runs system_wrapper.bit] [file join $here accelerator.bit]
# Vivado before 2020.2 keeps it below accelerator.srcs.
foreach found [concat \\
    [glob -nocomplain [file join $here vivado *.srcs sources_1 bd system hw_handoff system.hwh]] \\
    [glob -nocomplain [file join $here vivado *.gen sources_1 bd system hw_handoff system.hwh]]] {{
    file copy -force $found [file join $here accelerator.hwh]
}}
if {{![file exists [file join $here accelerator.hwh]]}} {{
    error "Vivado left no system.hwh below [file join $here vivado]"
}}
puts "gatewright: accelerator.bit and accelerator.hwh are in $here, slack $slack ns"
"""


def build_script(board: Board, clock_mhz: float, in_bytes: int, out_bytes: int) -> str:
    """The text of build.tcl; nothing in it comes from a model.

    Args:
        clock_mhz: of the logic, as Vivado is asked for it.
        in_bytes, out_bytes: of a word of the accelerator's streams.

    Raises:
        BoardError: the board has no processing system beside its logic.
    """
    if board.zynq is None or board.part is None:
        raise BoardError(f"zynq: the board must have a table [zynq], not {board.name}")
    zynq = board.zynq
    numbers = {"port_bits": zynq.port_bits}
    return _SCRIPT.format(
        part=board.part.name,
        board_part=zynq.board_part,
        clock_mhz=f"{clock_mhz:.6f}".rstrip("0").rstrip("."),
        system=zynq.system,
        automation=_AUTOMATION[zynq.system],
        settings=" \\\n    ".join(_SETTINGS[zynq.system]) % numbers,
        vlnv=":".join(VLNV),
        length_bits=LENGTH_BITS,
        port_bits=zynq.port_bits,
        in_bits=8 * in_bytes,
        out_bits=8 * out_bytes,
        dma_base=DMA_BASE[zynq.system],
        control_base=CONTROL_BASE[zynq.system],
        **_PINS[zynq.system],
    )
