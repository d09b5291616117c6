/* Eight floats at a time: sums over lanes, powers of two, and the GELU. */
#ifndef SHORTLIST_AVX2_VECTORS_H
#define SHORTLIST_AVX2_VECTORS_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8 };

#define INLINE static inline __attribute__((always_inline))

INLINE float sum_of(__m256 x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

INLINE float most_of(__m256 x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

INLINE __m256 absolute(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

/* 2 to the power of x <= 0, flat from -126 down: a polynomial around the nearest integer that is least wrong where it is
 * most (minimax), off by at most 2e-7 of the value. */
INLINE __m256 power_of_two(__m256 x) {
    x = _mm256_max_ps(_mm256_set1_ps(-126.0f), x); /* the second where either is NaN */
    const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 rest = _mm256_sub_ps(x, whole);
    __m256 sum = _mm256_set1_ps(1.3264727214e-3f);
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(9.6715128125e-3f));
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(5.5507337448e-2f));
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(2.4022242083e-1f));
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(6.9314697760e-1f));
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(1.0f));
    const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), shift));
}

/* x times the integral of the normal distribution up to x; off by at most 3e-7 of x (Abramowitz and Stegun, 7.1.26). */
INLINE __m256 gelu(__m256 x) {
    const __m256 far = absolute(x), one = _mm256_set1_ps(1.0f);
    const __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(far, _mm256_set1_ps(.3275911f * .70710678f), one));
    __m256 sum = _mm256_set1_ps(.5f * 1.061405429f);
    sum = _mm256_fmadd_ps(sum, t, _mm256_set1_ps(.5f * -1.453152027f));
    sum = _mm256_fmadd_ps(sum, t, _mm256_set1_ps(.5f * 1.421413741f));
    sum = _mm256_fmadd_ps(sum, t, _mm256_set1_ps(.5f * -.284496736f));
    sum = _mm256_fmadd_ps(sum, t, _mm256_set1_ps(.5f * .254829592f));
    const __m256 fallen = power_of_two(_mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(-.72134752f))); /* e to -x x / 2 */
    const __m256 beyond = _mm256_mul_ps(_mm256_mul_ps(sum, t), fallen); /* the integral from |x| on */
    return _mm256_fnmadd_ps(far, beyond, _mm256_max_ps(x, _mm256_setzero_ps()));
}

#endif
