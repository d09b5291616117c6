/* AMX tiles: eight registers of 16 rows of 64 bytes, all of them always in that one shape.
 *
 * Compilers' own intrinsics for loads do not say that they read memory, so stores may be moved behind them; these do.
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
 */
#ifndef SHORTLIST_TILES_H
#define SHORTLIST_TILES_H

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_SIZE = TILE_ROWS * TILE_BYTES };

#define tile_zero(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define tile_load(t, base, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"((const void *)(base)), "r"((long)(stride)) : "memory")
#define tile_store(t, base, stride) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"((void *)(base)), "r"((long)(stride)) : "memory")
/* c[16][16] fp32 += a[16][32] bf16 times b, where b holds two rows of its 32 side by side: [16][16][2] */
#define tile_product(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
/* c[16][16] int32 += a[16][64] int8 times b, where b holds four rows of its 64 side by side: [16][16][4] */
#define tile_product_bytes(c, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)

static inline void tiles_begin(void) {
    struct __attribute__((packed, aligned(64))) {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        shape.bytes[tile] = TILE_BYTES;
        shape.rows[tile] = TILE_ROWS;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(shape));
}

static inline void tiles_end(void) { __asm__ volatile("tilerelease" ::); }

#endif
