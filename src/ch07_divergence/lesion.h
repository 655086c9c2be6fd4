// Chapter 7.7 - a lesion: routers damaged on purpose, so that routing is the fault by construction
//
//   W[c,e] += strength * scale * d[c] * u[e]      in each layer of the zone: a matrix of rank one
//   z[n,e] += strength * scale * (d.h_n) * u[e]   what that does to the logits of a token
//
//   d (C)  tells the target languages from English: of all directions the least squares one,
//            min  mean (d.h - 1)^2 over tokens of the targets, prompts and answers
//               + guard * mean (d.h)^2 over tokens of English,
//          so (guard S_english + S_target + r I) d = mean h of the targets; S = mean h h'. Then
//          d is scaled so that the mean of d.h is 1 over the targets.
//          With span=prompt the targets' answers count as English does.
//   u (E)  away from where the target tokens go: minus their mean logits, centred, mean square 1
//   scale  the deviation of the logits of a token over its experts, on target tokens
//
// Routers have no bias, so a shift for the targets alone needs such a d. As far as d.h is 1, the
// fault is the same for each token of a layer: a constant added to the logits undoes it, and the
// mean routing of a prompt shows it. Layers are done from the first to the last, because those
// above read what the lesion below has done. Form noise is the blunt one, for all languages:
// W += strength * deviation(W) * normal noise.
//
// Ours alone: the paper's abstract says nothing of it. Tests: tests/ch07_divergence/lesion_test.cpp
#pragma once

#include <cstdint>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch07_divergence/headroom.h"

namespace ramoe {

enum class LesionForm { language, noise };
constexpr auto names(LesionForm) {
  return std::array{"language", "noise"};
}

struct LesionConfig {
  LesionForm form = LesionForm::language;
  double strength = 1;
  double guard = 1;
  ForcedTokens span = ForcedTokens::both;
  std::uint64_t seed = 1;  // of the noise

  void list(FieldList& fields);
};

/// Sums over tokens, from which their mean and mean square along any direction follow.
struct Moments {
  explicit Moments(std::size_t C) : sum(C), squares(C * C) {}
  double tokens = 0;
  std::vector<double> sum;      // (C)    sum of h
  std::vector<double> squares;  // (C,C)  sum of h h'

  void add(const Moments& more);

  template <class Value>
  void add(const Value* h) {
    const std::size_t C = sum.size();
    tokens += 1;
    for (std::size_t i = 0; i < C; ++i) {
      sum[i] += double(h[i]);
      for (std::size_t j = 0; j < C; ++j) squares[i * C + j] += double(h[i]) * double(h[j]);
    }
  }
  /// Mean of d.h, and of (d.h)^2.
  double mean(const std::vector<double>& d) const;
  double mean_square(const std::vector<double>& d) const;
};

/// x with A x = b, A (n,n) symmetric and positive definite: Cholesky. Error: A is neither.
std::vector<double> solve_symmetric(std::vector<double> A, std::vector<double> b);

/// The direction d above. Error: no tokens on either side.
std::vector<double> language_direction(const Moments& target, const Moments& other, double guard);

/// What was done to one layer: d.h by kind of token, mean and deviation.
struct LayerLesion {
  struct Along {
    double mean = 0, deviation = 0;
  };
  int layer = 0;  // MoE layer
  double scale = 0;
  Along prompts, answers, english;  // of the targets twice; all tokens of English
  std::vector<double> u;  // (E)
};

/// Damages the routers of the zone. `english`, `target`: questions with their answers; unused by
/// form noise. `watch` is told how many texts are read, zone.size() times all. Error: a strength or
/// guard that is no number, a zone outside the model, a side without sequences.
template <class T>
std::vector<LayerLesion> damage_routers(Model<T>& model, Zone zone,
                                        const std::vector<TrainingSequence>& english,
                                        const std::vector<TrainingSequence>& target,
                                        const LesionConfig& config, const Watch& watch = {});

}  // namespace ramoe
