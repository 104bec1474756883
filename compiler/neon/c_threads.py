"""C text of a compiled network's threads: a pool in the context, and a meeting after each call."""

# Only pthread_create, pthread_join and semaphores, whose types are as large in glibc as in musl (and get room
# to spare): the same object links with both. Between calls threads spin; between inferences they sleep.
POOL = """\
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define THREADS {threads}u
#define SPINS 2000u

struct worker {{
    struct {name}_context *context;
    unsigned part;
    pthread_t thread;
    union {{
        sem_t semaphore;
        char room[64];
    }} start;
}};

struct {name}_context {{
    unsigned char arena[{arena}];
    struct worker workers[THREADS - 1u];
    atomic_uint arrived, meetings;
    int stop;
{fields}
}};
"""

MEETING = """\
/* All threads get here before any goes on. */
static void meet(struct {name}_context *context)
{{
    unsigned before = atomic_load(&context->meetings), spins = 0;
    if (atomic_fetch_add(&context->arrived, 1u) == THREADS - 1u) {{
        atomic_store(&context->arrived, 0u);
        atomic_fetch_add(&context->meetings, 1u);
        return;
    }}
    while (atomic_load(&context->meetings) == before)
        if (++spins > SPINS)
            sched_yield();
}}
"""

LIFE = """\
static void *work(void *argument)
{{
    struct worker *worker = argument;
    for (;;) {{
        while (sem_wait(&worker->start.semaphore) != 0)
            ;
        if (worker->context->stop)
            return NULL;
        calls(worker->context, worker->part);
    }}
}}

static void stop_workers(struct {name}_context *context, unsigned count)
{{
    unsigned i;
    context->stop = 1;
    for (i = 0; i < count; i++)
        sem_post(&context->workers[i].start.semaphore);
    for (i = 0; i < count; i++) {{
        pthread_join(context->workers[i].thread, NULL);
        sem_destroy(&context->workers[i].start.semaphore);
    }}
}}

static int start_workers(struct {name}_context *context)
{{
    unsigned i;
    atomic_init(&context->arrived, 0u);
    atomic_init(&context->meetings, 0u);
    context->stop = 0;
    for (i = 0; i < THREADS - 1u; i++) {{
        struct worker *worker = &context->workers[i];
        worker->context = context;
        worker->part = i + 1u;
        if (sem_init(&worker->start.semaphore, 0, 0u) != 0)
            break;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {{
            sem_destroy(&worker->start.semaphore);
            break;
        }}
    }}
    if (i == THREADS - 1u)
        return 1;
    stop_workers(context, i);
    return 0;
}}
"""

# Threads take equal parts of a call's outer loop; the first does calls that have one trip.
SHARES = """\
#define FIRST(trips) ((intptr_t)((uintptr_t)(trips)*part / THREADS))
#define LAST(trips) ((intptr_t)((uintptr_t)(trips) * (part + 1u) / THREADS))
"""
