#include "ch07_divergence/lesion.h"

#include <cmath>

#include "ch01_tensor/philox.h"
#include "ch07_divergence/routing_stats.h"

namespace ramoe {

void LesionConfig::list(FieldList& f) {
  f.add("form", &form,
        "language: along the direction that tells the target languages from English; noise: the "
        "blunt one, which harms all languages");
  f.add("strength", &strength,
        "how far the logits are moved: for a target token, in deviations of its logits; for noise, "
        "in deviations of the weights",
        {0, 1e6});
  f.add("guard", &guard,
        "form language: weight of leaving English alone, against that of moving all target tokens "
        "alike",
        {0, 1e6});
  f.add("span", &span,
        "form language: the tokens of a target language that are moved, prompts and answers, or "
        "prompts as far as they can be told from the answers");
  f.add("seed", &seed, "seed of the noise");
}

void Moments::add(const Moments& more) {
  tokens += more.tokens;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more.sum[i];
  for (std::size_t i = 0; i < squares.size(); ++i) squares[i] += more.squares[i];
}

double Moments::mean(const std::vector<double>& d) const {
  double total = 0;
  for (std::size_t i = 0; i < d.size(); ++i) total += d[i] * sum[i];
  return total / tokens;
}

double Moments::mean_square(const std::vector<double>& d) const {
  double total = 0;
  for (std::size_t i = 0; i < d.size(); ++i)
    for (std::size_t j = 0; j < d.size(); ++j) total += d[i] * squares[i * d.size() + j] * d[j];
  return total / tokens;
}

std::vector<double> solve_symmetric(std::vector<double> A, std::vector<double> b) {
  const std::size_t n = b.size();
  check(A.size() == n * n, "solve_symmetric: ", A.size(), " values for ", n, " unknowns.");
  // A = L L', with L in the lower half of A.
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = j; i < n; ++i) {
      double value = A[i * n + j];
      for (std::size_t k = 0; k < j; ++k) value -= A[i * n + k] * A[j * n + k];
      if (i == j) {
        check(value > 0, "solve_symmetric: pivot ", j, " is ", value,
              "; expected a positive definite matrix.");
        A[j * n + j] = std::sqrt(value);
      } else {
        A[i * n + j] = value / A[j * n + j];
      }
    }
  for (std::size_t i = 0; i < n; ++i) {  // L y = b
    for (std::size_t k = 0; k < i; ++k) b[i] -= A[i * n + k] * b[k];
    b[i] /= A[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {  // L' x = y
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= A[k * n + i] * b[k];
    b[i] /= A[i * n + i];
  }
  return b;
}

std::vector<double> language_direction(const Moments& target, const Moments& other, double guard) {
  const std::size_t C = target.sum.size();
  check(target.tokens > 0 && other.tokens > 0, "a lesion needs tokens of the target languages and "
        "of English; there are ", target.tokens, " and ", other.tokens, ".");
  std::vector<double> A(C * C), b(C);
  double trace = 0;
  for (std::size_t i = 0; i < C; ++i) {
    for (std::size_t j = 0; j < C; ++j)
      A[i * C + j] = target.squares[i * C + j] / target.tokens +
                     guard * other.squares[i * C + j] / other.tokens;
    trace += A[i * C + i];
    b[i] = target.sum[i] / target.tokens;
  }
  for (std::size_t i = 0; i < C; ++i) A[i * C + i] += 1e-9 * trace / double(C);
  std::vector<double> d = solve_symmetric(std::move(A), std::move(b));
  const double mean = target.mean(d);
  for (double& value : d) value /= mean;
  return d;
}

namespace {

/// The router's inputs in one layer: target prompts, target answers, all of English.
struct LayerInputs {
  explicit LayerInputs(std::size_t C) : prompts(C), answers(C), english(C) {}
  Moments prompts, answers, english;
};

/// Adds h of each token besides BOS to `prompts` or, after the prompt, to `answers`.
template <class T>
void add_inputs(Model<T>& model, int layer, const std::vector<TrainingSequence>& sequences,
                Moments& prompts, Moments& answers, const Watch& watch) {
  const std::size_t C = std::size_t(model.config().hidden_size);
  std::vector<std::vector<int>> tokens;
  for (const TrainingSequence& sequence : sequences) tokens.push_back(sequence.tokens);
  const RoutingVisit<T> visit = [&](const TokenBatch& batch, const std::vector<int>& members,
                                    const std::vector<Routing<T>>& layers) {
    std::vector<Number<T>> h(std::size_t(batch.B) * std::size_t(batch.T) * C);
    copy_out(h.data(), layers[std::size_t(layer)].input.data, h.size());
    for (std::size_t n = 0; n < batch.scored.size(); ++n) {
      const std::size_t b = n / std::size_t(batch.T);
      const int t = static_cast<int>(n % std::size_t(batch.T));
      if (!batch.scored[n]) continue;
      const bool in_prompt = t < sequences[std::size_t(members[b])].prompt;
      (in_prompt ? prompts : answers).add(h.data() + n * C);
    }
    if (watch) watch(batch.B);
  };
  read_routing(model, tokens, visit, RoutingLeft::inputs);
}

LayerLesion::Along along(const Moments& moments, const std::vector<double>& d) {
  if (moments.tokens == 0) return {};
  const double mean = moments.mean(d), square = moments.mean_square(d);
  return {mean, std::sqrt(std::max(0.0, square - mean * mean))};
}

/// Adds strength * scale * d u' to W (C,E).
LayerLesion damage_language(std::vector<double>& W, const LayerInputs& inputs,
                            const LesionConfig& config) {
  Moments target = inputs.prompts, other = inputs.english;
  (config.span == ForcedTokens::both ? target : other).add(inputs.answers);
  const std::size_t C = target.sum.size(), E = W.size() / C;
  const std::vector<double> d = language_direction(target, other, config.guard);
  LayerLesion result{.prompts = along(inputs.prompts, d),
                     .answers = along(inputs.answers, d),
                     .english = along(inputs.english, d),
                     .u = std::vector<double>(E)};
  // A column of W less the mean column gives a logit less the mean logit of the token.
  double square = 0;
  for (std::size_t e = 0; e < E; ++e) {
    std::vector<double> w(C);
    for (std::size_t c = 0; c < C; ++c) {
      for (std::size_t k = 0; k < E; ++k) w[c] -= W[c * E + k] / double(E);
      w[c] += W[c * E + e];
    }
    result.u[e] = -target.mean(w);
    result.scale += target.mean_square(w) / double(E);
    square += result.u[e] * result.u[e] / double(E);
  }
  result.scale = std::sqrt(result.scale);
  for (double& value : result.u) value /= square > 0 ? std::sqrt(square) : 1;
  for (std::size_t c = 0; c < C; ++c)
    for (std::size_t e = 0; e < E; ++e)
      W[c * E + e] += config.strength * result.scale * d[c] * result.u[e];
  return result;
}

/// Adds strength * deviation(W) * noise to W.
LayerLesion damage_by_noise(std::vector<double>& W, int layer, const LesionConfig& config) {
  double sum = 0, square = 0;
  for (const double w : W) sum += w, square += w * w;
  const double mean = sum / double(W.size());
  const double deviation = std::sqrt(std::max(0.0, square / double(W.size()) - mean * mean));
  Random random(config.seed, 7000 + std::uint64_t(layer));
  for (double& w : W) w += config.strength * deviation * random.normal();
  return {.scale = deviation, .prompts = {}, .answers = {}, .english = {}, .u = {}};
}

}  // namespace

template <class T>
std::vector<LayerLesion> damage_routers(Model<T>& model, Zone zone,
                                        const std::vector<TrainingSequence>& english,
                                        const std::vector<TrainingSequence>& target,
                                        const LesionConfig& config, const Watch& watch) {
  const int L = model.config().moe_layer_count();
  check(std::isfinite(config.strength) && config.strength >= 0 && std::isfinite(config.guard) &&
            config.guard >= 0,
        "lesion: strength = ", config.strength, " and guard = ", config.guard,
        "; expected numbers from 0 on.");
  check(0 <= zone.first && zone.first <= zone.last && zone.last < L, "lesion: a zone from layer ",
        zone.first, " to ", zone.last, " in a model with ", L, " layers with experts; expected at "
        "least one of them.");
  std::vector<Parameter<T>*> routers;
  for (int l = 0; l < model.config().num_hidden_layers; ++l)
    if (model.layer(l).router) routers.push_back(model.layer(l).router);
  std::vector<LayerLesion> done;
  for (int layer = zone.first; layer <= zone.last; ++layer) {
    auto& value = routers[std::size_t(layer)]->value;
    std::vector<Number<T>> there(value.size());
    copy_out(there.data(), value.data(), there.size());
    std::vector<double> W(there.begin(), there.end());
    if (config.form == LesionForm::noise) {
      done.push_back(damage_by_noise(W, layer, config));
    } else {
      LayerInputs inputs(std::size_t(model.config().hidden_size));
      add_inputs(model, layer, english, inputs.english, inputs.english, watch);
      add_inputs(model, layer, target, inputs.prompts, inputs.answers, watch);
      done.push_back(damage_language(W, inputs, config));
    }
    done.back().layer = layer;
    const std::vector<Number<T>> damaged(W.begin(), W.end());
    copy_in(value.data(), damaged.data(), damaged.size());
  }
  return done;
}

#define RAMOE_INSTANTIATE(T)                                                                 \
  template std::vector<LayerLesion> damage_routers(                                          \
      Model<T>&, Zone, const std::vector<TrainingSequence>&,                                 \
      const std::vector<TrainingSequence>&, const LesionConfig&, const Watch&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
