// Token times: when each beat of each stream moves, given when others did.
//
// A unit is worked on as far as what it waits for is known, then its neighbours are; times never change once
// they are known, so the order is free. columns.h, which columns.py writes, tells what the rows hold.

#include <stdint.h>

#include "columns.h"

// Another type than the rows' columns, so that times noted change none of them for the compiler.
typedef long long clocks;
typedef struct arrays arrays;
typedef struct channel channel;
typedef struct unit unit;

static clocks later(clocks a, clocks b) { return a > b ? a : b; }

// gw_fifo. Up to 3 entries, a beat is offered a clock after it came, and there is room a clock after the beat
// DEPTH places before has left. From 4 entries on,
//   fetched[k] = max(pushed[k] + 1, moved[k-1]),  moved[k] = max(fetched[k] + 1, popped[k-1]);
// a beat is offered a clock after it moved, and there is room a clock after the one DEPTH - 2 places before
// was fetched.

// Whether it is known when beat `wanted` is fetched.
static int fetched(const arrays *a, channel *c, int64_t wanted) {
    const clocks *pushed = a->pushed + c->base, *popped = a->popped + c->base;
    clocks *times = a->fetched + c->queue;
    for (int64_t n = c->fetched_count; n <= wanted && n < c->pushed_count; n++) {
        if (c->popped_count < n - 1) break;
        clocks clock = pushed[n] + 1;
        if (n > 0) clock = later(clock, times[n - 1] + 1);
        if (n > 1) clock = later(clock, popped[n - 2]);
        times[n] = clock;
        c->fetched_count = n + 1;
    }
    return c->fetched_count > wanted;
}

// From which clock on there is room for the next beat.
static clocks room(const arrays *a, channel *c) {
    if (c->depth < QUICK) {
        int64_t before = c->pushed_count - c->depth;
        if (before < 0) return 0;
        return before < c->popped_count ? a->popped[c->base + before] + 1 : NONE;
    }
    int64_t before = c->pushed_count - (c->depth - 2);
    if (before < 0) return 0;
    return fetched(a, c, before) ? a->fetched[c->queue + before] + 1 : NONE;
}

// From which clock on the next beat is offered, if the one before has left by then.
static clocks ready(const arrays *a, channel *c) {
    int64_t n = c->popped_count;
    if (c->depth < QUICK) return n < c->pushed_count ? a->pushed[c->base + n] + 1 : NONE;
    if (!fetched(a, c, n)) return NONE;
    clocks moved = a->fetched[c->queue + n] + 1;
    if (n > 0) moved = later(moved, a->popped[c->base + n - 1]);
    return moved + 1;
}

static void push(const arrays *a, channel *c, clocks clock) {
    a->pushed[c->base + c->pushed_count++] = clock;
}

static void pop(const arrays *a, channel *c, clocks clock) {
    a->popped[c->base + c->popped_count++] = clock;
}

static channel *port(const arrays *a, const unit *u, int64_t n) {
    return a->channels + a->ports[u->first_port + n];
}

static void source(const arrays *a, unit *u) {
    channel *c = port(a, u, 0);
    while (c->pushed_count < u->limit) {
        clocks clock = room(a, c);
        if (clock == NONE) return;
        clock = later(clock, u->freed + a->gap[u->freed % a->gap_clocks]);
        push(a, c, clock);
        u->freed = clock + 1;
    }
}

static void sink(const arrays *a, unit *u) {
    channel *c = port(a, u, 0);
    for (;;) {
        clocks clock = ready(a, c);
        if (clock == NONE) return;
        clock = later(clock, u->freed);
        clock += a->stall[clock % a->stall_clocks];
        pop(a, c, clock);
        u->freed = clock + 1;
    }
}

// A register that each output has `ratio` times before the next beat takes its place, in the same clock.

static int given(const arrays *a, unit *u, channel *c) {
    while (c->given < u->ratio) {
        clocks clock = room(a, c);
        if (clock == NONE) return 0;
        clock = later(clock, c->offered);
        push(a, c, clock);
        c->given++;
        c->offered = clock + 1;
        u->freed = later(u->freed, clock);
    }
    return 1;
}

static void in_register(const arrays *a, unit *u) {
    for (;;) {
        if (!u->holds) {
            channel *c = port(a, u, 0);
            clocks clock = ready(a, c);
            if (clock == NONE) return;
            clock = later(clock, u->freed);
            pop(a, c, clock);
            for (int64_t n = 0; n < u->outputs; n++) {
                channel *out = port(a, u, 1 + n);
                out->given = 0;
                out->offered = clock + 1;
            }
            u->holds = 1;
        }
        int all = 1;
        for (int64_t n = 0; n < u->outputs; n++) all &= given(a, u, port(a, u, 1 + n));
        if (!all) return;
        u->holds = 0;
    }
}

// A pipeline that stalls as a whole moves in enabled clocks. Real time is enabled time plus `off`, the clocks
// stalled so far, which only grows where a result waits for room; a step that waits for an operand lets
// enabled time pass. A result is a fixed number of enabled clocks behind its step, so when it leaves depends
// on no later step.

// Lets results leave as far as there is room.
static void results(const arrays *a, unit *u) {
    channel *c = port(a, u, u->inputs);
    while (u->done < u->tail) {
        clocks clock = room(a, c);
        if (clock == NONE) return;
        int64_t slot = u->ring + (u->done & u->mask);
        clock = later(clock, a->ring_clock[slot] + u->out_off);
        push(a, c, clock);
        u->out_off = a->ring_off[slot] = clock - a->ring_clock[slot];
        u->done++;
    }
}

// Fills the buffer of an input as far as there are beats and room for them.
static void fill(const arrays *a, unit *u, channel *c) {
    for (;;) {
        clocks clock = ready(a, c);
        if (clock == NONE) return;
        int64_t freed = a->table[c->free + c->place] + c->piece * u->events;
        if (freed >= u->event_count) return;
        if (freed >= 0) clock = later(clock, a->events[u->event_base + freed] + c->lag);
        clock = later(clock, c->filled);
        pop(a, c, clock);
        c->filled = clock + 1;
        if (++c->place == c->writes) {
            c->place = 0;
            c->piece++;
        }
    }
}

// From which clock on the next step has all it needs.
static clocks operands(const arrays *a, unit *u, int32_t what) {
    clocks clock = 0;
    if (what & TAKES) {
        clock = ready(a, port(a, u, (what & TAKES) - 1));
        if (clock == NONE) return NONE;
    }
    for (int64_t n = 0; n < u->buffers; n++) {
        channel *c = port(a, u, u->inputs - 1 - n);
        int64_t needed = a->table[c->need + u->position];
        if (needed < 0) continue;
        needed += u->piece * c->writes;
        if (needed >= c->popped_count) return NONE;
        clock = later(clock, a->popped[c->base + needed] + 1);
    }
    return clock;
}

// Moves `clock` and `off` to the first enabled clock, from the one they are at, that is not before `wanted`;
// 0 if a result that leaves on the way has not left yet.
static int enabled(const arrays *a, unit *u, clocks wanted) {
    for (;;) {
        clocks late = later(u->clock, wanted - u->off);
        int64_t slot = u->ring + (u->head & u->mask);
        if (u->head == u->tail || a->ring_clock[slot] > late) {
            u->clock = late;
            return 1;
        }
        if (u->head == u->done) return 0;
        u->clock = later(u->clock, a->ring_clock[slot]);
        u->off = a->ring_off[slot];
        u->head++;
    }
}

// Notes a step, and what follows from it.
static void step(const arrays *a, unit *u, int32_t what) {
    clocks now = u->clock + u->off;
    if (what & TAKES) pop(a, port(a, u, (what & TAKES) - 1), now);
    if (what & FREES) a->events[u->event_base + u->event_count++] = now;
    for (int64_t n = 0; n < what >> RESULTS; n++) {
        a->ring_clock[u->ring + (u->tail & u->mask)] = u->clock + u->latency + n * u->spacing;
        u->tail++;
    }
    if (++u->position == u->steps) {
        u->position = 0;
        u->piece++;
    }
    u->clock += u->apart == NONE ? 1 : a->table[u->apart + u->position];
}

// Makes steps as far as operands are there and the results before them have left.
static int steps(const arrays *a, unit *u) {
    int moved = 0;
    for (;;) {
        int32_t what = a->table[u->what + u->position];
        clocks clock = operands(a, u, what);
        if (clock == NONE || !enabled(a, u, clock)) return moved;
        step(a, u, what);
        moved = 1;
    }
}

static void pipeline(const arrays *a, unit *u) {
    do {
        results(a, u);
        for (int64_t n = 0; n < u->buffers; n++) fill(a, u, port(a, u, u->inputs - 1 - n));
    } while (steps(a, u));
}

static void advance(const arrays *a, unit *u) {
    switch (u->kind) {
        case SOURCE: source(a, u); break;
        case SINK: sink(a, u); break;
        case REGISTER: in_register(a, u); break;
        default: pipeline(a, u);
    }
}

// Works on all units until none gets further. `waiting` and `queued` have a place for each: those in a queue,
// from `first` on, and whether a unit is among them.
void work_out(const arrays *a, int64_t *waiting, int8_t *queued) {
    int64_t first = 0, left = a->count;
    for (int64_t n = 0; n < a->count; n++) {
        waiting[n] = n;
        queued[n] = 1;
    }
    while (left) {
        int64_t at = waiting[first];
        unit *u = a->units + at;
        first = first + 1 < a->count ? first + 1 : 0;
        left--;
        queued[at] = 0;
        advance(a, u);
        for (int64_t n = 0; n < u->inputs + u->outputs; n++) {
            channel *c = port(a, u, n);
            int64_t *told = n < u->inputs ? &c->popped_told : &c->pushed_told;
            int64_t moved = n < u->inputs ? c->popped_count : c->pushed_count;
            int64_t other = n < u->inputs ? c->producer : c->consumer;
            if (moved == *told) continue;
            *told = moved;
            if (queued[other]) continue;
            queued[other] = 1;
            int64_t place = first + left++;
            waiting[place < a->count ? place : place - a->count] = other;
        }
    }
}
