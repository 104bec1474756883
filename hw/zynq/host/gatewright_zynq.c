/* The accelerator's registers (docs/zynq.md) and those of AXI DMA in simple mode (AMD PG021). */
#include "gatewright_zynq.h"

#include "gatewright_design.h"

enum {
    CORE_ID = 0x00, CORE_VERSION = 0x04, CORE_DESIGN = 0x08, CORE_CONTROL = 0x0c, CORE_STATUS = 0x10,
    CORE_IRQ_ENABLE = 0x14, CORE_IRQ_STATUS = 0x18, CORE_WANTED = 0x1c, CORE_FRAMES_OUT = 0x24,
    CORE_CLOCKS = 0x34, CORE_CLOCKS_HIGH = 0x38, CORE_ERRORS = 0x3c
};
enum {
    MM2S_CONTROL = 0x00, MM2S_STATUS = 0x04, MM2S_ADDRESS = 0x18, MM2S_LENGTH = 0x28,
    S2MM_CONTROL = 0x30, S2MM_STATUS = 0x34, S2MM_ADDRESS = 0x48, S2MM_LENGTH = 0x58
};
#define GW_ID 0x67776178u
#define START 1u
#define SOFT_RESET 2u
#define IN_RESET 4u
#define IRQ_DONE 1u
#define DMA_RUN 1u
#define DMA_RESET 4u
#define DMA_HALTED 1u
#define DMA_IDLE 2u
#define DMA_ERRORS 0x70u
/* A transfer's length has 26 bits. */
#define MOST_BYTES ((1u << 26) - 1u)

static uint32_t get(const struct gw_accelerator *a, enum gw_space space, uint32_t offset) {
    return a->bus.read(a->bus.self, space, offset);
}

static void put(const struct gw_accelerator *a, enum gw_space space, uint32_t offset, uint32_t value) {
    a->bus.write(a->bus.self, space, offset, value);
}

static int until(const struct gw_accelerator *a, enum gw_space space, uint32_t offset, uint32_t mask,
                 uint32_t wanted) {
    for (uint32_t n = 0; n < a->max_polls; ++n) {
        if ((get(a, space, offset) & mask) == wanted) return GW_OK;
        /* A reset takes a few clocks; whoever is slower is not waited for at full speed. */
        if (n >= 64 && a->bus.sleep) a->bus.sleep(a->bus.self);
    }
    return GW_TIMEOUT;
}

int gw_open(struct gw_accelerator *a, const struct gw_bus *bus, uint32_t max_polls) {
    a->bus = *bus;
    a->max_polls = max_polls;
    a->running = 0;
    if (get(a, GW_CORE, CORE_ID) != GW_ID || get(a, GW_CORE, CORE_VERSION) >> 16 != 1u ||
        get(a, GW_CORE, CORE_DESIGN) != GW_DESIGN_ID)
        return GW_WRONG_DESIGN;
    return gw_reset(a);
}

int gw_reset(struct gw_accelerator *a) {
    a->running = 0;
    /* The core first: a DMA takes words before it is told where to. */
    put(a, GW_CORE, CORE_CONTROL, SOFT_RESET);
    int result = until(a, GW_CORE, CORE_STATUS, IN_RESET, 0);
    if (result) return result;
    put(a, GW_CORE, CORE_IRQ_STATUS, 7u);
    put(a, GW_CORE, CORE_IRQ_ENABLE, IRQ_DONE);
    put(a, GW_DMA, MM2S_CONTROL, DMA_RESET);
    result = until(a, GW_DMA, MM2S_CONTROL, DMA_RESET, 0);
    if (result) return result;
    put(a, GW_DMA, MM2S_CONTROL, DMA_RUN);
    put(a, GW_DMA, S2MM_CONTROL, DMA_RUN);
    result = until(a, GW_DMA, MM2S_STATUS, DMA_HALTED, 0);
    return result ? result : until(a, GW_DMA, S2MM_STATUS, DMA_HALTED, 0);
}

int gw_start(struct gw_accelerator *a, uint32_t in, uint32_t out, uint32_t frames) {
    size_t longest = gw_in_bytes() > gw_out_bytes() ? gw_in_bytes() : gw_out_bytes();
    if (a->running) return GW_BUSY;
    if (frames == 0 || frames > MOST_BYTES / longest) return GW_BAD_ARGUMENT;
    a->running = frames;
    put(a, GW_CORE, CORE_WANTED, frames);
    put(a, GW_DMA, S2MM_ADDRESS, out);
    put(a, GW_DMA, S2MM_LENGTH, (uint32_t)(frames * gw_out_bytes()));
    put(a, GW_CORE, CORE_CONTROL, START);
    put(a, GW_DMA, MM2S_ADDRESS, in);
    put(a, GW_DMA, MM2S_LENGTH, (uint32_t)(frames * gw_in_bytes()));
    return GW_OK;
}

static int failed(struct gw_accelerator *a, int result) {
    int reset = gw_reset(a);
    return reset ? reset : result;
}

int gw_poll(struct gw_accelerator *a) {
    uint32_t given, taken;
    if (!a->running) return 1;
    given = get(a, GW_DMA, MM2S_STATUS);
    taken = get(a, GW_DMA, S2MM_STATUS);
    if ((given | taken) & DMA_ERRORS) return failed(a, GW_DMA_ERROR);
    if (!(taken & DMA_IDLE) || !(given & DMA_IDLE)) return 0;
    put(a, GW_CORE, CORE_IRQ_STATUS, 7u);
    if (get(a, GW_CORE, CORE_ERRORS) || get(a, GW_CORE, CORE_FRAMES_OUT) != a->running)
        return failed(a, GW_BAD_FRAMES);
    a->running = 0;
    return 1;
}

int gw_wait(struct gw_accelerator *a) {
    for (uint32_t n = 0; n < a->max_polls; ++n) {
        int state = gw_poll(a);
        if (state) return state < 0 ? state : GW_OK;
        if (a->bus.sleep) a->bus.sleep(a->bus.self);
    }
    return failed(a, GW_TIMEOUT);
}

uint64_t gw_clocks(const struct gw_accelerator *a) {
    uint64_t low = get(a, GW_CORE, CORE_CLOCKS); /* holds the upper half still */
    return low | (uint64_t)get(a, GW_CORE, CORE_CLOCKS_HIGH) << 32;
}

const char *gw_message(int result) {
    switch (result) {
    case GW_OK: return "success";
    case GW_WRONG_DESIGN: return "the bitstream must be of this design; load its accelerator.bit";
    case GW_TIMEOUT: return "the accelerator must end in time; it was reset";
    case GW_BUSY: return "one run at a time; wait for the one under way, or reset";
    case GW_BAD_FRAMES: return "the input must be whole frames; the accelerator was reset";
    case GW_BAD_ARGUMENT: return "frames must be at least one, and no more than one transfer takes";
    case GW_SYSTEM: return "a device file cannot be used; see errno";
    case GW_DMA_ERROR: return "buffers must be in memory that the DMA reaches; it was reset";
    default: return "no such result";
    }
}
