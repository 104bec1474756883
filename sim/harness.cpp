// Drives one Verilated design (class Vgw_wrapper) with words and idle/stall patterns from files, checks
// the stream protocol, and writes what it saw. The twin of the bench in icarus.py: clock for clock the same.
//
// Arguments: words outputs max_clocks idle_clocks drain seed in_bits out_bits reset_clocks probe_clocks.
// Reads words.bin (words of ceil(in_bits/32) little-endian 32-bit parts), gap.txt, stall.txt (one '0' or
// '1' per clock, repeated). Writes inputs.bin and outputs.bin (64-bit clocks), data.bin, status.txt.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "Vgw_wrapper.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

using Parts = std::vector<uint32_t>;

template <typename Port>
void store(Port& port, const Parts& parts) {
    uint64_t value = parts[0];
    if (parts.size() > 1) value |= static_cast<uint64_t>(parts[1]) << 32;
    port = static_cast<Port>(value);
}

template <std::size_t N>
void store(VlWide<N>& port, const Parts& parts) {
    for (std::size_t i = 0; i < N; ++i) port[i] = parts[i];
}

template <typename Port>
void load(const Port& port, Parts& parts) {
    const uint64_t value = port;
    parts[0] = static_cast<uint32_t>(value);
    if (parts.size() > 1) parts[1] = static_cast<uint32_t>(value >> 32);
}

template <std::size_t N>
void load(const VlWide<N>& port, Parts& parts) {
    for (std::size_t i = 0; i < N; ++i) parts[i] = port[i];
}

FILE* open(const char* name, const char* mode) {
    FILE* file = std::fopen(name, mode);
    if (!file) {
        std::fprintf(stderr, "error: cannot open %s\n", name);
        std::exit(2);
    }
    return file;
}

std::string read_pattern(const char* name) {
    FILE* file = open(name, "r");
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
        if (c == '0' || c == '1') text.push_back(static_cast<char>(c));
    }
    std::fclose(file);
    return text;
}

// What sits on s_tdata while s_tvalid is low: noise, so that a design which looks at it is found out.
void scramble(Parts& parts, uint32_t bits, uint64_t& state) {
    for (uint32_t& part : parts) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        part = static_cast<uint32_t>(state >> 32);
    }
    if (bits % 32) parts.back() &= (1U << (bits % 32)) - 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 11) return 2;
    const uint64_t words = std::strtoull(argv[1], nullptr, 10);
    const uint64_t outputs = std::strtoull(argv[2], nullptr, 10);
    const uint64_t max_clocks = std::strtoull(argv[3], nullptr, 10);
    const uint64_t idle_clocks = std::strtoull(argv[4], nullptr, 10);
    const uint64_t drain = std::strtoull(argv[5], nullptr, 10);
    const int seed = std::atoi(argv[6]);
    const uint32_t in_bits = static_cast<uint32_t>(std::atoi(argv[7]));
    const uint32_t out_bits = static_cast<uint32_t>(std::atoi(argv[8]));
    const int reset_clocks = std::atoi(argv[9]);
    const uint64_t probe_clocks = std::strtoull(argv[10], nullptr, 10);

    const std::string gap = read_pattern("gap.txt");
    const std::string stall = read_pattern("stall.txt");
    FILE* in_file = open("words.bin", "rb");
    FILE* inputs_file = open("inputs.bin", "wb");
    FILE* outputs_file = open("outputs.bin", "wb");
    FILE* data_file = open("data.bin", "wb");

    VerilatedContext context;
    context.randReset(2);  // registers without a reset start random, as they may in the field
    context.randSeed(seed);
    Vgw_wrapper dut{&context};
    Parts word((in_bits + 31) / 32);
    Parts noise(word.size());
    Parts data((out_bits + 31) / 32);
    Parts held(data.size());
    uint64_t noise_state = static_cast<uint64_t>(seed);

    dut.clk = 0;
    dut.rst = 1;
    dut.s_tvalid = 0;
    dut.m_tready = 0;
    for (int i = 0; i < reset_clocks; ++i) {
        dut.eval();
        dut.clk = 1;
        dut.eval();
        dut.clk = 0;
    }
    dut.rst = 0;

    const char* reason = nullptr;
    uint64_t now = 0, sent = 0, seen = 0, moved = 0, last = 0, slot = 0;
    int64_t offered = -1;
    bool have = false, waiting = false;
    while (true) {
        const bool stalled = stall[slot] == '1';
        if (!have && sent < words && gap[slot] == '0') {
            if (std::fread(word.data(), 4, word.size(), in_file) != word.size()) return 2;
            have = true;
        }
        if (have) {
            store(dut.s_tdata, word);
        } else {
            scramble(noise, in_bits, noise_state);
            store(dut.s_tdata, noise);
        }
        bool probe_valid = false, probe_ready = false;
        const bool probe = now < probe_clocks;
        if (probe) {
            dut.s_tvalid = !have;
            dut.m_tready = stalled;
            dut.eval();
            probe_valid = dut.m_tvalid;
            dut.m_tready = !stalled;
            dut.eval();
            probe_ready = dut.s_tready;
        }
        dut.s_tvalid = have;
        dut.m_tready = !stalled;
        dut.eval();
        const bool valid = dut.m_tvalid;
        if (valid) load(dut.m_tdata, data);
        if (waiting && !valid) reason = "dropped";
        else if (waiting && data != held) reason = "changed";
        else if (probe && probe_valid != valid) reason = "valid_on_ready";
        else if (probe && probe_ready != static_cast<bool>(dut.s_tready)) reason = "ready_on_valid";
        else if (valid && seen == outputs) reason = "surplus";
        if (valid && offered < 0) offered = static_cast<int64_t>(now);
        if (reason) break;
        if (have && dut.s_tready) {
            std::fwrite(&now, 8, 1, inputs_file);
            have = false;
            ++sent;
            moved = now;
        }
        if (valid && !stalled) {
            std::fwrite(&now, 8, 1, outputs_file);
            std::fwrite(data.data(), 4, data.size(), data_file);
            ++seen;
            moved = now;
            last = now;
        }
        waiting = valid && stalled;
        if (waiting) held = data;
        if (seen == outputs) {
            if (now - last >= drain) reason = "done";
        } else if (now + 1 >= max_clocks) {
            reason = "limit";
        } else if (now - moved >= idle_clocks) {
            reason = "idle";
        }
        if (reason) break;
        dut.clk = 1;
        dut.eval();
        dut.clk = 0;
        ++now;
        if (++slot == gap.size()) slot = 0;
    }
    std::fclose(inputs_file);
    std::fclose(outputs_file);
    std::fclose(data_file);
    FILE* status_file = open("status.txt", "w");
    std::fprintf(status_file, "%s %llu %lld\n", reason, static_cast<unsigned long long>(now),
                 static_cast<long long>(offered));
    std::fclose(status_file);
    dut.final();
    return 0;
}
