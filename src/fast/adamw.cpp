// AdamW's step of chapter 5.1 for float: factors made once, vectors, clipping in the same pass.
//
// While w, m, v, the gradient and the factors are small enough (kSmall), it is certain beforehand
// that the new values are finite, and the update itself watches that they stay small. Otherwise, as
// in the first step after values came from elsewhere, a pass that writes nothing asks first.
#include "ch05_training/adamw.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ch01_tensor/vector_ops.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

/// The factors of one step, the same for every value.
struct Factors {
  float beta1, beta2, rate, root, eps, shrink;  // rate = lr / (1-b1^t), root = 1 / (1-b2^t)
  float scale;                                  // of the gradient
};
Factors factors(double decay, const AdamWRule& rule, double scale) {
  const AdamWConfig& c = rule.config;
  return {static_cast<float>(c.beta1),
          static_cast<float>(c.beta2),
          static_cast<float>(rule.rate / (1 - std::pow(c.beta1, rule.t))),
          static_cast<float>(1 / (1 - std::pow(c.beta2, rule.t))),
          static_cast<float>(c.eps),
          static_cast<float>(1 - rule.rate * decay),
          static_cast<float>(scale)};
}

/// The largest w, m and v (by their size).
struct Limits {
  float w, m, v;
};
constexpr Limits kFinite = {std::numeric_limits<float>::max(), std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::max()};
/// Within these limits no update leaves the finite numbers; see adamw_step.
constexpr Limits kSmall = {1e30f, 1e15f, 1e30f};

/// Returns whether every new w is small. Only w is watched: one comparison more is not measurable,
/// three are.
RAMOE_INLINE bool update_block(float* w, const float* g, float* m, float* v, int n, Factors f) {
  int small = 1;
  for (int i = 0; i < n; ++i) {
    const float gi = f.scale * g[i];
    const float mi = f.beta1 * m[i] + (1.0f - f.beta1) * gi;
    const float vi = f.beta2 * v[i] + (1.0f - f.beta2) * gi * gi;
    const float wi = w[i] * f.shrink - f.rate * mi / (std::sqrt(vi * f.root) + f.eps);
    small &= std::abs(wi) <= kSmall.w;
    w[i] = wi;
    m[i] = mi;
    v[i] = vi;
  }
  return small != 0;
}

/// Whether the update would leave all of w, m and v within the limits; nothing is written.
RAMOE_INLINE bool would_stay_within(Limits limits, const float* w, const float* g, const float* m,
                                    const float* v, int n, Factors f) {
  int within = 1;
  for (int i = 0; i < n; ++i) {
    const float gi = f.scale * g[i];
    const float mi = f.beta1 * m[i] + (1 - f.beta1) * gi;
    const float vi = f.beta2 * v[i] + (1 - f.beta2) * gi * gi;
    const float wi = w[i] * f.shrink - f.rate * mi / (std::sqrt(vi * f.root) + f.eps);
    within &= int(std::abs(wi) <= limits.w) & int(std::abs(mi) <= limits.m) & int(vi <= limits.v);
  }
  return within != 0;
}

/// What is found of each chunk; kept from step to step, so that nothing is allocated.
struct Found {
  double squares;  // of g
  bool small;      // of the new w; when asked beforehand, of w, m and v
};

/// The norm of the gradient. One loop over all chunks: a loop for each parameter would leave
/// threads waiting.
double gradient_norm(std::vector<Found>& found, const AdamWChunk<float>* chunks, int n) {
  parallel_for(n, 1, [&](int i, int) {
    found[std::size_t(i)].squares = sum_of_squares(chunks[i].g, std::size_t(chunks[i].count));
  });
  double squares = 0;
  for (const Found& f : found) squares += f.squares;
  return std::sqrt(squares);
}

/// The first chunk whose update would exceed the limits, or -1.
int first_beyond(const Limits& limits, std::vector<Found>& found, const AdamWChunk<float>* chunks,
                 int n, const Factors& with, const Factors& without) {
  parallel_for(n, 1, [&](int i, int) {
    const AdamWChunk<float>& c = chunks[i];
    found[std::size_t(i)].small =
        simd<would_stay_within>(limits, c.w, c.g, c.m, c.v, c.count, c.decays ? with : without);
  });
  const auto beyond =
      std::find_if(found.begin(), found.end(), [](const Found& f) { return !f.small; });
  return beyond == found.end() ? -1 : static_cast<int>(beyond - found.begin());
}

}  // namespace

template <>
void adamw_step(AdamWOutcome* outcome, const AdamWChunk<float>* chunks, int n,
                const AdamWRule* placed_rule, const float* losses, int count) {
  const AdamWRule& rule = *placed_rule;
  bool small = outcome->small;
  const bool stopped = outcome->stopped;
  *outcome = {.stopped = true, .small = small};  // unless it ends well
  if (stopped) return;
  if (!all_finite(losses, std::size_t(count))) return;
  thread_local std::vector<Found> found_here;
  std::vector<Found>& found = found_here;
  found.resize(std::size_t(n));
  const double norm = outcome->norm = gradient_norm(found, chunks, n);
  if (!std::isfinite(norm)) return;
  const double scale = rule.clip > 0 && norm > rule.clip ? rule.clip / norm : 1.0;
  const Factors without = factors(0, rule, scale);
  const Factors with = factors(rule.config.weight_decay, rule, scale);
  // From small m and v and |g| <= norm * scale the new m and v are small again, so that
  // v root <= 1e36, rate m / eps <= 1e37 and w shrink <= 1e36: there is nothing to ask.
  const bool certain = small && norm * scale <= 1e15 && with.root <= 1e6f &&
                       double(with.rate) * 1e15 <= 1e37 * double(with.eps) &&
                       std::abs(with.shrink) <= 1e6f;
  if (!certain) {
    outcome->spoilt = first_beyond(kFinite, found, chunks, n, with, without);
    if (outcome->spoilt >= 0) return;
    small = first_beyond(kSmall, found, chunks, n, with, without) < 0;
  }
  parallel_for(n, 1, [&](int i, int) {
    const AdamWChunk<float>& c = chunks[i];
    found[std::size_t(i)].small =
        simd<update_block>(c.w, c.g, c.m, c.v, c.count, c.decays ? with : without);
  });
  for (const Found& f : found) small = small && f.small;
  outcome->small = small;
  outcome->done = true;
  outcome->stopped = false;
}

}  // namespace ramoe
