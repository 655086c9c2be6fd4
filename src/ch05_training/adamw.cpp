#include "ch05_training/adamw.h"

#include <algorithm>
#include <cmath>

namespace ramoe {
namespace {

struct Updated {
  double w, m, v;
  bool finite() const { return std::isfinite(w) && std::isfinite(m) && std::isfinite(v); }
};

/// The formula for one value with gradient g.
Updated update(double w, double g, double m, double v, double decay, const AdamWRule& rule) {
  const AdamWConfig& c = rule.config;
  m = c.beta1 * m + (1 - c.beta1) * g;
  v = c.beta2 * v + (1 - c.beta2) * g * g;
  const double m_hat = m / (1 - std::pow(c.beta1, rule.t));
  const double v_hat = v / (1 - std::pow(c.beta2, rule.t));
  w -= rule.rate * (m_hat / (std::sqrt(v_hat) + c.eps) + decay * w);
  return {w, m, v};
}

}  // namespace

template <>
void adamw_step(AdamWOutcome* outcome, const AdamWChunk<double>* chunks, int n,
                const AdamWRule* placed_rule, const double* losses, int count) {
  const AdamWRule& rule = *placed_rule;
  const bool stopped = outcome->stopped;
  *outcome = {.stopped = true};  // unless it ends well
  if (stopped) return;
  for (int i = 0; i < count; ++i)
    if (!std::isfinite(losses[i])) return;
  double squares = 0;
  for (int c = 0; c < n; ++c)
    for (int i = 0; i < chunks[c].count; ++i) squares += chunks[c].g[i] * chunks[c].g[i];
  const double norm = outcome->norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return;
  const double scale = rule.clip > 0 && norm > rule.clip ? rule.clip / norm : 1.0;
  for (const bool write : {false, true})  // the first pass only checks
    for (int c = 0; c < n; ++c) {
      const AdamWChunk<double>& chunk = chunks[c];
      const double decay = chunk.decays ? rule.config.weight_decay : 0;
      for (int i = 0; i < chunk.count; ++i) {
        const Updated to =
            update(chunk.w[i], scale * chunk.g[i], chunk.m[i], chunk.v[i], decay, rule);
        if (!to.finite()) {
          outcome->spoilt = c;
          return;
        }
        if (write) chunk.w[i] = to.w, chunk.m[i] = to.m, chunk.v[i] = to.v;
      }
    }
  outcome->done = true;
  outcome->stopped = false;
}

// ---- The optimiser ------------------------------------------------------------------------------

template <class T>
AdamW<T>::AdamW(const Parameters& parameters, const AdamWConfig& config)
    : parameters_(parameters), config_(config), m_(parameters.size()), v_(parameters.size()) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i]->trainable) continue;
    parameters[i]->want_gradient();
    m_[i].resize(parameters[i]->value.size());
    v_[i].resize(parameters[i]->value.size());
  }
  rule_.resize(1);
  outcome_.resize(1);
  set_steps_done(0);
}

template <class T>
void AdamW<T>::set_steps_done(int steps) {
  steps_ = steps;
  const AdamWOutcome nothing_known;
  copy_in(outcome_.data(), &nothing_known, 1);
}

namespace {

constexpr std::size_t kChunk = 16384;  // values in a chunk: enough work for a thread

template <class T>
bool decays(const Parameter<T>& parameter) {
  return parameter.shape.rank() > 1 && parameter.name != "embed_tokens";
}

/// Calls visit(begin, count) for each trained range of a parameter.
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
std::vector<AdamWChunk<T>> AdamW<T>::list_chunks() {
  std::vector<AdamWChunk<T>> chunks;
  of_.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter<T>& p = *parameters_[i];
    each_trained(p, [&](std::size_t begin, std::size_t count) {
      for (std::size_t at = begin; at < begin + count; at += kChunk) {
        chunks.push_back({p.value.data() + at, m_[i].data() + at, v_[i].data() + at,
                           p.gradient.data() + at,
                           static_cast<int>(std::min(kChunk, begin + count - at)), decays(p)});
        of_.push_back(&p);
      }
    });
  }
  return chunks;
}

template <class T>
void AdamW<T>::prepare(double rate, double clip) {
  for (const auto& p : parameters_)
    if (p->trainable) p->gradient.resize(p->value.size());
  const AdamWRule rule{rate, clip, steps_ + 1, config_};
  copy_in(rule_.data(), &rule, 1);
  std::vector<AdamWChunk<T>> chunks = list_chunks();
  if (chunks == listed_) return;
  listed_ = std::move(chunks);
  ++lists_placed_;
  chunks_.resize(listed_.size());
  copy_in(chunks_.data(), listed_.data(), listed_.size());
}

template <class T>
void AdamW<T>::update(const T* losses, int count) {
  for (const auto& p : parameters_)
    if (p->trainable) p->want_gradient();  // zero if the loss does not depend on it
  adamw_step<T>(outcome_.data(), chunks_.data(), static_cast<int>(chunks_.size()), rule_.data(),
                losses, count);
  for (const auto& p : parameters_)
    if (p->trainable) p->gradient_spent = true;
}

#define RAMOE_INSTANTIATE(T) template class AdamW<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
