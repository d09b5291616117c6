/* Linear layers in int16: exact sums in 32 bits of pairs of products (`vpmaddwd`), twice as many of them as of fp32's.
 *
 * Rows and the columns of weights are scaled so that a sum fits into 32 bits whatever its signs: by Cauchy and Schwarz
 * |a . b| <= |a| |b|, and neither is longer than LONGEST for STEP inputs. Weights stand in panels of 16 outputs, two
 * inputs side by side: [outputs / 16][inputs / 2][16][2].
 */
#ifndef SHORTLIST_AVX2_LINEAR_H
#define SHORTLIST_AVX2_LINEAR_H

#include "vectors.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { ROWS = 6, COLUMNS = 16, STEP = 384 }; /* 6 x 16 sums fill the registers; 384 inputs of a panel a first-level cache */

static const float LARGEST = 32767.0f, LONGEST = 46300.0f; /* whose square is below 2^31, roundings included */

typedef enum { TO_FLOATS, TO_GELU } epilogue;

typedef struct {
    int16_t *at;   /* [rows][width] */
    float *scales; /* what a row's numbers are to be multiplied by */
    long width;
} shorts;

typedef struct {
    const int16_t *weight;
    const float *scales, *bias; /* of the outputs */
    int inputs, outputs;
} linear;

typedef struct {
    float *at;
    long stride;
} floats;

typedef int32_t __attribute__((may_alias, aligned(2))) pair; /* two numbers of a row, side by side */

/* In assembly since compilers move the products before the sums, which does not leave enough registers. */
INLINE void add_pair(__m256i *low_sums, __m256i *high_sums, const int16_t *x, __m256i low, __m256i high) {
    __m256i both, product;
    __asm__("vpbroadcastd %4, %2\n\tvpmaddwd %5, %2, %3\n\tvpaddd %3, %0, %0\n\tvpmaddwd %6, %2, %2\n\tvpaddd %2, %1, %1"
            : "+x"(*low_sums), "+x"(*high_sums), "=&x"(both), "=&x"(product)
            : "m"(*(const pair *)x), "x"(low), "x"(high));
}

/* sums[rows][16] += x[rows][inputs] times w[inputs][16]. */
INLINE void add_products(const int rows, const int16_t *x, long width, const int16_t *w, int inputs, __m256i sums[ROWS][2]) {
    for (int pair = 0; pair < inputs / 2; pair++, x += 2, w += 2 * COLUMNS) {
        const __m256i low = _mm256_loadu_si256((const __m256i *)w), high = _mm256_loadu_si256((const __m256i *)(w + COLUMNS));
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) add_pair(&sums[row][0], &sums[row][1], x + row * width, low, high);
    }
}

INLINE void multiply_block(const int rows, const int16_t *x, const float *row_scales, long width, const linear *layer, int column,
                           floats to, epilogue kind) {
    const int16_t *w = layer->weight + (size_t)column * layer->inputs;
    __m256 totals[ROWS][2];
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++) totals[row][0] = totals[row][1] = _mm256_setzero_ps();
    for (int done = 0; done < layer->inputs; done += STEP) {
        __m256i sums[ROWS][2];
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) sums[row][0] = sums[row][1] = _mm256_setzero_si256();
        const int inputs = layer->inputs - done < STEP ? layer->inputs - done : STEP;
        add_products(rows, x + done, width, w + (size_t)done * COLUMNS, inputs, sums);
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++)
            for (int half = 0; half < 2; half++)
                totals[row][half] = _mm256_add_ps(totals[row][half], _mm256_cvtepi32_ps(sums[row][half]));
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        const __m256 scales = _mm256_loadu_ps(layer->scales + column + half * LANES);
        const __m256 bias = _mm256_loadu_ps(layer->bias + column + half * LANES);
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) {
            const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(row_scales[row]));
            const __m256 sum = _mm256_fmadd_ps(totals[row][half], scale, bias);
            _mm256_storeu_ps(to.at + row * to.stride + column + half * LANES, kind == TO_GELU ? gelu(sum) : sum);
        }
    }
}

/* The columns first..last, in multiples of 16, of `rows` rows of x times the layer; column 0 would stand at `to`. */
INLINE void multiply(shorts x, int rows, const linear *layer, int first, int last, floats to, epilogue kind) {
    for (int column = first; column < last; column += COLUMNS)
        for (int row = 0; row < rows; row += ROWS) {
            const int16_t *at = x.at + row * x.width;
            const floats here = {to.at + row * to.stride, to.stride};
            switch (rows - row) {
#define BLOCK_OF(n) multiply_block(n, at, x.scales + row, x.width, layer, column, here, kind); break;
                case 1: BLOCK_OF(1)
                case 2: BLOCK_OF(2)
                case 3: BLOCK_OF(3)
                case 4: BLOCK_OF(4)
                case 5: BLOCK_OF(5)
                default: BLOCK_OF(6)
#undef BLOCK_OF
            }
        }
}

static void to_floats(shorts x, int rows, const linear *layer, int first, int last, floats to) {
    multiply(x, rows, layer, first, last, to, TO_FLOATS);
}

static void to_gelu(shorts x, int rows, const linear *layer, floats to) {
    multiply(x, rows, layer, 0, layer->outputs, to, TO_GELU);
}

/* A row of floats as int16, as long and as large as it may be. */
static void to_short_row(const float *row, int width, int16_t *to, float *scale) {
    __m256 most = _mm256_set1_ps(1e-20f);
    float longest = 0;
    for (int step = 0; step < width; step += STEP) {
        const int until = width - step < STEP ? width : step + STEP;
        __m256 squares = _mm256_setzero_ps();
        for (int i = step; i < until; i += LANES) {
            const __m256 x = _mm256_loadu_ps(row + i);
            most = _mm256_max_ps(most, absolute(x));
            squares = _mm256_fmadd_ps(x, x, squares);
        }
        const float length = sum_of(squares);
        if (length > longest || isnan(length)) longest = length; /* a NaN stays one, and so does what is computed of it */
    }
    const float by_most = most_of(most) / LARGEST, by_length = sqrtf(longest) / LONGEST;
    *scale = by_most > by_length ? by_most : by_length;
    const __m256 over = _mm256_set1_ps(1.0f / *scale);
    for (int i = 0; i < width; i += 2 * LANES) {
        const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(row + i), over));
        const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(row + i + LANES), over));
        _mm256_store_si256((__m256i *)(to + i), _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8));
    }
}

static void to_short_rows(floats from, int rows, shorts to) {
    for (int row = 0; row < rows; row++)
        to_short_row(from.at + row * from.stride, (int)to.width, to.at + row * to.width, to.scales + row);
}

#endif
