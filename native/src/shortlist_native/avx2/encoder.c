/* The same BERT encoder in int16 with AVX2 alone: products exact in 32 bits, everything between them in fp32.
 *
 * Nothing is padded, and the last layer is computed for position 0 alone where that is all the head reads.
 */
#if defined(__x86_64__) && defined(__linux__)
#pragma GCC target("avx2,fma,bmi2")

#include "../groups.h"
#include "../memory.h"
#include "../outcomes.h"
#include "attention.h"
#include "rows.h"

enum { GROUP_TOKENS = 256, FEED_ROWS = 48, LINE = 64 };

typedef struct {
    floats x, first;            /* of all tokens; of position 0 of each sequence */
    shorts rounded, rounded_first;
    floats qkv, first_query, inner, sums;
    shorts rounded_inner;
    float *attention;
} workspace;

static char *taken(char **at, size_t size) {
    char *found = *at;
    *at += (size + LINE - 1) / LINE * LINE;
    return found;
}

static floats floats_of(char **at, int rows, int width) {
    return (floats){(float *)taken(at, (size_t)rows * width * sizeof(float)), width};
}

static shorts shorts_of(char **at, int rows, int width) {
    int16_t *values = (int16_t *)taken(at, (size_t)rows * width * sizeof(int16_t));
    return (shorts){values, (float *)taken(at, rows * sizeof(float)), width};
}

/* Lay the workspace out from `at` on; returns where it ends. */
static char *laid_out(const model *m, char *at, int tokens, int count, int longest, workspace *w) {
    w->x = floats_of(&at, tokens, m->hidden);
    w->first = floats_of(&at, count, m->hidden);
    w->rounded = shorts_of(&at, tokens, m->hidden);
    w->rounded_first = shorts_of(&at, count, m->hidden);
    w->qkv = floats_of(&at, tokens, 3 * m->hidden);
    w->first_query = floats_of(&at, count, m->hidden);
    w->inner = floats_of(&at, FEED_ROWS, m->feed);
    w->sums = floats_of(&at, FEED_ROWS, m->hidden);
    w->rounded_inner = shorts_of(&at, FEED_ROWS, m->feed);
    w->attention = (float *)taken(&at, attention_bytes(longest, m->hidden / m->heads));
    return at;
}

static floats floats_from(floats all, int row, int column) { return (floats){all.at + row * all.stride + column, all.stride}; }

static shorts shorts_from(shorts all, int row) { return (shorts){all.at + row * all.width, all.scales + row, all.width}; }

static void embed(const model *m, const sequences *s, const norm *by, floats x) {
    const int32_t *ids = s->ids;
    const uint8_t *types = s->types;
    for (int one = 0; one < s->count; one++)
        for (int position = 0; position < s->lengths[one]; position++, x.at += x.stride, ids++, types++) {
            const float *word = m->words + (long)*ids * m->hidden, *type = m->type_rows + *types * m->hidden;
            const float *where = m->position_rows + (long)position * m->hidden;
            for (int i = 0; i < m->hidden; i++) x.at[i] = word[i] + type[i] + where[i];
            normalise(x.at, m->hidden, by);
        }
}

/* Attention of all sequences, in place of their queries; `firsts` holds those of position 0, a row a sequence, or nothing. */
static void attend_all(const model *m, const sequences *s, const workspace *w, const floats *firsts) {
    const int size = m->hidden / m->heads;
    for (int one = 0, row = 0; one < s->count; row += s->lengths[one], one++)
        for (int column = 0; column < m->hidden; column += size) {
            const floats q = firsts ? floats_from(*firsts, one, column) : floats_from(w->qkv, row, column);
            const floats k = floats_from(w->qkv, row, m->hidden + column), v = floats_from(w->qkv, row, 2 * m->hidden + column);
            attend(q, firsts ? 1 : s->lengths[one], k, v, s->lengths[one], size, q, w->attention);
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

static linear linear_at(const uint16_t *weight, const float *scales, const float *bias, int place, int inputs, int outputs) {
    const int16_t *at = (const int16_t *)weight + (size_t)place * inputs * outputs;
    return (linear){at, scales + (size_t)place * outputs, bias + (size_t)place * outputs, inputs, outputs};
}

static layer layer_at(const model *m, int place) {
    return (layer){
        linear_at(m->qkv, m->qkv_scales, m->qkv_bias, place, m->hidden, 3 * m->hidden),
        linear_at(m->mixed, m->mixed_scales, m->mixed_bias, place, m->hidden, m->hidden),
        linear_at(m->fed, m->fed_scales, m->fed_bias, place, m->hidden, m->feed),
        linear_at(m->out, m->out_scales, m->out_bias, place, m->feed, m->hidden),
        norm_at(m->mixed_norm, place, m),
        norm_at(m->out_norm, place, m),
    };
}

/* What follows attention, for `rows` rows of x, so many at a time that what is between stays in the second-level cache. */
static void feed_forward(const model *m, const layer *l, const workspace *w, floats x, shorts rounded, floats mixed, int rows) {
    for (int row = 0; row < rows; row += FEED_ROWS) {
        const int some = rows - row < FEED_ROWS ? rows - row : FEED_ROWS;
        const floats here = floats_from(x, row, 0);
        const shorts whole = shorts_from(rounded, row);
        to_short_rows(floats_from(mixed, row, 0), some, whole);
        to_floats(whole, some, &l->mixed, 0, m->hidden, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->mixed_norm, whole);
        to_gelu(whole, some, &l->fed, w->inner);
        to_short_rows(w->inner, some, w->rounded_inner);
        to_floats(w->rounded_inner, some, &l->out, 0, m->hidden, w->sums);
        add_norm(here, some, m->hidden, w->sums, &l->out_norm, whole);
    }
}

static void run_layer(const model *m, const layer *l, const sequences *s, const workspace *w, int tokens) {
    to_floats(w->rounded, tokens, &l->qkv, 0, 3 * m->hidden, w->qkv);
    attend_all(m, s, w, NULL);
    feed_forward(m, l, w, w->x, w->rounded, w->qkv, tokens);
}

/* The last layer for position 0 of each sequence, which is exact; the result stands in `w->first`. */
static void run_last(const model *m, const layer *l, const sequences *s, const workspace *w, int tokens) {
    to_floats(w->rounded, tokens, &l->qkv, m->hidden, 3 * m->hidden, w->qkv);
    for (int one = 0, row = 0; one < s->count; row += s->lengths[one], one++)
        memcpy(w->first.at + one * w->first.stride, w->x.at + row * w->x.stride, m->hidden * sizeof(float));
    to_short_rows(w->first, s->count, w->rounded_first);
    to_floats(w->rounded_first, s->count, &l->qkv, 0, m->hidden, w->first_query);
    attend_all(m, s, w, &w->first_query);
    feed_forward(m, l, w, w->first, w->rounded_first, w->first_query, s->count);
}

static void classify(const model *m, const workspace *w, int count, float *results) {
    float *pooled = w->sums.at;
    for (int one = 0; one < count; one++, results += m->labels) {
        dense(m->pooler, m->pooler_bias, w->first.at + one * w->first.stride, m->hidden, m->hidden, pooled);
        activate(pooled, m->hidden, m->gives);
        dense(m->classifier, m->classifier_bias, pooled, m->hidden, m->labels, results);
    }
}

static void average(const model *m, const sequences *s, const workspace *w, float *results) {
    const float *row = w->x.at;
    for (int one = 0; one < s->count; one++, results += m->hidden) {
        for (int i = 0; i < m->hidden; i++) results[i] = 0;
        for (int token = 0; token < s->lengths[one]; token++, row += w->x.stride)
            for (int i = 0; i < m->hidden; i++) results[i] += row[i];
        scale_to_one(results, m->hidden);
    }
}

static void take_first(const model *m, const workspace *w, int count, float *results) {
    for (int one = 0; one < count; one++, results += m->hidden) {
        memcpy(results, w->first.at + one * w->first.stride, m->hidden * sizeof(float));
        scale_to_one(results, m->hidden);
    }
}

static int encode_group(const model *m, const sequences *s, int tokens, int longest, float *results) {
    workspace w;
    const norm embedded = norm_at(m->embedding_norm, 0, m);
    char *memory = thread_memory((size_t)laid_out(m, NULL, tokens, s->count, longest, &w));
    if (!memory) return -1;
    laid_out(m, memory, tokens, s->count, longest, &w);
    embed(m, s, &embedded, w.x);
    to_short_rows(w.x, tokens, w.rounded);
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

int encode_avx2(const model *m, const sequences *s, float *results) {
    return encode_groups(m, s, GROUP_TOKENS, encode_group, results);
}

int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
#else
#include "../encoder.h"
int has_avx2(void) { return 0; }
int encode_avx2(const model *m, const sequences *s, float *results) { (void)m, (void)s, (void)results; return -1; }
#endif
