/* What is made of a row of floats behind the last layer. */
#ifndef SHORTLIST_OUTCOMES_H
#define SHORTLIST_OUTCOMES_H

#include "encoder.h"
#include <math.h>

static void activate(float *row, int width, outcome kind) {
    for (int i = 0; i < width; i++) row[i] = kind == GELU ? .5f * row[i] * (1 + erff(row[i] * .70710678f)) : tanhf(row[i]);
}

static void scale_to_one(float *row, int width) {
    double squares = 0;
    for (int i = 0; i < width; i++) squares += (double)row[i] * row[i];
    const float over = 1.0f / (float)fmax(sqrt(squares), 1e-12);
    for (int i = 0; i < width; i++) row[i] *= over;
}

#endif
