// Runs hls4ml's C++ of a network on frames: words of doubles from frames.bin to results.bin, as many frames
// as there are. Arguments: doubles of a frame, doubles of a result.

#include <cstdio>
#include <cstdlib>
#include <vector>

extern "C" void accelerator_double(double *x, double *y);

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    std::vector<double> frame(std::strtoul(argv[1], nullptr, 10)), result(std::strtoul(argv[2], nullptr, 10));
    FILE *in = std::fopen("frames.bin", "rb"), *out = std::fopen("results.bin", "wb");
    if (!in || !out) return 2;
    while (std::fread(frame.data(), sizeof(double), frame.size(), in) == frame.size()) {
        accelerator_double(frame.data(), result.data());
        if (std::fwrite(result.data(), sizeof(double), result.size(), out) != result.size()) return 2;
    }
    std::fclose(in);
    return std::fclose(out) == 0 ? 0 : 2;
}
