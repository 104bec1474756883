/* Two contexts in two threads, many times; each says the outputs of its own frame. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "image.h"
#include "vector.h"

static unsigned char memory[2][IMAGE_CONTEXT_BYTES] __attribute__((aligned(64)));
static unsigned char other[VECTOR_CONTEXT_BYTES] __attribute__((aligned(64)));
static int8_t input[2][IMAGE_INPUT_ELEMENTS], output[2][IMAGE_OUTPUT_ELEMENTS];
static int differs[2];

static void *work(void *given)
{
    int me = *(int *)given, i;
    int8_t first[IMAGE_OUTPUT_ELEMENTS];
    image_context *context = image_init(memory[me]);
    image_run(context, input[me], first);
    for (i = 0; i < 300; i++) {
        image_run(context, input[me], output[me]);
        differs[me] += memcmp(first, output[me], sizeof first) != 0;
    }
    image_free(context);
    return 0;
}

int main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    int numbers[2] = {0, 1}, i, j;
    int8_t x[VECTOR_INPUT_ELEMENTS], y[VECTOR_OUTPUT_ELEMENTS];
    pthread_t threads[2];
    if (fread(input, 1, sizeof input, file) != sizeof input || fread(x, 1, sizeof x, file) != sizeof x)
        return 1;
    for (i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, work, &numbers[i]);
    for (i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    for (i = 0; i < 2; i++)
        for (j = 0; j < IMAGE_OUTPUT_ELEMENTS; j++)
            printf("%d ", output[i][j]);
    vector_run(vector_init(other), x, y);
    for (j = 0; j < VECTOR_OUTPUT_ELEMENTS; j++)
        printf("%d ", y[j]);
    printf("%d %d %d", differs[0], differs[1], image_context_size() <= IMAGE_CONTEXT_BYTES);
    printf(" %d %d", image_init(0) == 0, image_init(memory[0] + 8) == 0);
    image_free(0);
    return 0;
}
