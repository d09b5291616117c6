/* What the module and the encoders agree upon: a model as pointers, a batch of sequences, one call. */
#ifndef SHORTLIST_ENCODER_H
#define SHORTLIST_ENCODER_H

#include <stddef.h>
#include <stdint.h>

typedef enum { BF16, INT8, INT16, PRECISIONS } precision;

/* Logits behind a pooler with tanh or GELU, or a vector of length 1: the mean over the tokens, or position 0. */
typedef enum { TANH, GELU, MEAN, FIRST, OUTCOMES } outcome;

typedef struct {
    int layers, hidden, heads, feed, labels; /* labels: 0 for a vector */
    int vocabulary, positions, types;
    precision kind; /* of qkv and fed; of mixed and out too where it is INT16, else those are in BF16 */
    outcome gives;
    float epsilon;
    const float *words, *position_rows, *type_rows, *embedding_norm; /* norms: scale, then offset */
    const uint16_t *qkv, *mixed, *fed, *out;                         /* packed, layer by layer; INT8 takes half the room */
    const float *qkv_bias, *mixed_bias, *fed_bias, *out_bias, *mixed_norm, *out_norm;
    const float *qkv_scales, *mixed_scales, *fed_scales, *out_scales; /* of the outputs of what is not in BF16 */
    const float *qkv_factors, *fed_factors;                           /* of what INT8 reads */
    const float *pooler, *pooler_bias, *classifier, *classifier_bias;
} model;

typedef struct {
    const int32_t *ids; /* all sequences one behind the other */
    const uint8_t *types;
    const int32_t *lengths;
    int count;
} sequences;

static inline int columns_of(const model *m) { return m->labels ? m->labels : m->hidden; }

/* Whether the last layer is needed for position 0 alone. */
static inline int reads_first(const model *m) { return m->gives != MEAN; }

/* Whether the processor has what an encoder needs, and the system lets this process use it. */
int has_amx(void);
int has_avx2(void);

/* fp32 [inputs][outputs] to panels of bf16, as `amx/linear.h` has them. */
void pack_weight(const float *from, int inputs, int outputs, uint16_t *to);

/* int8 [inputs][outputs] to panels. */
void pack_bytes(const int8_t *from, int inputs, int outputs, int8_t *to);

/* `results` is [count][columns_of(m)]; BF16 and INT8 need AMX, INT16 needs AVX2. Return 0, or -1 without memory. */
int encode_amx(const model *m, const sequences *s, float *results);
int encode_avx2(const model *m, const sequences *s, float *results);

#endif
