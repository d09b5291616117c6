/* Sequences are taken a group at a time through all layers, so that weights are read from memory once a group. */
#ifndef SHORTLIST_GROUPS_H
#define SHORTLIST_GROUPS_H

#include "encoder.h"

typedef int (*group_encoder)(const model *m, const sequences *group, int tokens, int longest, float *results);

/* Groups of at most `most` tokens, or of one longer sequence. Returns what the encoder does: 0, or -1 without memory. */
static int encode_groups(const model *m, const sequences *s, int most, group_encoder encode, float *results) {
    const int columns = columns_of(m);
    sequences group = *s;
    int failed = 0;
    for (int done = 0; done < s->count && !failed;) {
        int tokens = 0, longest = 0, count = 0;
        for (; done + count < s->count; count++) {
            const int length = s->lengths[done + count];
            if (count && tokens + length > most) break;
            tokens += length;
            longest = length > longest ? length : longest;
        }
        group.lengths = s->lengths + done;
        group.count = count;
        failed = encode(m, &group, tokens, longest, results + (size_t)done * columns);
        group.ids += tokens;
        group.types += tokens;
        done += count;
    }
    return failed;
}

#endif
