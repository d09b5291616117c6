/* A BERT encoder over packed sequences, a group of some hundred tokens at a time through all layers.
 *
 * A group is as large as its activations fit the second-level cache, so that weights are read from further away once a
 * group. Sequences are not padded; the last layer is computed for position 0 alone where that is all the head reads.
 */
#if defined(__x86_64__) && defined(__linux__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,amx-int8,fma,f16c,bmi2")

#include "../groups.h"
#include "../memory.h"
#include "../outcomes.h"
#include "attention.h"
#include "rows.h"
#include <sys/syscall.h>
#include <unistd.h>

enum { GROUP_TOKENS = 512, FEED_ROWS = 256, SLACK_ROWS = 32 };

typedef struct {
    rows_of x, first;                   /* of all tokens; of position 0 of each sequence */
    panels wide, mixed, first_query;    /* `wide` holds queries, keys and values, and then the inner feed-forward */
    float *sums;
    char *attention;
} workspace;

static size_t panel_bytes(int columns, long stride) { return (size_t)columns * stride * sizeof(bf16); }

/* Rows from panel to panel: half a first-level cache's sets apart, so that a block's panels do not evict each other. */
static long stride_of(int rows) {
    const long needed = rounded(rows, BLOCK) + SLACK_ROWS;
    return needed % 64 == 32 ? needed : needed + 32;
}

static rows_of rows_at(char **at, int hidden, long stride) {
    const size_t size = panel_bytes(hidden, stride);
    const rows_of rows = {{(bf16 *)*at, stride}, {(bf16 *)(*at + size), stride}, (float *)(*at + size + size / 2)};
    *at += size + size / 2 + stride * sizeof(float);
    return rows;
}

static panels panels_at(char **at, int columns, long stride) {
    const panels found = {(bf16 *)*at, stride};
    *at += panel_bytes(columns, stride);
    return found;
}

static int open_workspace(const model *m, int tokens, int count, int longest, workspace *w) {
    const long stride = stride_of(tokens), few = stride_of(count);
    const int widest = m->feed > 3 * m->hidden ? m->feed : 3 * m->hidden;
    const size_t row = panel_bytes(m->hidden, 1), sums = (size_t)m->hidden * stride * sizeof(float);
    const size_t some = stride * (2 * row + row / 2 + sizeof(float) + panel_bytes(widest, 1));
    char *at = thread_memory(some + few * (2 * row + row / 2 + sizeof(float)) + sums + attention_bytes(longest, m->hidden / m->heads));
    if (!at) return -1;
    w->x = rows_at(&at, m->hidden, stride);
    w->first = rows_at(&at, m->hidden, few);
    w->wide = panels_at(&at, widest, stride);
    w->mixed = panels_at(&at, m->hidden, stride);
    w->first_query = panels_at(&at, m->hidden, few);
    w->sums = (float *)at;
    w->attention = at + sums;
    return 0;
}

static void embed(const model *m, const sequences *s, const norm *by, const float *factors, rows_of x) {
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
            put_row(row, m->hidden, factors, x, place);
        }
}

static panels moved(panels from, int panel, int row) {
    return (panels){from.at + (panel * from.stride + row) * PANEL, from.stride};
}

static rows_of from_row(rows_of rows, int row) {
    return (rows_of){moved(rows.x, 0, row), moved(rows.bytes, 0, row), rows.scales + row};
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
    const float *fed_factors, *next_factors; /* for what this layer's feed-forward and the next layer read, or NULL */
} layer;

static norm norm_at(const float *rows, int place, const model *m) {
    rows += (long)place * 2 * m->hidden;
    return (norm){rows, rows + m->hidden, m->epsilon};
}

static linear linear_at(const uint16_t *weight, const float *bias, int place, int inputs, int outputs) {
    return (linear){weight + (size_t)place * inputs * outputs, bias + (size_t)place * outputs, inputs, outputs, NULL};
}

/* The same in int8, where the model is: two numbers take the room of one. */
static linear bytes_at(const model *m, const uint16_t *weight, const float *bias, const float *scales, int place, int outputs) {
    linear found = linear_at(weight, bias, place, m->hidden, outputs);
    if (m->kind == INT8) {
        found.weight = weight + (size_t)place * m->hidden * outputs / 2;
        found.scales = scales + (size_t)place * outputs;
    }
    return found;
}

static const float *factors_at(const model *m, const float *factors, int place) {
    return m->kind == INT8 && place < m->layers ? factors + (size_t)place * m->hidden : NULL;
}

static layer layer_at(const model *m, int place) {
    const int hidden = m->hidden;
    return (layer){
        bytes_at(m, m->qkv, m->qkv_bias, m->qkv_scales, place, 3 * hidden),
        linear_at(m->mixed, m->mixed_bias, place, hidden, hidden),
        bytes_at(m, m->fed, m->fed_bias, m->fed_scales, place, m->feed),
        linear_at(m->out, m->out_bias, place, m->feed, hidden),
        norm_at(m->mixed_norm, place, m),
        norm_at(m->out_norm, place, m),
        factors_at(m, m->fed_factors, place),
        factors_at(m, m->qkv_factors, place + 1),
    };
}

/* What follows attention, for `rows` rows of x, so many at a time that what is between stays in the second-level cache. */
static void feed_forward(const model *m, const layer *l, const workspace *w, rows_of x, panels mixed, int rows) {
    for (int row = 0; row < rows; row += FEED_ROWS) {
        const int some = rows - row < FEED_ROWS ? rows - row : FEED_ROWS;
        const rows_of here = from_row(x, row);
        const panels inner = {w->wide.at, stride_of(some)};
        to_floats(moved(mixed, 0, row), some, &l->mixed, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->mixed_norm, l->fed_factors);
        to_gelu(here, some, &l->fed, inner);
        to_floats(inner, some, &l->out, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->out_norm, l->next_factors);
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
    for (int one = 0, row = 0; one < s->count; row += s->lengths[one], one++) {
        copy_row(w->x.x, row, across, w->first.x, one);
        copy_row(w->x.bytes, row, across / 2, w->first.bytes, one);
        w->first.scales[one] = w->x.scales[row];
    }
    to_panels(w->first, s->count, &l->qkv, 0, across, w->first_query);
    const panels mixed = {w->mixed.at, w->first.x.stride};
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
        read_row(w->first.x, one, m->hidden, row);
        dense(m->pooler, m->pooler_bias, row, m->hidden, m->hidden, pooled);
        activate(pooled, m->hidden, m->gives);
        dense(m->classifier, m->classifier_bias, pooled, m->hidden, m->labels, results);
    }
}

static void average(const model *m, const sequences *s, const workspace *w, float *results) {
    float row[WIDEST];
    for (int one = 0, place = 0; one < s->count; one++, results += m->hidden) {
        for (int i = 0; i < m->hidden; i++) results[i] = 0;
        for (int token = 0; token < s->lengths[one]; token++, place++) {
            read_row(w->x.x, place, m->hidden, row);
            for (int i = 0; i < m->hidden; i++) results[i] += row[i];
        }
        scale_to_one(results, m->hidden);
    }
}

static void take_first(const model *m, const workspace *w, int count, float *results) {
    for (int one = 0; one < count; one++, results += m->hidden) {
        read_row(w->first.x, one, m->hidden, results);
        scale_to_one(results, m->hidden);
    }
}

static int encode_group(const model *m, const sequences *s, int tokens, int longest, float *results) {
    workspace w;
    const norm embedded = norm_at(m->embedding_norm, 0, m);
    if (open_workspace(m, tokens, s->count, longest, &w)) return -1;
    embed(m, s, &embedded, factors_at(m, m->qkv_factors, 0), w.x);
    for (int place = 0; place < m->layers; place++) {
        const layer l = layer_at(m, place);
        if (reads_first(m) && place == m->layers - 1)
            run_last(m, &l, s, &w, tokens);
        else
            run_layer(m, &l, s, &w, tokens);
    }
    if (m->gives == MEAN)
        average(m, s, &w, results);
    else if (m->gives == FIRST)
        take_first(m, &w, s->count, results);
    else
        classify(m, &w, s->count, results);
    return 0;
}

int encode_amx(const model *m, const sequences *s, float *results) {
    tiles_begin();
    const int failed = encode_groups(m, s, GROUP_TOKENS, encode_group, results);
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

void pack_bytes(const int8_t *from, int inputs, int outputs, int8_t *to) {
    for (int column = 0; column < outputs; column += PANEL)
        for (int step = 0; step < inputs; step += 2 * PANEL)
            for (int tile = 0; tile < 2; tile++)
                for (int four = 0; four < 16; four++)
                    for (int i = 0; i < 16; i++)
                        for (int k = 0; k < 4; k++)
                            *to++ = from[(size_t)(step + 4 * four + k) * outputs + column + tile * 16 + i];
}

enum { ASK_PERMISSION = 0x1023, TILE_DATA = 18 }; /* Linux, Documentation/arch/x86/xstate.rst */

static int has_units(void) {
    __builtin_cpu_init();
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw")) return 0;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return (d & 1u << 22) && (d & 1u << 24) && (d & 1u << 25); /* amx-bf16, amx-tile, amx-int8 */
}

int has_amx(void) {
    static int known = -1;
    if (known < 0) known = has_units() && syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
    return known;
}
#else
#include "../encoder.h"
int has_amx(void) { return 0; }
void pack_weight(const float *from, int inputs, int outputs, uint16_t *to) { (void)from, (void)inputs, (void)outputs, (void)to; }
void pack_bytes(const int8_t *from, int inputs, int outputs, int8_t *to) { (void)from, (void)inputs, (void)outputs, (void)to; }
int encode_amx(const model *m, const sequences *s, float *results) { (void)m, (void)s, (void)results; return -1; }
#endif
