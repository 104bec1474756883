/* Registers and buffers of the accelerator under Linux: UIO for both register files, u-dma-buf for memory. */
#ifndef GATEWRIGHT_UIO_H
#define GATEWRIGHT_UIO_H

#include "gatewright_zynq.h"

struct gw_uio {
    int core_file;
    int dma_file;
    int memory_file;
    int interrupts; /* whether the core's file has any: a device, not a plain file */
    volatile uint32_t *registers[2]; /* by enum gw_space */
    uint8_t *memory;                 /* what the DMA sees at `address` */
    size_t size;
    uint32_t address;
};

/* Opens the three devices. `core` and `dma` are UIO devices (/dev/uio0), `memory` is a u-dma-buf device
 * (/dev/udmabuf0), `sysfs` its folder (/sys/class/u-dma-buf/udmabuf0). GW_SYSTEM leaves nothing open. */
int gw_uio_open(struct gw_uio *uio, const char *core, const char *dma, const char *memory, const char *sysfs);

/* A bus for gw_open, as long as `uio` stays open; waits sleep until the accelerator interrupts. */
struct gw_bus gw_uio_bus(struct gw_uio *uio);

void gw_uio_close(struct gw_uio *uio);

#endif
