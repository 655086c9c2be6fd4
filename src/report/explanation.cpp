#include "report/explanation.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/attention.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// Row n of a matrix with C columns.
std::vector<double> row_of(const double* x, int n, int C) {
  return {row(x, n, C), row(x, n, C) + C};
}

TokenBatch one_sequence(const ModelConfig& config, const std::vector<int>& tokens) {
  return make_batch({tokens}, config.pad_token_id, config.bos_token_id);
}

/// L_align of one sequence as a function of the router logits of all layers.
class LossOfLogits {
 public:
  LossOfLogits(Model<double>& model, const TokenBatch& batch, const AlignedSequence& sequence,
               const std::vector<int>& layers, const AlignmentMeasure& measure)
      : batch_(batch), sequence_(sequence), layers_(layers), measure_(measure), tape_(arena_) {
    const Tape<double>::NoGrad no_grad(tape_);
    for (const Routing<double>& r : model.forward(tape_, batch, {.routing_only = true}).routing) {
      z.emplace_back(r.logits.z.data, r.logits.z.data + r.logits.z.count());
      dz.emplace_back(z.back().size(), 0.0);
      E = r.E;
    }
  }
  /// Adds the gradient to dz if asked to.
  double loss(bool with_gradient) {
    tape_.reset();
    p.clear();
    std::vector<Routing<double>> routing(z.size());
    for (std::size_t l = 0; l < z.size(); ++l) {
      Routing<double>& r = routing[l];
      r.layer = static_cast<int>(l);
      r.N = batch_.B * batch_.T;
      r.E = E;
      r.logits.z = tape_.leaf(z[l].data(), dz[l].data(), {r.N, E});
      double* softmax = tape_.keep<double>(z[l].size());
      softmax_forward(softmax, z[l].data(), r.N, E);
      r.probabilities.p = softmax;
      p.push_back(softmax);
    }
    const Tensor<double> L = alignment_loss(tape_, routing, batch_, {sequence_}, layers_, measure_);
    if (with_gradient) tape_.backward(L);
    return L.data[0];
  }

  int E = 0;
  std::vector<std::vector<double>> z, dz;  // (L) of (N,E)
  std::vector<const double*> p;            // (L) of (N,E), of the last call

 private:
  const TokenBatch& batch_;
  AlignedSequence sequence_;
  const std::vector<int>& layers_;
  AlignmentMeasure measure_;
  Arena arena_;
  Tape<double> tape_;
};

/// Compares each dz of the layers with the central difference of the loss.
void check_by_differences(AlignmentNumbers& numbers, LossOfLogits& of,
                          const std::vector<int>& layers) {
  constexpr double h = 1e-5;  // error of h^2, and rounding of 1e-16 L / h: both under 1e-9
  for (const int l : layers)
    for (std::size_t i = 0; i < of.z[std::size_t(l)].size(); ++i) {
      double& z = of.z[std::size_t(l)][i];
      const double before = z, dz = of.dz[std::size_t(l)][i];
      z = before + h;
      const double above = of.loss(false);
      z = before - h;
      const double below = of.loss(false);
      z = before;
      ++numbers.checked;
      numbers.largest = std::max(numbers.largest, std::abs(dz));
      numbers.distance = std::max(numbers.distance, std::abs(dz - (above - below) / (2 * h)));
    }
}

double sum_over(const std::vector<double>& q, const std::vector<int>& experts) {
  double sum = 0;
  for (const int e : experts) sum += q[std::size_t(e)];
  return sum;
}

}  // namespace

RouterNumbers router_numbers(Model<double>& model, const std::vector<int>& tokens, int i, int t) {
  Arena arena;
  Tape<double> tape(arena);
  const Tape<double>::NoGrad no_grad(tape);
  const TokenBatch batch = one_sequence(model.config(), tokens);
  const ForwardResult<double> forward = model.forward(tape, batch, {.routing_only = true});
  const Routing<double>& r = forward.routing[std::size_t(i)];
  const int* chosen = row(r.chosen.expert, t, r.K);
  return {row_of(r.logits.z.data, t, r.E),
          row_of(r.probabilities.p, t, r.E),
          {chosen, chosen + r.K},
          row_of(r.gate.data, t, r.K)};
}

AttentionNumbers attention_numbers(Model<double>& model, const std::vector<int>& tokens, int layer,
                                   int head, int t) {
  const ModelConfig& config = model.config();
  const int T = static_cast<int>(tokens.size()), HS = config.head_size();
  const AttentionDims d{1, T, config.num_attention_heads, config.num_key_value_heads, HS};
  Arena arena;
  Tape<double> tape(arena);
  const Tape<double>::NoGrad no_grad(tape);
  const TokenBatch batch = one_sequence(config, tokens);
  const AttentionInput<double> in = model.attention_input(tape, batch, layer);
  std::vector<double> out(std::size_t(T * d.NH * HS)), p(std::size_t(d.NH * T * T));
  attention_forward(out.data(), p.data(), in.q.data, in.k.data, in.v.data, &T, d);

  // Row t of x (T, heads*HS) is rows t*heads to (t+1)*heads of the same values as (T*heads, HS).
  AttentionNumbers result;
  result.kv = head / (d.NH / d.NKV);
  result.q = row_of(in.q.data, t * d.NH + head, HS);
  result.out = row_of(out.data(), t * d.NH + head, HS);
  for (int j = 0; j <= t; ++j) {
    result.k.push_back(row_of(in.k.data, j * d.NKV + result.kv, HS));
    result.v.push_back(row_of(in.v.data, j * d.NKV + result.kv, HS));
    double score = 0;
    for (int i = 0; i < HS; ++i)
      score += result.q[std::size_t(i)] * result.k.back()[std::size_t(i)];
    result.s.push_back(score / std::sqrt(double(HS)));
    result.p.push_back(row(p.data(), head * T + t, T)[j]);
  }
  return result;
}

AlignmentNumbers alignment_numbers(Model<double>& model, const FinetuneExample& example,
                                   const AlignmentConfig& config, const StageResults& stages,
                                   std::uint64_t seed, int t) {
  check(aligned_examples(config.examples, {example}, seed)[0], "the example is ",
        name_of(example.type), ", and examples=", name_of(config.examples),
        " does not align it; take a ci example, or examples=all.");
  const int layer_count = model.config().moe_layer_count();
  check(config.signal == AlignedSignal::routing && config.span != AlignedTokens::tokens &&
            config.english_side != EnglishSide::shuffled,
        "signal = ", name_of(config.signal), ", span = ", name_of(config.span),
        ", english_side = ", name_of(config.english_side),
        ": one example is explained by the mean routing of its two sides; expected signal = "
        "routing, another span than tokens and another side than shuffled.");
  const std::vector<int> layers = alignment_layers(config.layers, stages.zone, layer_count, seed);
  ExpertSets support = alignment_support(config.support, stages.experts.at(example.task),
                                         model.config().num_experts, seed);
  const TokenBatch batch = one_sequence(model.config(), example.target.tokens);
  const TokenSpan span = aligned_span(config.span, example.target.prompt);
  check(t >= span.begin && t < std::min(span.end, batch.T) && batch.scored[std::size_t(t)],
        "token ", t, " is not compared: span=", name_of(config.span), " of the ", batch.T,
        " tokens counts, without BOS.");
  const TrainingSequence& followed =
      config.english_side == EnglishSide::own ? example.target : example.english;
  const SequenceRouting english_side =
      sequence_routing(model, {followed.tokens}, {aligned_span(config.span, followed.prompt)})[0];
  if (config.support == AlignedExperts::chosen)
    support = chosen_experts(english_side.q, model.config().num_experts_per_tok);
  const SequenceRouting target_side = sequence_routing(model, {example.target.tokens}, {span})[0];
  const AlignmentMeasure measure{config.divergence, config.mass_weight, config.allocation_weight};
  LossOfLogits of(model, batch, {0, span, &english_side.q, &support}, layers, measure);

  AlignmentNumbers result;
  result.loss = of.loss(true);
  for (int n = span.begin; n < std::min(span.end, batch.T); ++n)
    result.rows += batch.scored[std::size_t(n)];
  for (const int l : layers) {
    const std::size_t at = std::size_t(l);
    AlignedLayerNumbers one;
    one.layer = l;
    one.support = support[at];
    one.q_star = english_side.q[at];
    one.q = target_side.q[at];
    one.m_star = sum_over(one.q_star, one.support);
    one.m = sum_over(one.q, one.support);
    std::vector<unsigned char> in_support(std::size_t(of.E), 0);
    for (const int e : one.support) in_support[std::size_t(e)] = 1;
    one.g.resize(std::size_t(of.E));
    alignment_divergence_forward(&one.D, one.g.data(), one.q_star.data(), one.q.data(),
                                 in_support.data(), measure, 1, of.E);
    one.p = row_of(of.p[at], t, of.E);
    one.dz = row_of(of.dz[at].data(), t, of.E);
    result.layers.push_back(std::move(one));
  }
  check_by_differences(result, of, layers);
  return result;
}

}  // namespace ramoe
