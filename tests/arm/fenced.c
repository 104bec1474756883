/* One inference with each buffer against memory that may not be touched: behind its end, then before it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include "image.h"

static int8_t *fenced(size_t size, int end)
{
    char *all = mmap(0, 3 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + (1 << 16);
    mprotect(all, 1 << 16, PROT_READ | PROT_WRITE);
    return (int8_t *)(end ? all + (1 << 16) - size : all);
}

int main(void)
{
    int end, i;
    for (end = 0; end < 2; end++) {
        size_t bytes = (image_context_size() + 63) / 64 * 64;
        int8_t *x = fenced(IMAGE_INPUT_ELEMENTS, end), *y = fenced(IMAGE_OUTPUT_ELEMENTS, end);
        image_context *context = image_init(fenced(bytes, end));
        for (i = 0; i < IMAGE_INPUT_ELEMENTS; i++)
            x[i] = i * 5 % 8;
        image_run(context, x, y);
        image_free(context);
        for (i = 0; i < IMAGE_OUTPUT_ELEMENTS; i++)
            printf("%d ", y[i]);
    }
    return 0;
}
