/* One head's attention over one sequence: scores, softmax and values never leave the first-level cache. */
#ifndef SHORTLIST_ATTENTION_H
#define SHORTLIST_ATTENTION_H

#include "linear.h"
#include <math.h>

typedef struct {
    bf16 *keys;   /* transposed: [length / 16][halves][16][16][2] */
    bf16 *values; /* two tokens side by side: [length / 32][2 * halves][16][16][2] */
    float *scores; /* [length / 16][16][16] */
    bf16 *weights; /* [length / 32][16][32] */
} attention_scratch;

static inline int rounded(int number, int step) { return (number + step - 1) / step * step; }

static size_t attention_bytes(int length, int head_size) {
    const size_t tokens = rounded(length, 32);
    return tokens * head_size * 2 * sizeof(bf16) + tokens * 16 * (sizeof(float) + sizeof(bf16)) + 4 * 64;
}

static attention_scratch attention_parts(char *at, int length, int head_size) {
    const size_t tokens = rounded(length, 32);
    attention_scratch parts;
    parts.keys = (bf16 *)at;
    parts.values = parts.keys + tokens * head_size;
    parts.scores = (float *)(parts.values + tokens * head_size);
    parts.weights = (bf16 *)(parts.scores + tokens * 16);
    return parts;
}

/* 16 rows of 16 pairs become 16 pairs of 16 rows. */
static inline void transpose_pairs(const bf16 *from, bf16 *to) {
    __m512i r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(from + i * PANEL);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm512_store_si512(to + i * 32, _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88));
        _mm512_store_si512(to + (4 + i) * 32, _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88));
        _mm512_store_si512(to + (8 + i) * 32, _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd));
        _mm512_store_si512(to + (12 + i) * 32, _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd));
    }
}

static void pack_keys(panels k, int length, int halves, bf16 *to) {
    for (int row = 0; row < length; row += 16)
        for (int half = 0; half < halves; half++, to += TILE_VALUES)
            transpose_pairs(k.at + (half * k.stride + row) * PANEL, to);
}

static void pack_values(panels v, int length, int halves, bf16 *to) {
    for (int row = 0; row < length; row += 32)
        for (int tile = 0; tile < 2 * halves; tile++, to += TILE_VALUES) {
            const bf16 *from = v.at + ((tile / 2) * v.stride + row) * PANEL + tile % 2 * 16;
            for (int pair = 0; pair < 16; pair++, from += 2 * PANEL) {
                const int left = length - row - 2 * pair; /* rows behind the sequence are another's, and must not count */
                const __m256i even = left > 0 ? _mm256_loadu_si256((const __m256i *)from) : _mm256_setzero_si256();
                const __m256i odd = left > 1 ? _mm256_loadu_si256((const __m256i *)(from + PANEL)) : _mm256_setzero_si256();
                _mm512_store_si512(to + pair * 32, _mm512_or_si512(_mm512_cvtepu16_epi32(even),
                                                                   _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16)));
            }
        }
}

/* 2 to the power of x <= 0: a polynomial for the fraction (weighted least squares), off by at most 7.6e-5 of the value. */
static const float POWER_TERMS[4] = {.9999245102334139f, .6958373684052392f, .22606510667484983f, .07802200260552096f};

static inline __m512 power_of_two(__m512 x) {
    const __m512 fraction = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    __m512 sum = _mm512_fmadd_ps(_mm512_set1_ps(POWER_TERMS[3]), fraction, _mm512_set1_ps(POWER_TERMS[2]));
    sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(POWER_TERMS[1]));
    sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(POWER_TERMS[0]));
    return _mm512_scalef_ps(sum, x);
}

/* Scores of 16 queries, in powers of two, become weights that are not yet divided by their sum; returns one over it. */
static inline float softmax_row(const float *scores, int length, bf16 *weights) {
    const int whole = length / 16, rest = length % 16;
    const __mmask16 mask = (__mmask16)((1u << rest) - 1);
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (int block = 0; block < whole; block++) most = _mm512_max_ps(most, _mm512_load_ps(scores + block * 256));
    if (rest) most = _mm512_mask_max_ps(most, mask, most, _mm512_load_ps(scores + whole * 256));
    const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    __m512 sum = _mm512_setzero_ps();
    int block = 0;
    for (; block + 1 < whole; block += 2) {
        const __m512 low = power_of_two(_mm512_sub_ps(_mm512_load_ps(scores + block * 256), top));
        const __m512 high = power_of_two(_mm512_sub_ps(_mm512_load_ps(scores + block * 256 + 256), top));
        sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
        store_bf16(weights + block / 2 * TILE_VALUES, low, high);
    }
    if (block * 16 < length) {
        __m512 pair[2];
        for (int i = 0; i < 2; i++) {
            const int left = length - (block + i) * 16;
            const __mmask16 seen = left >= 16 ? 0xffff : left > 0 ? mask : 0;
            const __m512 below = _mm512_maskz_sub_ps(seen, _mm512_maskz_load_ps(seen, scores + (block + i) * 256), top);
            pair[i] = _mm512_maskz_mov_ps(seen, power_of_two(below));
        }
        sum = _mm512_add_ps(sum, _mm512_add_ps(pair[0], pair[1]));
        store_bf16(weights + block / 2 * TILE_VALUES, pair[0], pair[1]);
    }
    return 1.0f / _mm512_reduce_add_ps(sum);
}

static inline void score_keys(panels q, int row, int length, int halves, const attention_scratch *to) {
    const int blocks = (length + 15) / 16;
    const bf16 *keys = to->keys;
    float *scores = to->scores;
    tile_load(4, q.at + (long)row * PANEL, TILE_BYTES);
    if (halves == 2) tile_load(5, q.at + (q.stride + row) * PANEL, TILE_BYTES);
#define SCORE(c)                                        \
    tile_zero(c);                                       \
    tile_load(6, keys, TILE_BYTES);                     \
    tile_product(c, 4, 6);                              \
    keys += TILE_VALUES;                                \
    if (halves == 2) {                                  \
        tile_load(7, keys, TILE_BYTES);                 \
        tile_product(c, 5, 7);                          \
        keys += TILE_VALUES;                            \
    }
    int block = 0;
    for (; block + 4 <= blocks; block += 4, scores += 4 * 256) {
        SCORE(0) SCORE(1) SCORE(2) SCORE(3)
        tile_store(0, scores, 64);
        tile_store(1, scores + 256, 64);
        tile_store(2, scores + 512, 64);
        tile_store(3, scores + 768, 64);
    }
    for (; block < blocks; block++, scores += 256) {
        SCORE(0)
        tile_store(0, scores, 64);
    }
#undef SCORE
}

/* Sums of one half (32 columns) of the values, [2][16][32] floats to be added: even and odd products apart, for speed. */
static inline void mix_values(int length, int halves, int half, const attention_scratch *from, float *sums) {
    const int blocks = (length + 31) / 32;
    const bf16 *weights = from->weights, *values = from->values + half * 2 * TILE_VALUES;
    const long step = (long)2 * halves * TILE_VALUES;
    tile_zero(0); tile_zero(1); tile_zero(2); tile_zero(3);
    int block = 0;
    for (; block + 2 <= blocks; block += 2, weights += 2 * TILE_VALUES, values += 2 * step) {
        tile_load(4, weights, TILE_BYTES);
        tile_load(6, values, TILE_BYTES);
        tile_product(0, 4, 6);
        tile_load(7, values + TILE_VALUES, TILE_BYTES);
        tile_product(1, 4, 7);
        tile_load(5, weights + TILE_VALUES, TILE_BYTES);
        tile_load(6, values + step, TILE_BYTES);
        tile_product(2, 5, 6);
        tile_load(7, values + step + TILE_VALUES, TILE_BYTES);
        tile_product(3, 5, 7);
    }
    if (block < blocks) {
        tile_load(4, weights, TILE_BYTES);
        tile_load(6, values, TILE_BYTES);
        tile_product(0, 4, 6);
        tile_load(7, values + TILE_VALUES, TILE_BYTES);
        tile_product(1, 4, 7);
    }
    tile_store(0, sums, 128);
    tile_store(1, sums + 16, 128);
    tile_store(2, sums + 512, 128);
    tile_store(3, sums + 512 + 16, 128);
}

/* The first `queries` of q attend to `length` keys and values, all from row 0; q is scaled by log2(e) / sqrt(size). */
static void attend(panels q, int queries, panels k, panels v, int length, int head_size, panels to, char *scratch) {
    const int halves = head_size / PANEL;
    const attention_scratch parts = attention_parts(scratch, length, head_size);
    float sums[2 * 16 * PANEL] __attribute__((aligned(64))), over[16];
    pack_keys(k, length, halves, parts.keys);
    pack_values(v, length, halves, parts.values);
    for (int row = 0; row < queries; row += 16) {
        const int there = queries - row < 16 ? queries - row : 16;
        score_keys(q, row, length, halves, &parts);
        for (int i = 0; i < there; i++) over[i] = softmax_row(parts.scores + i * 16, length, parts.weights + i * PANEL);
        for (int half = 0; half < halves; half++) {
            mix_values(length, halves, half, &parts, sums);
            for (int i = 0; i < there; i++) {
                const float *at = sums + i * PANEL;
                const __m512 scale = _mm512_set1_ps(over[i]);
                const __m512 low = _mm512_add_ps(_mm512_load_ps(at), _mm512_load_ps(at + 512));
                const __m512 high = _mm512_add_ps(_mm512_load_ps(at + 16), _mm512_load_ps(at + 528));
                store_bf16(to.at + (half * to.stride + row + i) * PANEL, _mm512_mul_ps(low, scale), _mm512_mul_ps(high, scale));
            }
        }
    }
}

#endif
