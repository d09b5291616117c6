/* Linear layers in bf16 or int8: prepacked weights, and the epilogue of one block woven into the next one's products.
 *
 * Activations stand in panels of 64 bytes, which are 32 columns of bf16 or 64 of int8: [columns / 32][stride][32], so
 * that any 16 rows in a row are one tile. Weights stand in panels of 32 outputs, the tiles in the order of their use:
 * [outputs / 32][inputs / 32][2][16][16][2], or [outputs / 32][inputs / 64][2][16][16][4].
 */
#ifndef SHORTLIST_LINEAR_H
#define SHORTLIST_LINEAR_H

#include "tiles.h"
#include <immintrin.h>
#include <stddef.h>

typedef uint16_t bf16;

enum { PANEL = 32, BLOCK = 32, TILE_VALUES = 512 };

typedef enum { TO_BF16, TO_GELU, TO_FLOATS } epilogue;

typedef struct {
    bf16 *at;    /* panels */
    long stride; /* rows from panel to panel */
} panels;

typedef struct {
    const bf16 *weight; /* or pairs of int8, where there are scales */
    const float *bias;
    int inputs, outputs;
    const float *scales; /* of the columns of an int8 weight, else NULL */
} linear;

/* x times the integral of the normal distribution up to x, less a half an odd polynomial up to |x| = 4 and flat from
 * there (weighted least squares): off by at most 1.9e-4, where bf16 resolves .004 at 1. */
#define GELU_END 4.0f
enum { GELU_COUNT = 7 };
static const float GELU_TERMS[GELU_COUNT] = {
    .3978823953501465f,     -.06457195275513052f,   .008771916308752542f,  -.0008139268772871163f,
    4.794711385803304e-05f, -1.598210349780594e-06f, 2.2774299499069214e-08f,
};

static inline __m512 gelu(__m512 x) {
    const __m512 clamped = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(GELU_END)), _mm512_set1_ps(-GELU_END));
    const __m512 square = _mm512_mul_ps(clamped, clamped);
    __m512 sum = _mm512_set1_ps(GELU_TERMS[GELU_COUNT - 1]);
#pragma GCC unroll 16
    for (int term = GELU_COUNT - 2; term >= 0; term--)
        sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(GELU_TERMS[term]));
    return _mm512_mul_ps(x, _mm512_fmadd_ps(sum, clamped, _mm512_set1_ps(.5f)));
}

static inline void store_bf16(bf16 *to, __m512 low, __m512 high) {
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

typedef struct {
    const float *sums;           /* [32][32], of int32 for bytes, or NULL */
    const float *bias, *scales;  /* [32] */
    const float *row_scales;     /* [rows], for bytes */
    void *to;                    /* where row 0 goes: 32 bf16 or 32 floats */
    long step;                   /* bytes from row to row there */
    int rows;
} pending;

static inline __attribute__((always_inline)) __m512 summed(const pending *p, int row, int half, int bytes) {
    const float *at = p->sums + row * BLOCK + half;
    const __m512 bias = _mm512_loadu_ps(p->bias + half);
    if (!bytes) return _mm512_add_ps(_mm512_load_ps(at), bias);
    const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(p->scales + half), _mm512_set1_ps(p->row_scales[row]));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(at)), scale, bias);
}

static inline __attribute__((always_inline)) void finish_rows(
    const pending *p, int from, int until, epilogue kind, int bytes) {
    for (int row = from; row < until; row++) {
        const __m512 low = summed(p, row, 0, bytes), high = summed(p, row, 16, bytes);
        char *to = (char *)p->to + row * p->step;
        if (kind == TO_FLOATS) {
            _mm512_storeu_ps(to, low);
            _mm512_storeu_ps(to + 64, high);
        } else if (kind == TO_GELU)
            store_bf16((bf16 *)to, gelu(low), gelu(high));
        else
            store_bf16((bf16 *)to, low, high);
    }
}

/* rows x inputs times inputs x outputs of the panels first..last; `to` holds panels (bf16) or rows of `outputs` floats.
 * For bytes, `row_scales` holds what a row's numbers are to be multiplied by. */
static inline __attribute__((always_inline)) void multiply(panels x, const float *row_scales, int rows, const linear *layer,
                                                           int first, int last, void *to, long stride, epilogue kind, int bytes) {
    float sums[2][BLOCK * BLOCK] __attribute__((aligned(64)));
    const int steps = layer->inputs / (bytes ? 2 * PANEL : PANEL), blocks = (rows + BLOCK - 1) / BLOCK;
    const long panel = (long)steps * 2 * TILE_VALUES;
    const int ahead = (BLOCK + blocks - 1) / blocks; /* cache lines to fetch a step, so that the next panel is there */
    const int finished = (BLOCK + steps - 1) / steps;
    pending before = {0};
#define MULTIPLY(c, a, b)              \
    if (bytes)                         \
        tile_product_bytes(c, a, b);   \
    else                               \
        tile_product(c, a, b);
    for (int column = first; column < last; column++) {
        const bf16 *weight = layer->weight + column * panel;
        const char *next = (const char *)(weight + panel);
        for (int block = 0; block < blocks; block++) {
            const int top = block * BLOCK, there = rows - top < BLOCK ? rows - top : BLOCK;
            const bf16 *a = x.at + (long)top * PANEL;
            float *c = sums[(column * blocks + block) & 1];
            int done = 0;
            tile_zero(0); tile_zero(1); tile_zero(2); tile_zero(3);
            for (int step = 0; step < steps; step++) {
                const bf16 *b = weight + (long)step * 2 * TILE_VALUES, *here = a + step * x.stride * PANEL;
                tile_load(4, here, TILE_BYTES);
                tile_load(6, b, TILE_BYTES);
                MULTIPLY(0, 4, 6)
                tile_load(7, b + TILE_VALUES, TILE_BYTES);
                MULTIPLY(1, 4, 7)
                if (there > TILE_ROWS) {
                    tile_load(5, here + TILE_VALUES, TILE_BYTES);
                    MULTIPLY(2, 5, 6)
                    MULTIPLY(3, 5, 7)
                }
                for (int line = 0; line < ahead; line++, next += 64) _mm_prefetch(next, _MM_HINT_T1);
                if (done < before.rows) {
                    const int until = done + finished < before.rows ? done + finished : before.rows;
                    finish_rows(&before, done, until, kind, bytes);
                    done = until;
                }
            }
            tile_store(0, c, 4 * BLOCK);
            tile_store(1, c + 16, 4 * BLOCK);
            if (there > TILE_ROWS) {
                tile_store(2, c + 16 * BLOCK, 4 * BLOCK);
                tile_store(3, c + 16 * BLOCK + 16, 4 * BLOCK);
            }
            before.sums = c, before.bias = layer->bias + column * PANEL, before.rows = there;
            if (bytes) before.scales = layer->scales + column * PANEL, before.row_scales = row_scales + top;
            if (kind == TO_FLOATS) {
                before.to = (float *)to + (long)top * stride + column * PANEL;
                before.step = stride * (long)sizeof(float);
            } else {
                before.to = (bf16 *)to + ((column - first) * stride + top) * PANEL;
                before.step = PANEL * (long)sizeof(bf16);
            }
        }
    }
#undef MULTIPLY
    if (before.sums) finish_rows(&before, 0, before.rows, kind, bytes);
}

/* Activations in bf16, and the same in int8 with a scale a row, where the layer that reads them is in int8. */
typedef struct {
    panels x, bytes;
    float *scales;
} rows_of;

static void to_panels(rows_of from, int rows, const linear *layer, int first, int last, panels to) {
    if (layer->scales)
        multiply(from.bytes, from.scales, rows, layer, first, last, to.at, to.stride, TO_BF16, 1);
    else
        multiply(from.x, NULL, rows, layer, first, last, to.at, to.stride, TO_BF16, 0);
}

static void to_gelu(rows_of from, int rows, const linear *layer, panels to) {
    if (layer->scales)
        multiply(from.bytes, from.scales, rows, layer, 0, layer->outputs / PANEL, to.at, to.stride, TO_GELU, 1);
    else
        multiply(from.x, NULL, rows, layer, 0, layer->outputs / PANEL, to.at, to.stride, TO_GELU, 0);
}

static void to_floats(panels x, int rows, const linear *layer, float *to) {
    multiply(x, NULL, rows, layer, 0, layer->outputs / PANEL, to, layer->outputs, TO_FLOATS, 0);
}

#endif
