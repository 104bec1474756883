// Counts the transitions of every net of a mapped netlist, clock by clock, with the delays of its cells and
// wires. A net that moves and comes back within a clock is a glitch; what zero-delay simulation counts is the
// difference between settled values.
//
// Arguments: netlist operands clocks warm results. The netlist is text:
//   nets N
//   input NET                                    one line a bit, in the order of the operand file
//   output NET                                   likewise, in the order of the result file
//   ff Q D CE LSR SET PS                         CE and LSR are -1 if unused; PS from the clock to Q
//   cell lut PINS OUTS, then NET PS per pin, and per output NET TABLE and PS per pin
//   cell mul PINS OUTS, then NET PS per pin, and per output NET 0 and PS per pin; pins: A, B, then two
//   flags that tell whether A and B are signed
// Nets 0 and 1 are the constants. PS after a net is the wire's delay, in a table the cell's from that pin. A
// TABLE is hexadecimal, bit number (pin k = 2**k).
// The operand file holds a byte per bit and clock; the result file gets the outputs likewise, as they settle.
// Printed: per net, "NET total settled" of the clocks from `warm` on. An output keeps a pulse only if it is
// longer than the cell's delay (inertial), a wire keeps all.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr int kWheel = 1 << 17;  // ps; longer than any delay

struct Output {
    int net;
    uint64_t table;
    std::vector<int> ps;
    bool target = false;       // what is, or will be, on the net
    bool pending = false;
    uint32_t ticket = 0;       // of the event that is still wanted
};

struct Cell {
    bool multiplies;
    uint64_t pins = 0;
    int count;
    std::vector<Output> outputs;
};

struct Sink {
    int cell, pin, ps;
};

struct Register {
    int q, d, ce, lsr, ps;
    bool set;
};

struct Event {
    int cell;                  // -1: a net moves by itself (register or operand)
    int index;                 // pin, or output with kOutput set, or net
    uint32_t ticket;
    bool value;
};
constexpr int kOutput = 1 << 30;

std::vector<uint8_t> value_of;
std::vector<std::vector<Sink>> sinks;
std::vector<Cell> cells;
std::vector<Register> registers;
std::vector<int> inputs, outputs;
std::vector<uint64_t> moves, settled;
std::vector<std::vector<Event>> wheel(kWheel);
uint64_t waiting = 0;
bool counting = false;

void at(int64_t time, Event event) {
    wheel[time % kWheel].push_back(event);
    ++waiting;
}

uint64_t product(const Cell& cell) {
    const int half = (cell.count - 2) / 2;
    const uint64_t mask = (uint64_t{1} << half) - 1;
    int64_t a = static_cast<int64_t>(cell.pins & mask);
    int64_t b = static_cast<int64_t>(cell.pins >> half & mask);
    if ((cell.pins >> 2 * half & 1) && (a >> (half - 1))) a -= int64_t{1} << half;
    if ((cell.pins >> (2 * half + 1) & 1) && (b >> (half - 1))) b -= int64_t{1} << half;
    return static_cast<uint64_t>(a * b);
}

void evaluate(int index, int pin, int64_t now) {
    Cell& cell = cells[index];
    const uint64_t bits = cell.multiplies ? product(cell) : 0;
    for (std::size_t o = 0; o < cell.outputs.size(); ++o) {
        Output& out = cell.outputs[o];
        const bool value = cell.multiplies ? bits >> o & 1 : out.table >> cell.pins & 1;
        if (value == out.target) continue;
        out.target = value;
        ++out.ticket;
        // Back to what is on the net already: the pulse is shorter than the cell's delay, and never leaves.
        if (out.pending && value == value_of[out.net]) {
            out.pending = false;
            continue;
        }
        out.pending = true;
        at(now + out.ps[pin], {index, static_cast<int>(o) | kOutput, out.ticket, value});
    }
}

void move(int net, bool value, int64_t now) {
    if (value_of[net] == value) return;
    value_of[net] = value;
    if (counting) ++moves[net];
    for (const Sink& sink : sinks[net]) at(now + sink.ps, {sink.cell, sink.pin, 0, value});
}

void handle(const Event& event, int64_t now) {
    if (event.cell < 0) {
        move(event.index, event.value, now);
    } else if (event.index & kOutput) {
        Output& out = cells[event.cell].outputs[event.index & ~kOutput];
        if (!out.pending || event.ticket != out.ticket) return;
        out.pending = false;
        move(out.net, event.value, now);
    } else {
        Cell& cell = cells[event.cell];
        const uint64_t bit = uint64_t{1} << event.index;
        cell.pins = event.value ? cell.pins | bit : cell.pins & ~bit;
        evaluate(event.cell, event.index, now);
    }
}

int64_t settle(int64_t now) {
    int64_t last = now;
    while (waiting) {
        std::vector<Event>& slot = wheel[now % kWheel];
        for (std::size_t i = 0; i < slot.size(); ++i) {  // it may grow: delays of 0
            const Event event = slot[i];
            --waiting;
            handle(event, now);
            last = now;
        }
        slot.clear();
        ++now;
    }
    return last;
}

void read_cell(std::istream& in) {
    std::string kind;
    int pins, outs;
    in >> kind >> pins >> outs;
    Cell cell{kind == "mul", 0, pins, {}};
    for (int p = 0; p < pins; ++p) {
        int net, ps;
        in >> net >> ps;
        sinks[net].push_back({static_cast<int>(cells.size()), p, ps});
        if (net == 1) cell.pins |= uint64_t{1} << p;
    }
    for (int o = 0; o < outs; ++o) {
        Output out;
        std::string table;
        in >> out.net >> table;
        out.table = std::strtoull(table.c_str(), nullptr, 16);
        out.ps.resize(pins);
        for (int& ps : out.ps) in >> ps;
        cell.outputs.push_back(out);
    }
    cells.push_back(cell);
}

void read_netlist(const char* path) {
    std::ifstream in(path);
    std::string word;
    while (in >> word) {
        int net;
        if (word == "nets") {
            in >> net;
            value_of.assign(net, 0);
            sinks.resize(net);
            moves.assign(net, 0);
            settled.assign(net, 0);
            value_of[1] = 1;
        } else if (word == "input" || word == "output") {
            in >> net;
            (word == "input" ? inputs : outputs).push_back(net);
        } else if (word == "ff") {
            Register r;
            in >> r.q >> r.d >> r.ce >> r.lsr >> r.set >> r.ps;
            registers.push_back(r);
        } else {
            read_cell(in);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    read_netlist(argv[1]);
    std::FILE* operands = std::fopen(argv[2], "rb");
    std::FILE* results = std::fopen(argv[5], "wb");
    if (!operands || !results) return 2;
    const long clocks = std::atol(argv[3]), warm = std::atol(argv[4]);
    int64_t now = 0, slowest = 0;
    for (std::size_t c = 0; c < cells.size(); ++c) {
        if (cells[c].count == 0) return 3;
        evaluate(static_cast<int>(c), 0, now);
    }
    now = settle(now) + 1;
    std::vector<uint8_t> word(inputs.size()), seen(outputs.size()), before;
    for (long clock = 0; clock < clocks; ++clock) {
        counting = clock >= warm;
        before = value_of;
        if (std::fread(word.data(), 1, word.size(), operands) != word.size()) return 4;
        for (const Register& r : registers) {
            const bool reset = r.lsr >= 0 && value_of[r.lsr];
            const bool keep = !reset && r.ce >= 0 && !value_of[r.ce];
            if (!keep) at(now + r.ps, {-1, r.q, 0, reset ? r.set : value_of[r.d] != 0});
        }
        for (std::size_t i = 0; i < inputs.size(); ++i) at(now, {-1, inputs[i], 0, word[i] != 0});
        const int64_t end = settle(now);
        if (counting) {
            if (end - now > slowest) slowest = end - now;
            for (std::size_t n = 0; n < value_of.size(); ++n) settled[n] += before[n] != value_of[n];
        }
        now = end + 1;
        for (std::size_t i = 0; i < outputs.size(); ++i) seen[i] = value_of[outputs[i]];
        std::fwrite(seen.data(), 1, seen.size(), results);
    }
    std::fclose(results);
    std::printf("slowest %lld\n", static_cast<long long>(slowest));
    for (std::size_t n = 2; n < moves.size(); ++n) {
        if (moves[n]) {
            std::printf("%zu %llu %llu\n", n, static_cast<unsigned long long>(moves[n]),
                        static_cast<unsigned long long>(settled[n]));
        }
    }
    return 0;
}
