// What a kernel finds may not depend on which thread or block comes first. Emulated, tests ask for
// each order; on a GPU the order is the GPU's.
#pragma once

#ifdef RAMOE_CUDA_EMULATION
#include "cuda/emulation/block.h"
#include "support/choices.h"
#endif

namespace ramoe {

/// body() in each order of threads and blocks; on a GPU twice.
template <class Body>
void in_each_order(const Body& body) {
#ifdef RAMOE_CUDA_EMULATION
  struct Back {
    ~Back() { emulation::take_order(emulation::RunOrder::forward); }
  } const back;
  for (const emulation::RunOrder order : every<emulation::RunOrder>()) {
    emulation::take_order(order);
    body();
  }
#else
  body(), body();
#endif
}

}  // namespace ramoe
