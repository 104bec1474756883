# Stands for Vivado: takes the commands of a build script, checks what they name, and writes a record.
#   tclsh vivado_stub.tcl SCRIPT FACTS RECORD
# FACTS is a Tcl file that sets stub::part, board_part, slack, vlnv, in_bits, out_bits, and accelerator, the
# IP's own pins (from its component.xml).
# What the IPs have is from AMD's guides: axi_dma PG021, smartconnect PG247, proc_sys_reset PG164,
# processing_system7 PG082, zynq_ultra_ps_e PG201. A pin or interface after "if" is there only while that
# parameter is 1.

lassign $argv script facts record
namespace eval stub {}  ;# the script has the global variables
source $facts
set stub::log [open $record w]

set stub::ip(processing_system7) {
    outs {FCLK_CLK0 FCLK_RESET0_N}
    clocks {M_AXI_GP0_ACLK {if PCW_USE_M_AXI_GP0} S_AXI_HP0_ACLK {if PCW_USE_S_AXI_HP0}}
    ins {IRQ_F2P {if PCW_IRQ_F2P_INTR}}
    masters {M_AXI_GP0 aximm}
    slaves {S_AXI_HP0 aximm}
    needs {M_AXI_GP0 PCW_USE_M_AXI_GP0 S_AXI_HP0 PCW_USE_S_AXI_HP0 IRQ_F2P PCW_USE_FABRIC_INTERRUPT}
    params {PCW_FPGA0_PERIPHERAL_FREQMHZ PCW_USE_M_AXI_GP0 PCW_USE_S_AXI_HP0 PCW_S_AXI_HP0_DATA_WIDTH
            PCW_USE_FABRIC_INTERRUPT PCW_IRQ_F2P_INTR}
    spaces {Data}
}
set stub::ip(zynq_ultra_ps_e) {
    outs {pl_clk0 pl_resetn0}
    clocks {maxihpm0_fpd_aclk {if PSU__USE__M_AXI_GP0} maxihpm1_fpd_aclk {if PSU__USE__M_AXI_GP1}
            maxihpm0_lpd_aclk {if PSU__USE__M_AXI_GP2} saxihp0_fpd_aclk {if PSU__USE__S_AXI_GP2}}
    ins {pl_ps_irq0 {if PSU__USE__IRQ0}}
    masters {M_AXI_HPM0_FPD aximm}
    slaves {S_AXI_HP0_FPD aximm}
    needs {M_AXI_HPM0_FPD PSU__USE__M_AXI_GP0 S_AXI_HP0_FPD PSU__USE__S_AXI_GP2 pl_clk0 PSU__FPGA_PL0_ENABLE}
    params {PSU__FPGA_PL0_ENABLE PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ PSU__USE__M_AXI_GP0 PSU__USE__M_AXI_GP1
            PSU__USE__M_AXI_GP2 PSU__USE__S_AXI_GP2 PSU__SAXIGP2__DATA_WIDTH PSU__USE__IRQ0}
    spaces {Data}
}
set stub::ip(axi_dma) {
    outs {mm2s_introut s2mm_introut mm2s_prmry_reset_out_n s2mm_prmry_reset_out_n}
    clocks {s_axi_lite_aclk {} m_axi_mm2s_aclk {} m_axi_s2mm_aclk {}}
    ins {axi_resetn {}}
    masters {M_AXI_MM2S aximm M_AXI_S2MM aximm M_AXIS_MM2S axis}
    slaves {S_AXI_LITE aximm S_AXIS_S2MM axis}
    params {c_include_sg c_sg_include_stscntrl_strm c_sg_length_width c_addr_width c_include_mm2s
            c_include_s2mm c_m_axi_mm2s_data_width c_m_axi_s2mm_data_width c_m_axis_mm2s_tdata_width
            c_s_axis_s2mm_tdata_width}
    segs {S_AXI_LITE/Reg}
}
set stub::ip(smartconnect) {
    clocks {aclk {}}
    ins {aresetn {}}
    masters {M00_AXI aximm M01_AXI aximm}
    slaves {S00_AXI aximm S01_AXI aximm}
    params {NUM_SI NUM_MI}
}
set stub::ip(proc_sys_reset) {
    outs {interconnect_aresetn peripheral_aresetn}
    clocks {slowest_sync_clk {}}
    ins {ext_reset_in {}}
}
set stub::ip(xlconcat) {
    outs {dout}
    ins {In0 {} In1 {} In2 {}}
    params {NUM_PORTS}
}
set stub::ip(gatewright_axi) $stub::accelerator

proc fail {text} { error "stub: $text" }
proc note {args} { puts $::stub::log [join $args " "] }
proc of {cell key} {
    set table $::stub::ip($::stub::kind($cell))
    return [expr {[dict exists $table $key] ? [dict get $table $key] : {}}]
}
proc param {cell name} {
    return [expr {[info exists ::stub::config($cell,$name)] ? $::stub::config($cell,$name) : ""}]
}
# Whether a pin or interface is there, as the cell is configured.
proc there {cell name rule} {
    set needs [of $cell needs]
    if {[dict exists $needs $name] && [param $cell [dict get $needs $name]] ne "1"} { return 0 }
    if {[llength $rule] == 2 && [param $cell [lindex $rule 1]] ne "1"} { return 0 }
    foreach {pattern count} {{^S([0-9]+)_AXI$} NUM_SI {^M([0-9]+)_AXI$} NUM_MI {^In([0-9]+)$} NUM_PORTS} {
        set number [param $cell $count]
        if {$number ne "" && [regexp $pattern $name all digits]} {
            scan $digits %d place
            return [expr {$place < $number}]
        }
    }
    return 1
}
proc split_pin {path} {
    if {![regexp {^([^/]+)/(.+)$} $path all cell pin] || ![info exists ::stub::kind($cell)]} {
        fail "no cell of pin $path"
    }
    return [list $cell $pin]
}

proc get_board_parts {quiet name} { return [expr {$name eq $::stub::board_part ? $name : {}}] }
proc create_project {force name dir flag device} {
    if {$device ne $::stub::part} { fail "part must be $::stub::part, not $device" }
    file mkdir $dir
    set ::stub::project_dir $dir
    note create_project $name $device
}
proc current_project {} { return project }
proc current_fileset {} { return fileset }
proc get_runs {name} { return $name }
proc get_files {name} { if {$name ne "$::stub::design.bd"} { fail "no file $name" } ; return $name }
proc set_property {args} {
    if {[lindex $args 0] eq "-dict"} { set pairs [lindex $args 1] } else { set pairs [lrange $args 0 1] }
    set object [lindex $args end]
    foreach {name value} $pairs {
        if {$name eq "board_part" && $value ne $::stub::board_part} { fail "board must be $::stub::board_part, not $value" }
        if {$name eq "ip_repo_paths"} { set ::stub::repo $value }
        if {[regexp {^CONFIG\.(.+)$} $name all parameter]} {
            if {[lsearch -exact [of $object params] $parameter] < 0} { fail "no parameter $name of $object" }
            set ::stub::config($object,$parameter) $value
        } elseif {[info exists ::stub::kind($object)]} { fail "no property $name of $object" }
        note set_property $name $value $object
    }
}
proc get_property {name object} {
    switch -glob $name {
        CONFIG.FREQ_HZ { return 100000000 }
        PROGRESS { return 100% }
        STATS.WNS { return $::stub::slack }
        DIRECTORY { return [file join $::stub::project_dir runs impl_1] }
        default { fail "no property $name" }
    }
}
proc update_ip_catalog {} {
    foreach path $::stub::repo {
        if {![file isfile [file join $path component.xml]]} { fail "no IP in $path" }
    }
}
proc create_bd_design {name} { set ::stub::design $name }
proc create_bd_cell {flag type flag2 vlnv name} {
    if {$flag ne "-type" || $type ne "ip" || $flag2 ne "-vlnv"} { fail "create_bd_cell $flag $type $flag2" }
    lassign [split $vlnv :] vendor library ipname
    if {![info exists ::stub::ip($ipname)] || [info exists ::stub::kind($name)]} { fail "cell $name of $vlnv" }
    if {$ipname eq "gatewright_axi" && $vlnv ne $::stub::vlnv} { fail "the IP is $::stub::vlnv, not $vlnv" }
    if {$ipname ne "gatewright_axi" && "$vendor:$library" ne "xilinx.com:ip"} { fail "no IP $vlnv" }
    set ::stub::kind($name) $ipname
    note create_bd_cell $vlnv $name
}
proc apply_bd_automation {flag rule flag2 options cell} {
    if {$rule ne "xilinx.com:bd_rule:$::stub::kind($cell)"} { fail "no rule $rule for $cell" }
    if {[dict get $options apply_board_preset] ne "1"} { fail "the board's preset is not applied" }
    # The ports to the logic that presets switch on.
    foreach name {PSU__USE__M_AXI_GP0 PSU__USE__M_AXI_GP1 PCW_USE_M_AXI_GP0} { set ::stub::config($cell,$name) 1 }
}
proc get_bd_cells {name} {
    if {![info exists ::stub::kind($name)]} { fail "no cell $name" }
    return $name
}
proc get_bd_pins {path} {
    lassign [split_pin $path] cell pin
    if {[lsearch -exact [of $cell outs] $pin] >= 0 && [there $cell $pin {}]} { return $path }
    foreach {name rule} [concat [of $cell clocks] [of $cell ins]] {
        if {$name eq $pin && [there $cell $pin $rule]} { return $path }
    }
    fail "no pin $path"
}
proc get_bd_intf_pins {path} {
    lassign [split_pin $path] cell pin
    foreach {name type} [concat [of $cell masters] [of $cell slaves]] {
        if {$name eq $pin && [there $cell $pin {}]} { return $path }
    }
    fail "no interface $path"
}
proc connect_bd_net {source sink} {
    lassign [split_pin $source] cell pin
    if {[lsearch -exact [of $cell outs] $pin] < 0} { fail "$source drives nothing" }
    lassign [split_pin $sink] cell pin
    if {[lsearch -exact [of $cell outs] $pin] >= 0} { fail "$sink is an output" }
    if {[info exists ::stub::driver($sink)]} { fail "$sink has two drivers" }
    set ::stub::driver($sink) $source
    note connect $source $sink
}
proc connect_bd_intf_net {a b} {
    foreach path [list $a $b] {
        if {[info exists ::stub::joined($path)]} { fail "$path is connected twice" }
        lassign [split_pin $path] cell pin
        foreach side {masters slaves} {
            if {[dict exists [of $cell $side] $pin]} { lappend found $side [dict get [of $cell $side] $pin] }
        }
        set ::stub::joined($path) 1
    }
    lassign $found side_a type_a side_b type_b
    if {$side_a eq $side_b || $type_a ne $type_b} { fail "$a and $b do not fit: $found" }
    note connect $a $b
}
proc get_bd_addr_spaces {path} {
    lassign [split_pin $path] cell space
    if {[lsearch -exact [of $cell spaces] $space] < 0} { fail "no address space $path" }
    return $path
}
proc get_bd_addr_segs {path} {
    lassign [split_pin $path] cell segment
    if {[lsearch -exact [of $cell segs] $segment] < 0} { fail "no segment $path" }
    return $path
}
proc assign_bd_address {args} { note assign_bd_address {*}$args }
proc validate_bd_design {} {
    foreach cell [array names ::stub::kind] {
        foreach {name rule} [concat [of $cell clocks] [of $cell ins]] {
            if {[there $cell $name $rule] && ![info exists ::stub::driver($cell/$name)]} {
                fail "$cell/$name is not connected"
            }
        }
        foreach {name type} [concat [of $cell masters] [of $cell slaves]] {
            if {[there $cell $name {}] && ![info exists ::stub::joined($cell/$name)]} {
                fail "$cell/$name is not connected"
            }
        }
    }
    foreach {key widths} {mm2s {c_m_axi_mm2s_data_width c_m_axis_mm2s_tdata_width}
                          s2mm {c_m_axi_s2mm_data_width c_s_axis_s2mm_tdata_width}} {
        lassign $widths memory stream
        if {[param dma $stream] > [param dma $memory]} { fail "the DMA's $key stream is wider than its memory" }
        if {[lsearch {8 16 32 64 128 256 512 1024} [param dma $stream]] < 0} { fail "no such stream" }
    }
    if {[param dma c_m_axis_mm2s_tdata_width] != $::stub::in_bits} { fail "input words of $::stub::in_bits bits" }
    if {[param dma c_s_axis_s2mm_tdata_width] != $::stub::out_bits} { fail "output words of $::stub::out_bits bits" }
    note validate_bd_design
}
proc save_bd_design {} {}
proc generate_target {what files} {
    set folder [file join $::stub::project_dir accelerator.gen sources_1 bd $::stub::design hw_handoff]
    file mkdir $folder
    close [open [file join $folder $::stub::design.hwh] w]
}
proc make_wrapper {flag files top} {
    set ::stub::wrapper ${::stub::design}_wrapper
    return [file join $::stub::project_dir $::stub::wrapper.v]
}
proc add_files {flag path} { note add_files [file tail $path] }
proc update_compile_order {flag set} {}
proc launch_runs {run flag step flag2 jobs} {
    if {$run ne "impl_1" || $flag ne "-to_step" || $step ne "write_bitstream"} { fail "launch_runs $run $step" }
    set folder [file join $::stub::project_dir runs $run]
    file mkdir $folder
    close [open [file join $folder $::stub::wrapper.bit] w]
    note launch_runs $jobs
}
proc wait_on_run {run} {}
proc unknown {args} { fail "Vivado or Tcl knows no command [lindex $args 0]" }

set argv {}
proc source_script {path} { uplevel #0 [list source $path] }
source_script $script
note finished
close $stub::log
