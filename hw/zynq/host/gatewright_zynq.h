/* Runs an accelerator made by gatewright through its registers and an AXI DMA in simple mode.
 *
 * The driver needs nothing but a way to reach registers, which struct gw_bus is: gatewright_uio.c gives one for
 * Linux (UIO), bare metal gives its own. One run at a time; buffers are the caller's, in memory that the DMA
 * sees at 32-bit addresses and that no cache holds back.
 */
#ifndef GATEWRIGHT_ZYNQ_H
#define GATEWRIGHT_ZYNQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gw_space { GW_CORE = 0, GW_DMA = 1 };

/* What a function returns; 0 is success, all else negative. */
enum gw_result {
    GW_OK = 0,
    GW_WRONG_DESIGN = -1, /* the bitstream is not of this design */
    GW_TIMEOUT = -2,      /* it did not end within the polls allowed; the accelerator was reset */
    GW_BUSY = -3,         /* a run is under way */
    GW_BAD_FRAMES = -4,   /* the accelerator says that its input was wrong; it was reset */
    GW_BAD_ARGUMENT = -5, /* no frames, or more than one transfer takes */
    GW_SYSTEM = -6,       /* a file could not be opened, mapped or read; errno says why */
    GW_DMA_ERROR = -7     /* the DMA says that memory or lengths were wrong; the accelerator was reset */
};

struct gw_bus {
    void *self;
    uint32_t (*read)(void *self, enum gw_space space, uint32_t offset);
    void (*write)(void *self, enum gw_space space, uint32_t offset, uint32_t value);
    /* Sleep until the accelerator interrupts, or a while; NULL: none, the driver polls. */
    void (*sleep)(void *self);
};

struct gw_accelerator {
    struct gw_bus bus;
    uint32_t max_polls; /* of a run or a reset until GW_TIMEOUT */
    uint32_t running;   /* frames of the run under way; 0: none */
};

/* Finds the accelerator and resets it. */
int gw_open(struct gw_accelerator *accelerator, const struct gw_bus *bus, uint32_t max_polls);

/* Stops whatever runs; what was under way is lost, and the next run begins clean. */
int gw_reset(struct gw_accelerator *accelerator);

/* Starts `frames` frames that lie at bus address `in`; results will lie at `out`. */
int gw_start(struct gw_accelerator *accelerator, uint32_t in, uint32_t out, uint32_t frames);

/* 1: the run is over and its results are in memory; 0: not yet; negative: it failed. */
int gw_poll(struct gw_accelerator *accelerator);

/* Waits for the run's end. */
int gw_wait(struct gw_accelerator *accelerator);

/* Clocks that the last run took. */
uint64_t gw_clocks(const struct gw_accelerator *accelerator);

/* What a result means. */
const char *gw_message(int result);

/* Bytes of a frame in memory. */
size_t gw_in_bytes(void);
size_t gw_out_bytes(void);

/* Values of a frame. */
size_t gw_in_values(void);
size_t gw_out_values(void);

/* The network's input codes, in the graph's order (images: H, W, C), to the bytes in memory. */
void gw_pack(const int64_t *values, size_t frames, uint8_t *bytes);

/* The bytes in memory to the network's output codes. */
void gw_unpack(const uint8_t *bytes, size_t frames, int64_t *values);

#ifdef __cplusplus
}
#endif

#endif
