#include "ch11_baselines/rise.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "support/error.h"
#include "support/order.h"

namespace ramoe {

RiseScores rise_scores(const UsageByLanguage& usage, const std::string& target) {
  check(usage.contains(target) && usage.size() > 1, "RISE compares the usage of ", target,
        " with that of other languages; it was given ", usage.size(), " language(s).");
  const PerLayer& a = usage.at(target);
  const double languages = static_cast<double>(usage.size());
  RiseScores scores{a, a};
  for (std::size_t l = 0; l < a.size(); ++l)
    for (std::size_t e = 0; e < a[l].size(); ++e) {
      double mean = 0, squares = 0;
      for (const auto& [lang, other] : usage) mean += other[l][e] / languages;
      for (const auto& [lang, other] : usage) squares += std::pow(other[l][e] - mean, 2);
      const double variation = mean > 0 ? std::sqrt(squares / languages) / mean : 0;
      scores.specific[l][e] = mean > 0 ? a[l][e] / mean * (1 + 10 * a[l][e]) : 0;
      scores.overlapping[l][e] = mean > 0 ? (1 + 10 * mean) / (1 + variation) : 0;
    }
  return scores;
}

std::vector<std::vector<int>> rise_experts(const RiseScores& scores, double share) {
  struct Part {
    double end, budget;
    const PerLayer& score;
  };
  const std::array<Part, 3> parts{{{0.375, 0.35, scores.specific},
                                   {0.625, 0.25, scores.overlapping},
                                   {1.0, 0.40, scores.specific}}};
  const std::size_t L = scores.specific.size();
  check(L > 0 && share > 0 && share <= 1, "RISE was asked for a share of ", share,
        " of the experts of ", L, " layers; expected more than 0 and at most 1.");
  const std::size_t E = scores.specific[0].size();
  const double total = std::round(share * double(L) * double(E));
  std::vector<std::vector<int>> chosen(L);
  std::size_t layer = 0;
  for (const Part& part : parts) {
    std::vector<double> score;  // of all experts of the part, layer by layer
    const std::size_t first = layer;
    for (; layer < L && (double(layer) + 0.5) / double(L) < part.end; ++layer)
      score.insert(score.end(), part.score[layer].begin(), part.score[layer].end());
    std::vector<int> order = order_by(score.size(), [&](int i) { return -score[std::size_t(i)]; });
    const auto wanted = static_cast<std::size_t>(std::max(1.0, std::round(part.budget * total)));
    order.resize(std::min(wanted, order.size()));
    for (const int i : order)
      chosen[first + std::size_t(i) / E].push_back(static_cast<int>(std::size_t(i) % E));
  }
  for (std::vector<int>& experts : chosen) std::sort(experts.begin(), experts.end());
  return chosen;
}

template <class T>
UsageByLanguage usage_by_language(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                                  const std::vector<std::string>& tasks) {
  CachedEncoder encoder(prompts.tokenizer());
  UsageByLanguage usage;
  std::vector<std::string> languages = data.targets();
  languages.push_back(english);
  for (const std::string& lang : languages) {
    std::vector<std::vector<int>> questions;
    for (const std::string& task : tasks)
      for (const Example& example : data.examples(lang, task, Split::adapt_train))
        questions.push_back(prompts.prompt(encoder, example.question));
    usage[lang] = mean_of(sequence_routing(model, questions), &SequenceRouting::u);
  }
  return usage;
}

template <class T>
void train_only_experts(Model<T>& model, const std::vector<std::vector<int>>& experts) {
  const std::vector<int> layers = model.config().moe_layers();
  check(experts.size() == layers.size(), "experts of ", experts.size(), " layers were given for ",
        layers.size(), " layers with experts.");
  for (const auto& parameter : model.parameters()) parameter->trainable = false;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (experts[i].empty()) continue;
    const LayerParameters<T>& layer = model.layer(layers[i]);
    for (Parameter<T>* p : {layer.gate_up, layer.down}) {
      p->trainable = true;
      p->trained_blocks.assign(std::size_t(model.config().num_experts), 0);
      for (const int e : experts[i]) p->trained_blocks[std::size_t(e)] = 1;
    }
  }
}

#define RAMOE_INSTANTIATE(T)                                                                 \
  template void train_only_experts(Model<T>&, const std::vector<std::vector<int>>&);         \
  template UsageByLanguage usage_by_language(Model<T>&, const Prompts&, const ParallelData&, \
                                             const std::vector<std::string>&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
