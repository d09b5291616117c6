/* One head's attention over one sequence, in fp32: scores and weights of six queries at a time. */
#ifndef SHORTLIST_AVX2_ATTENTION_H
#define SHORTLIST_AVX2_ATTENTION_H

#include "linear.h"

static inline int rounded(int number, int step) { return (number + step - 1) / step * step; }

static size_t attention_bytes(int length, int size) {
    return (size_t)rounded(length, COLUMNS) * (2 * size + ROWS) * sizeof(float);
}

/* to[rows][16] = x[rows][steps] times w[steps][16]; a row comes out the same whatever the number of rows. */
INLINE void dot_products(const int rows, floats x, const float *w, int steps, floats to, const float *scales) {
    __m256 sums[ROWS][2];
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++) sums[row][0] = sums[row][1] = _mm256_setzero_ps();
    for (int step = 0; step < steps; step++, w += COLUMNS) {
        const __m256 low = _mm256_load_ps(w), high = _mm256_load_ps(w + LANES);
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) {
            const __m256 one = _mm256_broadcast_ss(x.at + row * x.stride + step);
            sums[row][0] = _mm256_fmadd_ps(one, low, sums[row][0]);
            sums[row][1] = _mm256_fmadd_ps(one, high, sums[row][1]);
        }
    }
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++)
        for (int half = 0; half < 2; half++) {
            const __m256 sum = scales ? _mm256_mul_ps(sums[row][half], _mm256_set1_ps(scales[row])) : sums[row][half];
            _mm256_storeu_ps(to.at + row * to.stride + half * LANES, sum);
        }
}

/* [length][size] to [length / 16][size][16]; columns behind the sequence are zeros. */
static void pack_keys(floats k, int length, int size, float *to) {
    for (int top = 0; top < length; top += COLUMNS, to += COLUMNS * size)
        for (int i = 0; i < COLUMNS; i++) {
            const float *from = k.at + (top + i) * k.stride;
            if (top + i < length)
                for (int d = 0; d < size; d++) to[d * COLUMNS + i] = from[d];
            else
                for (int d = 0; d < size; d++) to[d * COLUMNS + i] = 0;
        }
}

/* [length][size] to [size / 16][length][16]. */
static void pack_values(floats v, int length, int size, float *to) {
    for (int column = 0; column < size; column += COLUMNS)
        for (int row = 0; row < length; row++, to += COLUMNS)
            for (int half = 0; half < COLUMNS; half += LANES)
                _mm256_store_ps(to + half, _mm256_loadu_ps(v.at + row * v.stride + column + half));
}

/* Scores in powers of two become weights that are not yet divided by their sum; returns one over it. */
static inline float softmax_row(float *scores, int length) {
    static const int32_t SEEN[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int whole = length / LANES * LANES;
    const __m256 mask = _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)(SEEN + LANES - length % LANES)));
    const __m256 nothing = _mm256_set1_ps(-INFINITY);
    __m256 most = nothing, sum = _mm256_setzero_ps();
    for (int i = 0; i < whole; i += LANES) most = _mm256_max_ps(most, _mm256_load_ps(scores + i));
    if (whole < length) most = _mm256_max_ps(most, _mm256_blendv_ps(nothing, _mm256_load_ps(scores + whole), mask));
    const __m256 top = _mm256_set1_ps(most_of(most));
    for (int i = 0; i < whole; i += LANES) {
        const __m256 weight = power_of_two(_mm256_sub_ps(_mm256_load_ps(scores + i), top));
        sum = _mm256_add_ps(sum, weight);
        _mm256_store_ps(scores + i, weight);
    }
    if (whole < length) {
        const __m256 weight = _mm256_and_ps(mask, power_of_two(_mm256_sub_ps(_mm256_load_ps(scores + whole), top)));
        sum = _mm256_add_ps(sum, weight);
        _mm256_store_ps(scores + whole, weight);
    }
    return 1.0f / sum_of(sum);
}

INLINE void attend_block(const int rows, floats q, const float *keys, const float *values, int length, int size, floats to, float *scores) {
    const floats scored = {scores, rounded(length, COLUMNS)};
    float over[ROWS];
    for (int column = 0; column < length; column += COLUMNS)
        dot_products(rows, q, keys + column * size, size, (floats){scores + column, scored.stride}, NULL);
    for (int row = 0; row < rows; row++) over[row] = softmax_row(scores + row * scored.stride, length);
    for (int column = 0; column < size; column += COLUMNS)
        dot_products(rows, scored, values + (long)column * length, length, (floats){to.at + column, to.stride}, over);
}

/* The first `queries` of q attend to `length` keys and values; q is scaled by log2(e) / sqrt(size), and `to` may be q. */
static void attend(floats q, int queries, floats k, floats v, int length, int size, floats to, float *scratch) {
    float *keys = scratch, *values = keys + rounded(length, COLUMNS) * size, *scores = values + rounded(length, COLUMNS) * size;
    pack_keys(k, length, size, keys);
    pack_values(v, length, size, values);
    for (int row = 0; row < queries; row += ROWS) {
        const floats here = {q.at + row * q.stride, q.stride}, there = {to.at + row * to.stride, to.stride};
        switch (queries - row) {
#define BLOCK_OF(n) attend_block(n, here, keys, values, length, size, there, scores); break;
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

#endif
