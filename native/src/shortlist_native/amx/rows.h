/* What is done row by row: embeddings, residual sums, layer norms, and the head. */
#ifndef SHORTLIST_ROWS_H
#define SHORTLIST_ROWS_H

#include "linear.h"
#include <math.h>

enum { WIDEST = 1024 };

typedef struct {
    const float *scale, *offset;
    float epsilon;
} norm;

static inline __m512 widened(const bf16 *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16));
}

/* Normalise a row of `width` floats in place. */
static inline void normalise(float *row, int width, const norm *by) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += 16) sum = _mm512_add_ps(sum, _mm512_load_ps(row + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / (float)width);
    for (int i = 0; i < width; i += 16) {
        const __m512 apart = _mm512_sub_ps(_mm512_load_ps(row + i), mean);
        squares = _mm512_fmadd_ps(apart, apart, squares);
    }
    const __m512 over = _mm512_set1_ps(1.0f / sqrtf(_mm512_reduce_add_ps(squares) / (float)width + by->epsilon));
    for (int i = 0; i < width; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(row + i), mean), over);
        _mm512_store_ps(row + i, _mm512_fmadd_ps(scaled, _mm512_loadu_ps(by->scale + i), _mm512_loadu_ps(by->offset + i)));
    }
}

static inline void to_panel_row(const float *row, int width, panels to, int place) {
    for (int i = 0; i < width; i += PANEL)
        store_bf16(to.at + (i / PANEL * to.stride + place) * PANEL, _mm512_load_ps(row + i), _mm512_load_ps(row + i + 16));
}

/* The row times `factors`, a channel each, as int8: its largest number becomes 127. */
static inline void to_byte_row(const float *row, int width, const float *factors, rows_of to, int place) {
    __m512 most = _mm512_set1_ps(1e-6f);
    for (int i = 0; i < width; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_load_ps(row + i), _mm512_loadu_ps(factors + i));
        most = _mm512_max_ps(most, _mm512_abs_ps(scaled));
    }
    const float largest = _mm512_reduce_max_ps(most);
    const __m512 over = _mm512_set1_ps(127.0f / largest);
    to.scales[place] = largest / 127.0f;
    for (int i = 0; i < width; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_load_ps(row + i), _mm512_mul_ps(_mm512_loadu_ps(factors + i), over));
        int8_t *at = (int8_t *)(to.bytes.at + (i / (2 * PANEL) * to.bytes.stride + place) * PANEL) + i % (2 * PANEL);
        _mm_storeu_si128((__m128i *)at, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(scaled)));
    }
}

/* What a norm leaves: bf16, and int8 too where the next layer has `factors`. */
static inline void put_row(const float *row, int width, const float *factors, rows_of to, int place) {
    to_panel_row(row, width, to.x, place);
    if (factors) to_byte_row(row, width, factors, to, place);
}

/* x = norm(x + added), for rows of `width` floats in `added`. */
static void add_norm(rows_of to, int rows, int width, const float *added, const norm *by, const float *factors) {
    float row[WIDEST] __attribute__((aligned(64)));
    for (int place = 0; place < rows; place++, added += width) {
        for (int i = 0; i < width; i += 16) {
            const __m512 before = widened(to.x.at + (i / PANEL * to.x.stride + place) * PANEL + i % PANEL);
            _mm512_store_ps(row + i, _mm512_add_ps(before, _mm512_loadu_ps(added + i)));
        }
        normalise(row, width, by);
        put_row(row, width, factors, to, place);
    }
}

static inline void copy_row(panels from, int row, int count, panels to, int place) {
    for (int panel = 0; panel < count; panel++)
        _mm512_storeu_si512(to.at + (panel * to.stride + place) * PANEL,
                            _mm512_loadu_si512(from.at + (panel * from.stride + row) * PANEL));
}

/* y[outputs] = weight[outputs][inputs] . x[inputs] + bias, all in fp32. */
static void dense(const float *weight, const float *bias, const float *x, int inputs, int outputs, float *y) {
    for (int output = 0; output < outputs; output++, weight += inputs) {
        __m512 sum = _mm512_setzero_ps();
        for (int i = 0; i < inputs; i += 16) sum = _mm512_fmadd_ps(_mm512_loadu_ps(weight + i), _mm512_loadu_ps(x + i), sum);
        y[output] = _mm512_reduce_add_ps(sum) + bias[output];
    }
}

#endif
