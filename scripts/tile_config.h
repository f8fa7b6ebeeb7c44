/* Included before every file that is compiled for AMX (-include): GCC 12 and older declare that `_tile_loadconfig` reads
   8 bytes where it reads 64, so they drop most of the configuration as dead stores, and the process dies at the first
   matrix product. GCC 13 has it right; this says the same. */
#if defined(__AMX_TILE__) && defined(__GNUC__)
#include <immintrin.h>
static inline void load_whole_tile_config(const void *config) {
    __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])config));
}
#undef _tile_loadconfig
#define _tile_loadconfig load_whole_tile_config
#endif
