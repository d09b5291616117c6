/* A BERT encoder over packed sequences, a group of some hundred tokens at a time through all layers.
 *
 * A group is as large as its activations fit the second-level cache, so that weights are read from further away once a
 * group. Sequences are not padded; the last layer is computed for position 0 alone where that is all the head reads.
 */
#if defined(__x86_64__) && defined(__linux__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,fma,f16c,bmi2")

#include "encoder.h"
#include "attention.h"
#include "rows.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef FEED
#define FEED 256
#define GROUP 512
#endif
enum { GROUP_TOKENS = GROUP, FEED_ROWS = FEED, SLACK_ROWS = 32 };

typedef struct {
    panels x, wide, mixed, first, first_query; /* `wide` holds queries, keys and values, and then the inner feed-forward */
    float *sums;
    char *attention;
} workspace;

static pthread_key_t owned;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make_key(void) { pthread_key_create(&owned, free); }

/* Memory of this thread, at least `size` bytes, kept until the thread ends; fresh memory is zeroed. */
static char *thread_memory(size_t size) {
    pthread_once(&once, make_key);
    size_t *block = pthread_getspecific(owned);
    if (block && *block >= size) return (char *)block + 64;
    free(block);
    pthread_setspecific(owned, NULL);
    const size_t whole = (size + 64 + 4095) / 4096 * 4096;
    block = aligned_alloc(4096, whole);
    if (!block) return NULL;
    memset(block, 0, whole);
    *block = whole - 64;
    pthread_setspecific(owned, block);
    return (char *)block + 64;
}

static size_t panel_bytes(int columns, long stride) { return (size_t)columns * stride * sizeof(bf16); }

/* Rows from panel to panel: half a first-level cache's sets apart, so that a block's panels do not evict each other. */
static long stride_of(int rows) {
    const long needed = rounded(rows, BLOCK) + SLACK_ROWS;
    return needed % 64 == 32 ? needed : needed + 32;
}

static int open_workspace(const model *m, int tokens, int count, int longest, workspace *w) {
    const long stride = stride_of(tokens), few = stride_of(count);
    const int widest = m->feed > 3 * m->hidden ? m->feed : 3 * m->hidden;
    const size_t x = panel_bytes(m->hidden, stride), wide = panel_bytes(widest, stride), first = panel_bytes(m->hidden, few);
    const size_t sums = (size_t)m->hidden * stride * sizeof(float);
    char *at = thread_memory(2 * x + wide + 2 * first + sums + attention_bytes(longest, m->hidden / m->heads));
    if (!at) return -1;
    w->x = (panels){(bf16 *)at, stride};
    w->mixed = (panels){(bf16 *)(at += x), stride};
    w->wide = (panels){(bf16 *)(at += x), stride};
    w->first = (panels){(bf16 *)(at += wide), few};
    w->first_query = (panels){(bf16 *)(at += first), few};
    w->sums = (float *)(at += first);
    w->attention = at + sums;
    return 0;
}

static void embed(const model *m, const sequences *s, const norm *by, panels x) {
    float row[WIDEST] __attribute__((aligned(64)));
    const int32_t *ids = s->ids;
    const uint8_t *types = s->types;
    for (int one = 0, place = 0; one < s->count; one++)
        for (int position = 0; position < s->lengths[one]; position++, place++, ids++, types++) {
            const float *word = m->words + (long)*ids * m->hidden, *type = m->type_rows + *types * m->hidden;
            const float *where = m->position_rows + position * m->hidden;
            for (int i = 0; i < m->hidden; i += 16) {
                const __m512 typed = _mm512_add_ps(_mm512_loadu_ps(word + i), _mm512_loadu_ps(type + i));
                _mm512_store_ps(row + i, _mm512_add_ps(typed, _mm512_loadu_ps(where + i)));
            }
            normalise(row, m->hidden, by);
            to_panel_row(row, m->hidden, x, place);
        }
}

static panels moved(panels from, int panel, int row) {
    return (panels){from.at + (panel * from.stride + row) * PANEL, from.stride};
}

/* Attention of all sequences; `firsts` holds the queries of position 0, one row a sequence, when only those are asked. */
static void attend_all(const model *m, const sequences *s, const workspace *w, panels keys, const panels *firsts, panels to) {
    const int size = m->hidden / m->heads, halves = size / PANEL, across = m->hidden / PANEL;
    for (int one = 0, row = 0; one < s->count; row += s->lengths[one], one++)
        for (int head = 0; head < m->heads; head++) {
            const panels k = moved(keys, head * halves, row), v = moved(keys, across + head * halves, row);
            const panels q = firsts ? moved(*firsts, head * halves, one) : moved(w->wide, head * halves, row);
            const panels mixed = moved(to, head * halves, firsts ? one : row);
            attend(q, firsts ? 1 : s->lengths[one], k, v, s->lengths[one], size, mixed, w->attention);
        }
}

typedef struct {
    linear qkv, mixed, fed, out;
    norm mixed_norm, out_norm;
} layer;

static norm norm_at(const float *rows, int place, const model *m) {
    rows += (long)place * 2 * m->hidden;
    return (norm){rows, rows + m->hidden, m->epsilon};
}

static linear linear_at(const uint16_t *weight, const float *bias, int place, int inputs, int outputs) {
    return (linear){weight + (size_t)place * inputs * outputs, bias + (size_t)place * outputs, inputs, outputs};
}

static layer layer_at(const model *m, int place) {
    const int hidden = m->hidden;
    return (layer){
        linear_at(m->qkv, m->qkv_bias, place, hidden, 3 * hidden),
        linear_at(m->mixed, m->mixed_bias, place, hidden, hidden),
        linear_at(m->fed, m->fed_bias, place, hidden, m->feed),
        linear_at(m->out, m->out_bias, place, m->feed, hidden),
        norm_at(m->mixed_norm, place, m),
        norm_at(m->out_norm, place, m),
    };
}

/* What follows attention, for `rows` rows of x, so many at a time that what is between stays in the second-level cache. */
static void feed_forward(const model *m, const layer *l, const workspace *w, panels x, panels mixed, int rows) {
    for (int row = 0; row < rows; row += FEED_ROWS) {
        const int some = rows - row < FEED_ROWS ? rows - row : FEED_ROWS;
        const panels here = moved(x, 0, row), inner = {w->wide.at, stride_of(some)};
        to_floats(moved(mixed, 0, row), some, &l->mixed, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->mixed_norm);
        to_gelu(here, some, &l->fed, inner);
        to_floats(inner, some, &l->out, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->out_norm);
    }
}

static void run_layer(const model *m, const layer *l, const sequences *s, const workspace *w, int tokens) {
    const int across = m->hidden / PANEL;
    to_panels(w->x, tokens, &l->qkv, 0, 3 * across, w->wide);
    attend_all(m, s, w, moved(w->wide, across, 0), NULL, w->mixed);
    feed_forward(m, l, w, w->x, w->mixed, tokens);
}

/* The last layer for position 0 of each sequence, which is exact; the result stands in `w->first`. */
static void run_last(const model *m, const layer *l, const sequences *s, const workspace *w, int tokens) {
    const int across = m->hidden / PANEL;
    to_panels(w->x, tokens, &l->qkv, across, 3 * across, w->wide);
    for (int one = 0, row = 0; one < s->count; row += s->lengths[one], one++)
        copy_row(w->x, row, m->hidden, w->first, one);
    to_panels(w->first, s->count, &l->qkv, 0, across, w->first_query);
    const panels mixed = {w->mixed.at, w->first.stride};
    attend_all(m, s, w, w->wide, &w->first_query, mixed);
    feed_forward(m, l, w, w->first, mixed, s->count);
}

static void read_row(panels x, int place, int width, float *row) {
    for (int i = 0; i < width; i += 16)
        _mm512_storeu_ps(row + i, widened(x.at + (i / PANEL * x.stride + place) * PANEL + i % PANEL));
}

static void classify(const model *m, const workspace *w, int count, float *results) {
    float row[WIDEST], pooled[WIDEST];
    for (int one = 0; one < count; one++, results += m->labels) {
        read_row(w->first, one, m->hidden, row);
        dense(m->pooler, m->pooler_bias, row, m->hidden, m->hidden, pooled);
        for (int i = 0; i < m->hidden; i++) pooled[i] = tanhf(pooled[i]);
        dense(m->classifier, m->classifier_bias, pooled, m->hidden, m->labels, results);
    }
}

static void average(const model *m, const sequences *s, const workspace *w, float *results) {
    float row[WIDEST];
    for (int one = 0, place = 0; one < s->count; one++, results += m->hidden) {
        double squares = 0;
        for (int i = 0; i < m->hidden; i++) results[i] = 0;
        for (int token = 0; token < s->lengths[one]; token++, place++) {
            read_row(w->x, place, m->hidden, row);
            for (int i = 0; i < m->hidden; i++) results[i] += row[i];
        }
        for (int i = 0; i < m->hidden; i++) squares += (double)results[i] * results[i];
        const float over = 1.0f / (float)fmax(sqrt(squares), 1e-12);
        for (int i = 0; i < m->hidden; i++) results[i] *= over;
    }
}

static int encode_group(const model *m, const sequences *s, int tokens, int longest, float *results) {
    workspace w;
    const norm embedded = norm_at(m->embedding_norm, 0, m);
    if (open_workspace(m, tokens, s->count, longest, &w)) return -1;
    embed(m, s, &embedded, w.x);
    for (int place = 0; place < m->layers; place++) {
        const layer l = layer_at(m, place);
        if (m->labels && place == m->layers - 1)
            run_last(m, &l, s, &w, tokens);
        else
            run_layer(m, &l, s, &w, tokens);
    }
    if (m->labels)
        classify(m, &w, s->count, results);
    else
        average(m, s, &w, results);
    return 0;
}

int encode(const model *m, const sequences *s, float *results) {
    const int columns = m->labels ? m->labels : m->hidden;
    sequences group = *s;
    int failed = 0;
    tiles_begin();
    for (int done = 0; done < s->count && !failed;) {
        int tokens = 0, longest = 0, count = 0;
        for (; done + count < s->count; count++) {
            const int length = s->lengths[done + count];
            if (count && tokens + length > GROUP_TOKENS) break;
            tokens += length;
            longest = length > longest ? length : longest;
        }
        group.lengths = s->lengths + done;
        group.count = count;
        failed = encode_group(m, &group, tokens, longest, results + (size_t)done * columns);
        group.ids += tokens;
        group.types += tokens;
        done += count;
    }
    tiles_end();
    return failed;
}

void pack_weight(const float *from, int inputs, int outputs, uint16_t *to) {
    for (int column = 0; column < outputs; column += PANEL)
        for (int step = 0; step < inputs; step += PANEL)
            for (int tile = 0; tile < 2; tile++)
                for (int pair = 0; pair < 16; pair++)
                    for (int i = 0; i < 16; i++)
                        for (int odd = 0; odd < 2; odd++) {
                            const float value = from[(size_t)(step + 2 * pair + odd) * outputs + column + tile * 16 + i];
                            const __m128bh one = _mm_cvtneps_pbh(_mm_set_ss(value));
                            *to++ = (uint16_t)_mm_extract_epi16((__m128i)one, 0);
                        }
}

enum { ASK_PERMISSION = 0x1023, TILE_DATA = 18 }; /* Linux, Documentation/arch/x86/xstate.rst */

int can_encode(void) {
    __builtin_cpu_init();
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw")) return 0;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    if (!(d & 1u << 24) || !(d & 1u << 22)) return 0; /* amx-tile, amx-bf16 */
    return syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
}
#else
#include "encoder.h"
int can_encode(void) { return 0; }
void pack_weight(const float *from, int inputs, int outputs, uint16_t *to) { (void)from, (void)inputs, (void)outputs, (void)to; }
int encode(const model *m, const sequences *s, float *results) { (void)m, (void)s, (void)results; return -1; }
#endif
