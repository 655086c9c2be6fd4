// CUDA emulation - barriers, exchanges of a warp and atomics
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cuda/emulation/block.h"
#include "cuda/emulation/memory_check.h"

namespace emulation {

/// Brings `give`, and returns what answer() has put there for this lane.
template <class Take, class Give>
Take meet(unsigned mask, const Give& give, void (*answer)(const Lane*, unsigned), Place place) {
  Take take{};
  meet_warp(mask, {&give, &take}, answer, place);
  return take;
}

template <class T>
struct Shuffle {
  T value;
  int from;
};
template <class T>
T shuffle(unsigned mask, T value, int from, Place place) {
  if (!(mask >> from & 1))
    complain(place, "reads from a lane that is not in the mask of its shuffle");
  return meet<T>(
      mask, Shuffle<T>{value, from},
      [](const Lane* lanes, unsigned members) {
        for (int l = 0; l < warpSize; ++l)
          if (members >> l & 1) {
            const int source = static_cast<const Shuffle<T>*>(lanes[l].give)->from;
            *static_cast<T*>(lanes[l].take) =
                static_cast<const Shuffle<T>*>(lanes[source].give)->value;
          }
      },
      place);
}

/// All lanes get the values of all lanes folded, from the lowest to the highest.
template <class T, class Fold>
T fold(unsigned mask, T value, Fold, Place place) {
  return meet<T>(
      mask, value,
      [](const Lane* lanes, unsigned members) {
        T all{};
        bool first = true;
        for (int l = 0; l < warpSize; ++l)
          if (members >> l & 1) {
            const T& given = *static_cast<const T*>(lanes[l].give);
            all = first ? given : Fold{}(all, given);
            first = false;
          }
        for (int l = 0; l < warpSize; ++l)
          if (members >> l & 1) *static_cast<T*>(lanes[l].take) = all;
      },
      place);
}

/// Threads take turns, so an atomic update is a plain one. The copies hide it from the memory
/// check, which is told that it is atomic.
template <class T, class Next>
EMULATION_INLINE T atomically(T* at, Next next) {
  check_atomic(at, sizeof(T));
  T before;
  copy_unwatched(&before, at, sizeof(T));
  const T after = next(before);
  copy_unwatched(at, &after, sizeof(T));
  return before;
}

}  // namespace emulation

// ---- Threads that wait for one another ----------------------------------------------------------

inline void __syncthreads(EMULATION_PLACE) {
  emulation::meet_block(place);
}
inline int __syncthreads_or(int vote, EMULATION_PLACE) {
  return emulation::vote_in_block(vote != 0, place) > 0;
}
inline int __syncthreads_and(int vote, EMULATION_PLACE) {
  return emulation::vote_in_block(vote == 0, place) == 0;
}
inline int __syncthreads_count(int vote, EMULATION_PLACE) {
  return emulation::vote_in_block(vote != 0, place);
}
inline void __syncwarp(unsigned mask = 0xffffffff, EMULATION_PLACE) {
  emulation::order_warp(mask, place);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = warpSize, EMULATION_PLACE) {
  const int first = emulation::lane() / width * width;
  return emulation::shuffle(mask, value, first + int(unsigned(from) % unsigned(width)), place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize, EMULATION_PLACE) {
  const int me = emulation::lane(), from = me ^ bits;
  const bool here = from >= 0 && from < warpSize && from / width <= me / width;
  return emulation::shuffle(mask, value, here ? from : me, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, EMULATION_PLACE) {
  const int me = emulation::lane(), from = me + int(delta);
  return emulation::shuffle(mask, value, from / width == me / width ? from : me, place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, EMULATION_PLACE) {
  const int me = emulation::lane(), from = me - int(delta);
  return emulation::shuffle(mask, value, from >= me / width * width ? from : me, place);
}

inline unsigned __ballot_sync(unsigned mask, int vote, EMULATION_PLACE) {
  return emulation::fold(
      mask, vote ? 1u << emulation::lane() : 0u, [](unsigned a, unsigned b) { return a | b; },
      place);
}
inline int __any_sync(unsigned mask, int vote, EMULATION_PLACE) {
  return __ballot_sync(mask, vote, place) != 0;
}
inline int __all_sync(unsigned mask, int vote, EMULATION_PLACE) {
  return __ballot_sync(mask, vote, place) == mask;
}
template <class T>
T __reduce_add_sync(unsigned mask, T value, EMULATION_PLACE) {
  return emulation::fold(
      mask, value, [](T a, T b) { return a + b; }, place);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, EMULATION_PLACE) {
  return emulation::fold(
      mask, value, [](T a, T b) { return std::max(a, b); }, place);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, EMULATION_PLACE) {
  return emulation::fold(
      mask, value, [](T a, T b) { return std::min(a, b); }, place);
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, EMULATION_PLACE) {
  return emulation::meet<unsigned>(
      mask, value,
      [](const emulation::Lane* lanes, unsigned members) {
        for (int l = 0; l < warpSize; ++l)
          for (int other = 0; other < warpSize; ++other)
            if ((members >> l & 1) && (members >> other & 1) &&
                std::memcmp(lanes[l].give, lanes[other].give, sizeof(T)) == 0)
              *static_cast<unsigned*>(lanes[l].take) |= 1u << other;
      },
      place);
}
inline unsigned __activemask() {
  return emulation::lanes_alive();
}

inline void __threadfence() {
  emulation::check_fence();
}
inline void __threadfence_block() {}

// ---- Atomics ------------------------------------------------------------------------------------

template <class T>
EMULATION_INLINE T atomicExch(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T) { return value; });
}
template <class T>
EMULATION_INLINE T atomicAdd(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return T(before + value); });
}
template <class T>
EMULATION_INLINE T atomicSub(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return T(before - value); });
}
template <class T>
EMULATION_INLINE T atomicMax(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return std::max(before, value); });
}
template <class T>
EMULATION_INLINE T atomicMin(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return std::min(before, value); });
}
template <class T>
EMULATION_INLINE T atomicOr(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return T(before | value); });
}
template <class T>
EMULATION_INLINE T atomicAnd(T* at, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return T(before & value); });
}
/// Counts up to `last`, then begins at 0 again.
EMULATION_INLINE unsigned atomicInc(unsigned* at, unsigned last) {
  return emulation::atomically(at, [&](unsigned n) { return n >= last ? 0 : n + 1; });
}
template <class T>
EMULATION_INLINE T atomicCAS(T* at, std::type_identity_t<T> wanted, std::type_identity_t<T> value) {
  return emulation::atomically(at, [&](T before) { return before == wanted ? value : before; });
}
