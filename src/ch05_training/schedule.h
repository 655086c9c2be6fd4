// Chapter 5.2 - the learning rate of a step: linear warm-up, then cosine or constant
//
//   rate
//   peak        /---.__                    the last step of the warm-up is at the peak,
//              /       '-.                 the first step after it is also at the peak,
//   least*peak/           '--              the last step is at least*peak.
//            0  warmup      steps-1
//
// Source: cosine decay without restarts, Loshchilov and Hutter (arXiv 1608.03983). That step 0
// already has a rate above 0, and that the last step reaches the minimum, are our choices.
// Tests: tests/ch05_training/schedule_test.cpp
#pragma once

#include <cstdint>

namespace ramoe {

enum class Decay { cosine, constant };

struct Schedule {
  double peak = 1e-3;       // per optimiser step
  std::int64_t steps = 1;   // of the whole training
  std::int64_t warmup = 0;  // steps with a rising rate; may be all of them
  double least = 0.1;       // of the peak, reached by cosine decay
  Decay decay = Decay::cosine;
};

/// The learning rate of a step, counted from 0. Steps after the last one have the rate of the last.
/// Error: step < 0, steps < 1, warmup outside 0..steps, least outside 0..1, peak not finite or < 0.
double learning_rate(const Schedule& schedule, std::int64_t step);

}  // namespace ramoe
