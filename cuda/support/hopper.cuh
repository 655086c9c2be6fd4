// CUDA - Hopper's own instructions: copies in bulk, barriers that count bytes, products of four warps
//
//   mbarrier       a word in shared memory that threads wait at until all arrivals and all announced
//                  bytes have come. It has a phase, 0 or 1, that changes each time
//   cp.async.bulk  one thread copies kilobytes to shared memory; their arrival counts at a barrier
//   wgmma          128 threads multiply (64,16) by (16,256), both read from shared memory, while the
//                  threads go on; sums stay in registers
//
// Only code for sm_90a has them; in other code the functions are empty and must not be called. They are
// not emulated.
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define RAMOE_HOPPER(...) asm volatile(__VA_ARGS__)
#else
#define RAMOE_HOPPER(...) (void)0
#endif

using Barrier = std::uint64_t;  // in shared memory

__device__ inline unsigned shared_address(const void* at) {
  return unsigned(__cvta_generic_to_shared(at));
}

/// One thread; then all threads of the block must meet before they use it.
__device__ inline void barrier_begin(Barrier& barrier, unsigned arrivals) {
  RAMOE_HOPPER("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)),
               "r"(arrivals)
               : "memory");
}
/// Makes begun barriers known to the copying unit.
__device__ inline void barriers_begun() {
  RAMOE_HOPPER("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ inline void barrier_arrive(Barrier& barrier) {
  RAMOE_HOPPER("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier))
               : "memory");
}
/// Arrives, and announces bytes that must also come.
__device__ inline void barrier_expect(Barrier& barrier, unsigned bytes) {
  RAMOE_HOPPER("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                   shared_address(&barrier)),
               "r"(bytes)
               : "memory");
}
/// Waits until the phase with this number, 0 or 1, has ended.
__device__ inline void barrier_wait(Barrier& barrier, unsigned phase) {
  RAMOE_HOPPER(
      "{.reg .pred done;\n"
      "wait: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra wait;}" ::"r"(shared_address(&barrier)),
      "r"(phase)
      : "memory");
}
/// Multiples of 16 bytes; they count at the barrier.
__device__ inline void copy_bulk(void* to, const void* from, unsigned bytes, Barrier& barrier) {
  RAMOE_HOPPER(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(&barrier))
      : "memory");
}

/// For whole warpgroups: registers of a thread from here on, a multiple of 8.
template <int count>
__device__ void take_registers() {
  RAMOE_HOPPER("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}
template <int count>
__device__ void give_registers() {
  RAMOE_HOPPER("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

/// Rows of 64 bf16 k (128 bytes), swizzled as in gemm_packed.h, from `at` on: groups of 8 rows are
/// 1024 bytes apart. Later k of the same rows begin 2 further for each 16 k.
__device__ inline std::uint64_t matrix_of(const void* at) {
  return std::uint64_t(shared_address(at) >> 4 & 0x3fff) | std::uint64_t(1) << 16 |
         std::uint64_t(1024 >> 4) << 32 | std::uint64_t(1) << 62;
}
__device__ inline void wgmma_begin() {
  RAMOE_HOPPER("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void wgmma_commit() {
  RAMOE_HOPPER("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Until at most `left` committed groups are under way.
template <int left>
__device__ void wgmma_wait() {
  RAMOE_HOPPER("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}
#define RAMOE_D8(i)                                                              \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]),    \
      "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define RAMOE_D32(i) RAMOE_D8(i), RAMOE_D8(i + 8), RAMOE_D8(i + 16), RAMOE_D8(i + 24)
/// Until all are done: d may be read after it, and is not read before.
__device__ inline void wgmma_end(float (&d)[128]) {
  RAMOE_HOPPER("wgmma.wait_group.sync.aligned 0;"
               : RAMOE_D32(0), RAMOE_D32(32), RAMOE_D32(64), RAMOE_D32(96)::"memory");
}

/// d += A B for A (64,16), B (16,256). Warp w of the four has rows 16 w to 16 w + 15 of d; its lanes
/// have d[4 j .. 4 j + 3] of columns 8 j to 8 j + 7, as in mma.sync.
__device__ inline void wgmma_64x256(float (&d)[128], std::uint64_t a, std::uint64_t b) {
  RAMOE_HOPPER(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
      "}, %128, %129, 1, 1, 1, 0, 0;"
      : RAMOE_D32(0), RAMOE_D32(32), RAMOE_D32(64), RAMOE_D32(96)
      : "l"(a), "l"(b));
}
#undef RAMOE_D32
#undef RAMOE_D8

}  // namespace ramoe::cuda
