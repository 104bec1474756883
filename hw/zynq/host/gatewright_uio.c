#define _POSIX_C_SOURCE 200809L
#include "gatewright_uio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CORE_SIZE 0x1000u
#define DMA_SIZE 0x1000u
/* A wait looks at the registers again after this, should an interrupt be lost. */
#define SLEEP_MS 10

static int read_number(const char *folder, const char *name, uint64_t *value) {
    char path[512], text[64], *end;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return GW_SYSTEM;
    }
    FILE *file = fopen(path, "r");
    if (!file) return GW_SYSTEM;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    errno = 0;
    if (line) *value = strtoull(text, &end, 0);
    if (!line || errno || end == text) {
        errno = EINVAL;
        return GW_SYSTEM;
    }
    return GW_OK;
}

static void *map(int file, size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int gw_uio_open(struct gw_uio *uio, const char *core, const char *dma, const char *memory, const char *sysfs) {
    uint64_t address, size;
    struct stat about;
    memset(uio, 0, sizeof *uio);
    uio->core_file = open(core, O_RDWR);
    uio->dma_file = open(dma, O_RDWR);
    uio->memory_file = open(memory, O_RDWR | O_SYNC); /* O_SYNC: not through the caches */
    if (uio->core_file < 0 || uio->dma_file < 0 || uio->memory_file < 0) goto fail;
    if (fstat(uio->core_file, &about)) goto fail;
    uio->interrupts = S_ISCHR(about.st_mode);
    if (read_number(sysfs, "phys_addr", &address) || read_number(sysfs, "size", &size)) goto fail;
    if (address + size > UINT64_C(1) << 32 || size == 0) {
        errno = ERANGE;
        goto fail;
    }
    uio->address = (uint32_t)address;
    uio->size = (size_t)size;
    uio->registers[GW_CORE] = map(uio->core_file, CORE_SIZE);
    uio->registers[GW_DMA] = map(uio->dma_file, DMA_SIZE);
    uio->memory = map(uio->memory_file, uio->size);
    if (uio->registers[GW_CORE] && uio->registers[GW_DMA] && uio->memory) return GW_OK;
fail: {
    int reason = errno;
    gw_uio_close(uio);
    errno = reason;
    return GW_SYSTEM;
}
}

void gw_uio_close(struct gw_uio *uio) {
    if (uio->registers[GW_CORE]) munmap((void *)uio->registers[GW_CORE], CORE_SIZE);
    if (uio->registers[GW_DMA]) munmap((void *)uio->registers[GW_DMA], DMA_SIZE);
    if (uio->memory) munmap(uio->memory, uio->size);
    if (uio->core_file >= 0) close(uio->core_file);
    if (uio->dma_file >= 0) close(uio->dma_file);
    if (uio->memory_file >= 0) close(uio->memory_file);
    memset(uio, 0, sizeof *uio);
    uio->core_file = uio->dma_file = uio->memory_file = -1;
}

static uint32_t read_register(void *self, enum gw_space space, uint32_t offset) {
    struct gw_uio *uio = self;
    uint32_t value = uio->registers[space][offset / 4];
    __sync_synchronize(); /* what the DMA wrote before is seen after */
    return value;
}

static void write_register(void *self, enum gw_space space, uint32_t offset, uint32_t value) {
    struct gw_uio *uio = self;
    __sync_synchronize(); /* what the DMA is to read is there before */
    uio->registers[space][offset / 4] = value;
}

static void sleep_until_interrupt(void *self) {
    struct gw_uio *uio = self;
    uint32_t enable = 1, count;
    struct pollfd ready = {uio->core_file, POLLIN, 0};
    struct timespec nap = {0, 1000000};
    /* Writing 1 lets a UIO device interrupt once more; one that cannot refuses. */
    if (!uio->interrupts || write(uio->core_file, &enable, sizeof enable) != (ssize_t)sizeof enable)
        nanosleep(&nap, NULL);
    else if (poll(&ready, 1, SLEEP_MS) > 0 && read(uio->core_file, &count, sizeof count) < 0)
        return;
}

struct gw_bus gw_uio_bus(struct gw_uio *uio) {
    struct gw_bus bus = {uio, read_register, write_register, sleep_until_interrupt};
    return bus;
}
