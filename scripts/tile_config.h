/* Included before every C++ file (-include); it matters in those compiled for AMX. GCC 12 declares that
   `_tile_loadconfig` reads 8 bytes where it reads 64, so it drops most of the configuration as dead stores, and the
   process dies at its first matrix product. This declares all 64. */
#if defined(__AMX_TILE__) && defined(__GNUC__)
#include <immintrin.h>
static inline void load_whole_tile_config(const void *config) {
    __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])config));
}
#undef _tile_loadconfig
#define _tile_loadconfig load_whole_tile_config
#endif
