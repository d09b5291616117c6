/* What the module and the encoder agree upon: a model as pointers, a batch of sequences, one call. */
#ifndef SHORTLIST_ENCODER_H
#define SHORTLIST_ENCODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int layers, hidden, heads, feed, labels; /* labels: 0 for a mean over the tokens, scaled to length 1 */
    int vocabulary, positions, types;
    int bytes; /* whether qkv and fed are in int8, with scales, and factors for what they read */
    float epsilon;
    const float *words, *position_rows, *type_rows, *embedding_norm; /* norms: scale, then offset */
    const uint16_t *qkv, *mixed, *fed, *out;                         /* packed, layer by layer */
    const float *qkv_bias, *mixed_bias, *fed_bias, *out_bias, *mixed_norm, *out_norm;
    const float *qkv_scales, *qkv_factors, *fed_scales, *fed_factors;
    const float *pooler, *pooler_bias, *classifier, *classifier_bias;
} model;

typedef struct {
    const int32_t *ids; /* all sequences one behind the other */
    const uint8_t *types;
    const int32_t *lengths;
    int count;
} sequences;

/* Whether the processor has what `encode` needs, and the system lets this process use it. */
int can_encode(void);

/* fp32 [inputs][outputs] to panels of bf16, as `linear.h` has them. */
void pack_weight(const float *from, int inputs, int outputs, uint16_t *to);

/* int8 [inputs][outputs] to panels. */
void pack_bytes(const int8_t *from, int inputs, int outputs, int8_t *to);

/* `results` is [count][labels or hidden]. Returns 0, or -1 without memory. */
int encode(const model *m, const sequences *s, float *results);

#endif
