/* Linear layers in bf16 with fp32 sums: prepacked weights, and the epilogue of one block woven into the next one's products.
 *
 * Activations stand in panels of 32 columns, [columns / 32][stride][32], so that any 16 rows in a row are one tile.
 * Weights stand in panels of 32 outputs, [outputs / 32][inputs / 32][2][16][16][2]: the tiles in the order of their use.
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
    const bf16 *weight;
    const float *bias;
    int inputs, outputs;
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
    const float *sums; /* [32][32], or NULL */
    const float *bias; /* [32] */
    void *to;          /* where row 0 goes: 32 bf16 or 32 floats */
    long step;         /* bytes from row to row there */
    int rows;
} pending;

static inline __attribute__((always_inline)) void finish_rows(const pending *p, int from, int until, epilogue kind) {
    const __m512 bias_low = _mm512_loadu_ps(p->bias), bias_high = _mm512_loadu_ps(p->bias + 16);
    for (int row = from; row < until; row++) {
        __m512 low = _mm512_add_ps(_mm512_load_ps(p->sums + row * BLOCK), bias_low);
        __m512 high = _mm512_add_ps(_mm512_load_ps(p->sums + row * BLOCK + 16), bias_high);
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

/* rows x inputs times inputs x outputs of the panels first..last; `to` holds panels (bf16) or rows of `outputs` floats. */
static inline __attribute__((always_inline)) void multiply(
    panels x, int rows, const linear *layer, int first, int last, void *to, long stride, epilogue kind) {
    float sums[2][BLOCK * BLOCK] __attribute__((aligned(64)));
    const int steps = layer->inputs / PANEL, blocks = (rows + BLOCK - 1) / BLOCK;
    const long panel = (long)layer->inputs * PANEL;
    const int ahead = (BLOCK + blocks - 1) / blocks; /* cache lines to fetch a step, so that the next panel is there */
    const int finished = (BLOCK + steps - 1) / steps;
    pending before = {NULL, NULL, NULL, 0, 0};
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
                tile_product(0, 4, 6);
                tile_load(7, b + TILE_VALUES, TILE_BYTES);
                tile_product(1, 4, 7);
                if (there > TILE_ROWS) {
                    tile_load(5, here + TILE_VALUES, TILE_BYTES);
                    tile_product(2, 5, 6);
                    tile_product(3, 5, 7);
                }
                for (int line = 0; line < ahead; line++, next += 64) _mm_prefetch(next, _MM_HINT_T1);
                if (done < before.rows) {
                    const int until = done + finished < before.rows ? done + finished : before.rows;
                    finish_rows(&before, done, until, kind);
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
            if (kind == TO_FLOATS) {
                before.to = (float *)to + (long)top * stride + column * PANEL;
                before.step = stride * (long)sizeof(float);
            } else {
                before.to = (bf16 *)to + ((column - first) * stride + top) * PANEL;
                before.step = PANEL * (long)sizeof(bf16);
            }
        }
    }
    if (before.sums) finish_rows(&before, 0, before.rows, kind);
}

static void to_panels(panels x, int rows, const linear *layer, int first, int last, panels to) {
    multiply(x, rows, layer, first, last, to.at, to.stride, TO_BF16);
}

static void to_gelu(panels x, int rows, const linear *layer, panels to) {
    multiply(x, rows, layer, 0, layer->outputs / PANEL, to.at, to.stride, TO_GELU);
}

static void to_floats(panels x, int rows, const linear *layer, float *to) {
    multiply(x, rows, layer, 0, layer->outputs / PANEL, to, layer->outputs, TO_FLOATS);
}

#endif
