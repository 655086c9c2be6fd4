#include "ch05_training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "support/error.h"

namespace ramoe {

double learning_rate(const Schedule& schedule, std::int64_t step) {
  const Schedule& s = schedule;
  check(s.peak >= 0 && std::isfinite(s.peak), "learning rate ", s.peak,
        ": a finite number of at least 0 is expected.");
  check(s.steps >= 1, "a schedule of ", s.steps, " steps: at least 1 is expected.");
  check(s.warmup >= 0 && s.warmup <= s.steps, "warm-up of ", s.warmup, " steps: 0 to ", s.steps,
        ", the length of the training, is expected.");
  check(s.least >= 0 && s.least <= 1, "least learning rate ", s.least,
        ": a fraction of the peak from 0 to 1 is expected.");
  check(step >= 0, "learning rate of step ", step, ": steps count from 0.");

  step = std::min(step, s.steps - 1);
  if (step < s.warmup)
    return s.peak * static_cast<double>(step + 1) / static_cast<double>(s.warmup);
  if (s.decay == Decay::constant) return s.peak;
  // 0 at the first step after the warm-up, 1 at the last step; a single step is at the peak.
  const std::int64_t length = s.steps - 1 - s.warmup;
  const double done =
      length > 0 ? static_cast<double>(step - s.warmup) / static_cast<double>(length) : 0.0;
  const double height = 0.5 * (1 + std::cos(std::numbers::pi * done));
  return s.peak * (s.least + (1 - s.least) * height);
}

}  // namespace ramoe
