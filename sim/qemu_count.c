/* Plugin for qemu-user that counts executed instructions per translated block.
 *
 *   qemu-aarch64 -plugin qemu_count.so,out=FILE[,blocks=on] PROGRAM
 *
 * At exit FILE holds "instructions N" and "entry HEX" (where the program's entry point was loaded), with
 * blocks=on a line "block ADDRESS THREAD EXECUTIONS SIZES" for each block and thread that ran it (threads
 * are numbered as they start, the last number is that of all later ones; SIZES has one digit an instruction,
 * its bytes), and a line "mark N" for each mark: instructions executed before it. A program
 * sets a mark by a system call with two agreed arguments, getpriority(MARK_1, MARK_2), which fails.
 *
 * qemu's header is declared here, because distributions leave it out. GW_QEMU_API is the plugin API that
 * the library declares: 1 (qemu 7 and 8), 2 (from 9.0) or 7 (callbacks with user data). Counting is by a
 * callback and not inline, whose form changed between them; the sum is exact with threads too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "gate", "wrig" */
#define MARK_1 0x67617465u
#define MARK_2 0x77726967u
/* Threads told apart. */
#define THREADS 8
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
#define ARGUMENTS \
    uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8
typedef void (*exec_callback)(unsigned int vcpu, void *userdata);

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_callback call, int flags,
                                          void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_entry_code(void);

#if GW_QEMU_API >= 7
#define TRANSLATED(tb) struct qemu_plugin_tb *tb, void *userdata
#define AT_EXIT void *userdata
#define SYSCALL unsigned vcpu, int64_t number, ARGUMENTS, void *userdata
#define USERDATA , NULL
#define REGISTERED , void *userdata
#else
#define TRANSLATED(tb) plugin_id id, struct qemu_plugin_tb *tb
#define AT_EXIT plugin_id id, void *userdata
#define SYSCALL plugin_id id, unsigned vcpu, int64_t number, ARGUMENTS
#define USERDATA
#define REGISTERED
#endif
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*call)(TRANSLATED(tb)) REGISTERED);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, void (*call)(SYSCALL) REGISTERED);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*call)(AT_EXIT), void *userdata);

EXPORT int qemu_plugin_version = GW_QEMU_API;

struct block {
    struct block *next;
    uint64_t address;
    uint64_t executions[THREADS];
    size_t instructions;
    char sizes[];
};

static struct block *blocks;
static uint64_t *marks;
static size_t mark_count;
static const char *out_path;
static int with_blocks;

static void executed(unsigned int vcpu, void *userdata)
{
    unsigned int thread = vcpu < THREADS ? vcpu : THREADS - 1;

    __atomic_fetch_add(&((struct block *)userdata)->executions[thread], 1, __ATOMIC_RELAXED);
}

static void translated(TRANSLATED(tb))
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + count + 1);

    if (!block) {
        fputs("qemu_count: out of memory\n", stderr);
        abort();
    }
    block->address = qemu_plugin_tb_vaddr(tb);
    block->instructions = count;
    for (size_t i = 0; i < count; i++) {
        block->sizes[i] = (char)('0' + qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i)));
    }
    block->sizes[count] = 0;
    /* Threads translate at the same time; blocks are never taken away again. */
    block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, 1, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static uint64_t total(void)
{
    uint64_t sum = 0;

    for (struct block *b = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE); b; b = b->next) {
        for (int t = 0; t < THREADS; t++) {
            sum += __atomic_load_n(&b->executions[t], __ATOMIC_RELAXED) * b->instructions;
        }
    }
    return sum;
}

/* Marks come from one thread. */
static void called(SYSCALL)
{
    if ((uint32_t)a1 != MARK_1 || (uint32_t)a2 != MARK_2) {
        return;
    }
    marks = realloc(marks, (mark_count + 1) * sizeof *marks);
    if (!marks) {
        fputs("qemu_count: out of memory\n", stderr);
        abort();
    }
    marks[mark_count++] = total();
}

static void at_exit(AT_EXIT)
{
    FILE *out = fopen(out_path, "w");

    if (!out) {
        perror(out_path);
        return;
    }
    for (struct block *b = blocks; with_blocks && b; b = b->next) {
        for (int t = 0; t < THREADS; t++) {
            if (b->executions[t]) {
                fprintf(out, "block %" PRIx64 " %d %" PRIu64 " %s\n", b->address, t, b->executions[t], b->sizes);
            }
        }
    }
    for (size_t i = 0; i < mark_count; i++) {
        fprintf(out, "mark %" PRIu64 "\n", marks[i]);
    }
    fprintf(out, "entry %" PRIx64 "\ninstructions %" PRIu64 "\n", qemu_plugin_entry_code(), total());
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out_path = argv[i] + 4;
        } else if (strcmp(argv[i], "blocks=on") == 0) {
            with_blocks = 1;
        } else {
            fprintf(stderr, "qemu_count: unknown option %s\n", argv[i]);
            return -1;
        }
    }
    if (!out_path) {
        fputs("qemu_count: out=FILE is missing\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated USERDATA);
    qemu_plugin_register_vcpu_syscall_cb(id, called USERDATA);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
