// A whole board (class Vboard_top) behind a serial line: bytes of standard input go to its UART, those that
// its UART sends go to standard output, with noise on the way where asked for.
//
// Arguments: clocks_per_bit idle_clocks reset_clocks button flip drop double seed. `button` is the level of
// the pin when nobody presses; flip, drop and double are of a million bytes how many are changed, lost and
// sent twice, each way. When the line has been at rest for idle_clocks, time stands still until a byte comes.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <deque>

#include "Vboard_top.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

constexpr long kMillion = 1000000;
constexpr long kPollClocks = 512;
constexpr int kFrameBits = 10;

// xorshift64*: the same noise for the same seed, wherever it is compiled.
struct Noise {
    uint64_t state;
    long flip, drop, twice;

    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return (state * 0x2545F4914F6CDD1DULL) >> 16;
    }

    bool happens(long in_a_million) { return static_cast<long>(next() % kMillion) < in_a_million; }

    template <typename Take>
    void pass(uint8_t byte, Take take) {
        if (happens(drop)) return;
        if (happens(flip)) byte ^= static_cast<uint8_t>(1 + next() % 255);
        take(byte);
        if (happens(twice)) take(byte);
    }
};

// Sends what waits, a bit after `clocks_per_bit` clocks.
struct Sender {
    long clocks_per_bit;
    std::deque<uint8_t> waiting;
    unsigned frame = 1;
    int bits = 0;
    long left = 0;

    bool active() const { return bits || !waiting.empty(); }

    int level() {
        if (left == 0) {
            if (bits) {
                frame >>= 1;
                --bits;
            }
            if (!bits) {
                if (waiting.empty()) return 1;
                frame = (waiting.front() << 1) | (1U << (kFrameBits - 1));
                waiting.pop_front();
                bits = kFrameBits;
            }
            left = clocks_per_bit;
        }
        --left;
        return static_cast<int>(frame & 1);
    }
};

// Samples the middle of each bit behind a falling edge.
struct Receiver {
    long clocks_per_bit;
    bool busy = false;
    long until = 0;
    int bits = 0;
    unsigned frame = 0;

    template <typename Take>
    void sample(int level, Take take) {
        if (!busy) {
            if (level) return;
            busy = true;
            until = clocks_per_bit / 2;
            bits = 0;
            frame = 0;
        }
        if (until-- > 0) return;
        frame |= static_cast<unsigned>(level) << bits;
        until = clocks_per_bit - 1;
        if (++bits < kFrameBits) return;
        busy = false;
        if (frame & (1U << (kFrameBits - 1))) take(static_cast<uint8_t>(frame >> 1));
    }
};

// False at the end of the input.
bool take_input(int wait_ms, Noise& noise, Sender& sender) {
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (poll(&ready, 1, wait_ms) <= 0) return true;
    uint8_t bytes[4096];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) return false;
    for (ssize_t n = 0; n < count; ++n) {
        noise.pass(bytes[n], [&](uint8_t byte) { sender.waiting.push_back(byte); });
    }
    return true;
}

void give_output(uint8_t byte) {
    if (write(STDOUT_FILENO, &byte, 1) != 1) std::exit(0);
}

void clock(Vboard_top& top) {
    top.clk_in = 0;
    top.eval();
    top.clk_in = 1;
    top.eval();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 9) return 2;
    long value[9];
    for (int n = 1; n < 9; ++n) value[n] = std::atol(argv[n]);
    const long idle_clocks = value[2];
    Noise noise{static_cast<uint64_t>(value[8]) * 2 + 1, value[5], value[6], value[7]};
    Sender sender{value[1]};
    Receiver receiver{value[1]};
    Vboard_top top;
    top.uart_rx = 1;
    top.button = value[4];
    for (long n = 0; n < value[3]; ++n) clock(top);
    long rest = 0, polled = 0;
    for (;;) {
        if (++polled >= kPollClocks || rest > idle_clocks) {
            polled = 0;
            if (!take_input(rest > idle_clocks ? -1 : 0, noise, sender)) return 0;
        }
        top.uart_rx = sender.level();
        clock(top);
        receiver.sample(top.uart_tx, [&](uint8_t byte) { noise.pass(byte, give_output); });
        rest = sender.active() || receiver.busy ? 0 : rest + 1;
    }
}
