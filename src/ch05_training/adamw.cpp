#include "ch05_training/adamw.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ch01_tensor/simd.h"
#include "ch01_tensor/vector_ops.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

/// The factors of one step, the same for every value.
template <class T>
struct Factors {
  T beta1, beta2, rate, root, eps, shrink;  // rate = lr / (1-b1^t), root = 1 / (1-b2^t)
  T scale;                                  // of the gradient
};
template <class T>
Factors<T> factors(double lr, double decay, int t, const AdamWConfig& c, double scale) {
  return {static_cast<T>(c.beta1),
          static_cast<T>(c.beta2),
          static_cast<T>(lr / (1 - std::pow(c.beta1, t))),
          static_cast<T>(1 / (1 - std::pow(c.beta2, t))),
          static_cast<T>(c.eps),
          static_cast<T>(1 - lr * decay),
          static_cast<T>(scale)};
}

/// The largest w, m and v (by their size).
struct Limits {
  double w, m, v;
};
template <class T>
constexpr double kMax = double(std::numeric_limits<T>::max());
template <class T>
constexpr Limits kFinite = {kMax<T>, kMax<T>, kMax<T>};
/// From within these no update leads out of the finite numbers, see AdamW::step.
constexpr Limits kSmall = {1e30, 1e15, 1e30};

/// Returns whether every new w is small. Only w is watched: one comparison more is not measurable,
/// three are.
template <class T>
RAMOE_INLINE bool update_body(T* w, const T* g, T* m, T* v, int n, const Factors<T>& f) {
  int small = 1;
  for (int i = 0; i < n; ++i) {
    const T gi = f.scale * g[i];
    const T mi = f.beta1 * m[i] + (T(1) - f.beta1) * gi;
    const T vi = f.beta2 * v[i] + (T(1) - f.beta2) * gi * gi;
    const T wi = w[i] * f.shrink - f.rate * mi / (std::sqrt(vi * f.root) + f.eps);
    small &= std::abs(wi) <= T(kSmall.w);
    w[i] = wi;
    m[i] = mi;
    v[i] = vi;
  }
  return small != 0;
}
RAMOE_SIMD bool update_block(float* w, const float* g, float* m, float* v, int n,
                             const Factors<float>& f) {
  return update_body(w, g, m, v, n, f);
}
bool update_block(double* w, const double* g, double* m, double* v, int n,
                  const Factors<double>& f) {
  return update_body(w, g, m, v, n, f);
}

/// Whether the update would leave all of w, m and v within the limits; nothing is written.
template <class T>
RAMOE_INLINE bool within_body(const Limits& limits, const T* w, const T* g, const T* m, const T* v,
                              int n, const Factors<T>& f) {
  int within = 1;
  const T most_w = T(limits.w), most_m = T(limits.m), most_v = T(limits.v);
  for (int i = 0; i < n; ++i) {
    const T gi = f.scale * g[i];
    const T mi = f.beta1 * m[i] + (1 - f.beta1) * gi;
    const T vi = f.beta2 * v[i] + (1 - f.beta2) * gi * gi;
    const T wi = w[i] * f.shrink - f.rate * mi / (std::sqrt(vi * f.root) + f.eps);
    within &= int(std::abs(wi) <= most_w) & int(std::abs(mi) <= most_m) & int(vi <= most_v);
  }
  return within != 0;
}
RAMOE_SIMD bool would_stay_within(const Limits& limits, const float* w, const float* g,
                                  const float* m, const float* v, int n, const Factors<float>& f) {
  return within_body(limits, w, g, m, v, n, f);
}
bool would_stay_within(const Limits& limits, const double* w, const double* g, const double* m,
                       const double* v, int n, const Factors<double>& f) {
  return within_body(limits, w, g, m, v, n, f);
}

template <class T>
bool decays(const Parameter<T>& parameter) {
  return parameter.shape.rank() > 1 && parameter.name != "embed_tokens";
}

constexpr std::size_t kStretch = 16384;  // values worth a thread's attention

}  // namespace

template <class T>
void adamw_update(T* w, const T* g, T* m, T* v, std::size_t n, double lr, double decay, int t,
                  const AdamWConfig& config) {
  const Factors<T> f = factors<T>(lr, decay, t, config, 1);
  const int stretches = static_cast<int>((n + kStretch - 1) / kStretch);
  parallel_for(stretches, 1, [&](int stretch, int) {
    const std::size_t at = static_cast<std::size_t>(stretch) * kStretch;
    update_block(w + at, g + at, m + at, v + at, static_cast<int>(std::min(kStretch, n - at)), f);
  });
}

template <class T>
void adamw_update_plain(T* w, const T* g, T* m, T* v, std::size_t n, double lr, double decay, int t,
                        const AdamWConfig& c) {
  for (std::size_t i = 0; i < n; ++i) {
    m[i] = T(c.beta1) * m[i] + T(1 - c.beta1) * g[i];
    v[i] = T(c.beta2) * v[i] + T(1 - c.beta2) * g[i] * g[i];
    const T m_hat = m[i] / T(1 - std::pow(c.beta1, t));
    const T v_hat = v[i] / T(1 - std::pow(c.beta2, t));
    w[i] -= T(lr) * (m_hat / (std::sqrt(v_hat) + T(c.eps)) + T(decay) * w[i]);
  }
}

template <class T>
AdamW<T>::AdamW(const Parameters& parameters, const AdamWConfig& config)
    : parameters_(parameters), config_(config), m_(parameters.size()), v_(parameters.size()) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i]->trainable) continue;
    parameters[i]->want_gradient();
    m_[i].resize(parameters[i]->value.size());
    v_[i].resize(parameters[i]->value.size());
  }
}

namespace {
/// Calls visit(begin, count) for the stretches of a parameter that are trained.
template <class T, class Visit>
void each_trained(const Parameter<T>& p, const Visit& visit) {
  if (!p.trainable) return;
  if (p.trained_blocks.empty()) return visit(std::size_t(0), p.value.size());
  const std::size_t block = p.value.size() / p.trained_blocks.size();
  for (std::size_t b = 0; b < p.trained_blocks.size(); ++b)
    if (p.trained_blocks[b]) visit(b * block, block);
}
}  // namespace

template <class T>
void AdamW<T>::list_stretches() {
  stretches_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter<T>& p = *parameters_[i];
    each_trained(p, [&](std::size_t begin, std::size_t count) {
      for (std::size_t at = begin; at < begin + count; at += kStretch)
        stretches_.push_back(
            {&p, p.value.data() + at, m_[i].data() + at, v_[i].data() + at, p.gradient.data() + at,
             static_cast<int>(std::min(kStretch, begin + count - at)), decays(p), 0, false});
    });
  }
}

template <class T>
AdamWStep<T> AdamW<T>::step(double lr, double clip) {
  for (const auto& p : parameters_)
    if (p->trainable) p->want_gradient();  // zero where nothing led to it
  // One loop over all parameters, small ones too: a loop for each would leave threads waiting.
  list_stretches();
  const int stretches = static_cast<int>(stretches_.size());
  parallel_for(stretches, 1, [&](int i, int) {
    Stretch& s = stretches_[std::size_t(i)];
    s.squares = sum_of_squares(s.g, std::size_t(s.count));
  });
  double squares = 0;
  for (const Stretch& s : stretches_) squares += s.squares;
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return {norm, nullptr};
  const double factor = clip > 0 && norm > clip ? clip / norm : 1.0;
  const Factors<T> without = factors<T>(lr, 0, steps_ + 1, config_, factor);
  const Factors<T> with = factors<T>(lr, config_.weight_decay, steps_ + 1, config_, factor);
  // From small m and v and |g| <= norm * factor the new m and v are small again, so that
  // v root <= 1e36, rate m / eps <= 1e37 and w shrink <= 1e36: there is nothing to ask.
  const bool certain = small_ && norm * factor <= 1e15 && with.root <= T(1e6) &&
                       double(with.rate) * 1e15 <= 1e37 * double(with.eps) &&
                       std::abs(with.shrink) <= T(1e6);
  const auto first_beyond = [&](const Limits& limits) -> const Parameter<T>* {
    parallel_for(stretches, 1, [&](int i, int) {
      Stretch& s = stretches_[std::size_t(i)];
      s.small = would_stay_within(limits, s.w, s.g, s.m, s.v, s.count, s.decays ? with : without);
    });
    for (const Stretch& s : stretches_)
      if (!s.small) return s.parameter;
    return nullptr;
  };
  if (!certain) {
    if (const Parameter<T>* spoilt = first_beyond(kFinite<T>)) return {norm, spoilt};
    small_ = !first_beyond(kSmall);
  }
  ++steps_;
  parallel_for(stretches, 1, [&](int i, int) {
    Stretch& s = stretches_[std::size_t(i)];
    s.small = update_block(s.w, s.g, s.m, s.v, s.count, s.decays ? with : without);
  });
  for (const Stretch& s : stretches_) small_ = small_ && s.small;
  for (const auto& p : parameters_)
    if (p->trainable) p->gradient_spent = true;
  return {norm, nullptr};
}

#define RAMOE_INSTANTIATE(T)                                                               \
  template void adamw_update(T*, const T*, T*, T*, std::size_t, double, double, int,       \
                             const AdamWConfig&);                                          \
  template void adamw_update_plain(T*, const T*, T*, T*, std::size_t, double, double, int, \
                                   const AdamWConfig&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
template class AdamW<float>;
template class AdamW<double>;
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
