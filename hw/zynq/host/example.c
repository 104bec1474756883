/* Reads input codes (int64, little-endian, whole frames in the graph's order) from standard input, writes
 * output codes likewise:   example /dev/uio0 /dev/uio1 /dev/udmabuf0 /sys/class/u-dma-buf/udmabuf0 < in > out */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewright_uio.h"

#define MAX_POLLS 1000000u

static int fail(int result) {
    fprintf(stderr, "example: %s%s%s\n", gw_message(result), result == GW_SYSTEM ? ": " : "",
            result == GW_SYSTEM ? strerror(errno) : "");
    return 1;
}

static int run(struct gw_accelerator *accelerator, struct gw_uio *uio, int64_t *in, int64_t *out) {
    /* Input frames from the start of the buffer, results behind them, on a boundary of 64 bytes. */
    size_t most = (uio->size - 64) / (gw_in_bytes() + gw_out_bytes());
    if (most > 256) most = 256;
    for (;;) {
        size_t frames = fread(in, gw_in_values() * sizeof *in, most, stdin);
        if (frames == 0) return GW_OK;
        size_t behind = (frames * gw_in_bytes() + 63) / 64 * 64;
        gw_pack(in, frames, uio->memory);
        int result = gw_start(accelerator, uio->address, uio->address + (uint32_t)behind, (uint32_t)frames);
        if (!result) result = gw_wait(accelerator);
        if (result) return result;
        gw_unpack(uio->memory + behind, frames, out);
        fwrite(out, gw_out_values() * sizeof *out, frames, stdout);
        fprintf(stderr, "%zu frames in %llu clocks\n", frames, (unsigned long long)gw_clocks(accelerator));
    }
}

int main(int argc, char **argv) {
    struct gw_uio uio;
    struct gw_accelerator accelerator;
    if (argc != 5) {
        fprintf(stderr, "usage: %s CORE_UIO DMA_UIO UDMABUF UDMABUF_SYSFS < in > out\n", argv[0]);
        return 2;
    }
    int result = gw_uio_open(&uio, argv[1], argv[2], argv[3], argv[4]);
    if (result) return fail(result);
    int64_t *in = malloc(256 * gw_in_values() * sizeof *in), *out = malloc(256 * gw_out_values() * sizeof *out);
    struct gw_bus bus = gw_uio_bus(&uio);
    result = in && out ? gw_open(&accelerator, &bus, MAX_POLLS) : GW_SYSTEM;
    if (!result) result = run(&accelerator, &uio, in, out);
    if (result) fail(result);
    free(in);
    free(out);
    gw_uio_close(&uio);
    return result ? 1 : 0;
}
