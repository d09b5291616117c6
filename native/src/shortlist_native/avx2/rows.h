/* What is done row by row: residual sums, layer norms, and the head. */
#ifndef SHORTLIST_AVX2_ROWS_H
#define SHORTLIST_AVX2_ROWS_H

#include "linear.h"

typedef struct {
    const float *scale, *offset;
    float epsilon;
} norm;

/* Normalise a row in place. */
static void normalise(float *row, int width, const norm *by) {
    __m256 sum = _mm256_setzero_ps(), squares = _mm256_setzero_ps();
    for (int i = 0; i < width; i += LANES) sum = _mm256_add_ps(sum, _mm256_loadu_ps(row + i));
    const __m256 mean = _mm256_set1_ps(sum_of(sum) / (float)width);
    for (int i = 0; i < width; i += LANES) {
        const __m256 apart = _mm256_sub_ps(_mm256_loadu_ps(row + i), mean);
        squares = _mm256_fmadd_ps(apart, apart, squares);
    }
    const __m256 over = _mm256_set1_ps(1.0f / sqrtf(sum_of(squares) / (float)width + by->epsilon));
    for (int i = 0; i < width; i += LANES) {
        const __m256 scaled = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(row + i), mean), over);
        _mm256_storeu_ps(row + i, _mm256_fmadd_ps(scaled, _mm256_loadu_ps(by->scale + i), _mm256_loadu_ps(by->offset + i)));
    }
}

/* x = norm(x + added), as floats and as int16. */
static void add_norm(floats x, int rows, int width, floats added, const norm *by, shorts to) {
    for (int row = 0; row < rows; row++) {
        float *at = x.at + row * x.stride;
        const float *more = added.at + row * added.stride;
        for (int i = 0; i < width; i += LANES) _mm256_storeu_ps(at + i, _mm256_add_ps(_mm256_loadu_ps(at + i), _mm256_loadu_ps(more + i)));
        normalise(at, width, by);
    }
    to_short_rows(x, rows, to);
}

/* y[outputs] = weight[outputs][inputs] . x[inputs] + bias, all in fp32. */
static void dense(const float *weight, const float *bias, const float *x, int inputs, int outputs, float *y) {
    for (int output = 0; output < outputs; output++, weight += inputs) {
        __m256 sum = _mm256_setzero_ps();
        for (int i = 0; i < inputs; i += LANES) sum = _mm256_fmadd_ps(_mm256_loadu_ps(weight + i), _mm256_loadu_ps(x + i), sum);
        y[output] = sum_of(sum) + bias[output];
    }
}

#endif
