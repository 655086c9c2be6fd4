#include "ch10_alignment/alignment_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ch02_autograd/gradcheck.h"
#include "ch04_moe/tiny_model.h"
#include "ch10_alignment/alignment_choices.h"
#include "ch10_alignment/measured.h"

namespace ramoe {
namespace {

constexpr int kE = 5, kLayers = 3, kPad = 2, kBos = 0;

/// Three sequences of 5, 2 and 4 tokens with BOS, so T = 5 and N = 15.
TokenBatch mixed_batch() {
  return make_batch({{0, 3, 4, 5, 6}, {0, 7}, {0, 8, 9, 10}}, kPad, kBos);
}

/// Two aligned sequences that differ in span, English side and support. Layer 1 of the second
/// compares all experts.
struct Setting {
  TokenBatch batch = mixed_batch();
  std::vector<PerLayer> q_star;
  std::vector<std::vector<std::vector<int>>> support = {{{0, 3}, {1}, {2, 4}},
                                                        {{1}, {0, 1, 2, 3, 4}, {0, 1, 2}}};
  std::vector<AlignedSequence> sequences;
  Setting() {
    for (unsigned s = 0; s < 2; ++s) {
      PerLayer star;
      for (unsigned l = 0; l < kLayers; ++l) {
        std::vector<double> q = random_values<double>(kE, 10 * s + l);
        double sum = 0;
        for (double& value : q) sum += value = std::exp(value);
        for (double& value : q) value /= sum;
        star.push_back(q);
      }
      q_star.push_back(star);
    }
    sequences = {{0, {0, 3}, &q_star[0], &support[0]}, {2, {}, &q_star[1], &support[1]}};
  }
};
// Tokens 1 and 2 of sequence 0 and 1, 2, 3 of sequence 2.
const std::vector<int> kRows[2] = {{1, 2}, {11, 12, 13}};

/// Routing of a layer with these logits.
template <class T>
Routing<T> routing_of(Tape<T>& tape, const Tensor<T>& z) {
  Routing<T> r;
  r.N = z.rows();
  r.E = z.columns();
  r.K = 2;
  r.logits.z = z;
  const typename Tape<T>::NoGrad no_grad(tape);
  r.probabilities.p = softmax(tape, tape.detach(z)).data;
  return r;
}

std::vector<CheckedInput> logits() {
  return {random_input("z0", {15, kE}, 1), random_input("z1", {15, kE}, 2),
          random_input("z2", {15, kE}, 3)};
}

TEST(AlignmentLoss, GradientOfEveryFormByFiniteDifferences) {
  const Setting s;
  for (const AlignmentForm form : every<AlignmentForm>())
    for (const std::vector<int>& layers :
         {std::vector<int>{1}, std::vector<int>{0, 2}, std::vector<int>{0, 1, 2}}) {
      const AlignmentMeasure measure{form, 0.6, 1.7};
      const CheckedFunction loss = [&](Tape<double>& tape, const std::vector<Tensor<double>>& z) {
        std::vector<Routing<double>> routing;
        for (const Tensor<double>& layer : z) routing.push_back(routing_of(tape, layer));
        return alignment_loss(tape, routing, s.batch, s.sequences, layers, measure);
      };
      EXPECT_EQ(gradient_error(loss, logits()), "") << name_of(form);
    }
}

/// Loss and gradients of three layers of logits.
struct Outcome {
  double loss;
  std::vector<std::vector<double>> dz;
};
Outcome outcome_of(const Setting& s, const std::vector<int>& layers) {
  Arena arena;
  Tape<double> tape(arena);
  std::vector<CheckedInput> inputs = logits();
  Outcome outcome;
  outcome.dz.assign(kLayers, std::vector<double>(15 * kE));
  std::vector<Routing<double>> routing;
  for (std::size_t l = 0; l < kLayers; ++l)
    routing.push_back(routing_of(
        tape, tape.leaf(inputs[l].values.data(), outcome.dz[l].data(), inputs[l].shape)));
  const Tensor<double> loss =
      alignment_loss(tape, routing, s.batch, s.sequences, layers, AlignmentMeasure{});
  outcome.loss = loss.data[0];
  tape.backward(loss);
  return outcome;
}

TEST(AlignmentLoss, IsTheMeanOverSequencesAndLayers) {
  const Setting s;
  const std::vector<CheckedInput> inputs = logits();
  double total = 0;
  for (std::size_t i = 0; i < 2; ++i)
    for (const std::size_t l : {0u, 2u}) {
      std::vector<double> q(kE), g;
      for (const int n : kRows[i]) {
        const double* z = row(inputs[l].values.data(), n, kE);
        double sum = 0;
        for (int e = 0; e < kE; ++e) sum += std::exp(z[e]);
        for (int e = 0; e < kE; ++e)
          q[std::size_t(e)] += std::exp(z[e]) / sum / double(kRows[i].size());
      }
      total += alignment_divergence({}, s.q_star[i][l], q, s.support[i][l], g);
    }
  EXPECT_NEAR(outcome_of(s, {0, 2}).loss, total / 4, 1e-12);
}

TEST(AlignmentLoss, OnlyAlignedTokensOfAlignedLayersFeelIt) {
  const Outcome outcome = outcome_of(Setting(), {0, 2});
  for (int l = 0; l < kLayers; ++l)
    for (int n = 0; n < 15; ++n) {
      bool felt = false;
      for (int e = 0; e < kE; ++e)
        felt = felt || row(outcome.dz[std::size_t(l)].data(), n, kE)[e] != 0;
      const bool aligned = l != 1 && (n == 1 || n == 2 || (n >= 11 && n <= 13));
      EXPECT_EQ(felt, aligned) << "layer " << l << ", row " << n;
    }
}

TEST(AlignmentLoss, BackwardByHand) {
  // p = (1/2, 1/2) and (1/4, 3/4), g = (2, -2), two rows, scale 3:
  // sum p g = 0 and -1; dz = 3/2 * 1/2 * (2, -2) and 3/2 * (1/4 * 3, 3/4 * -1).
  const std::vector<double> p = {9, 9, 0.5, 0.5, 0.25, 0.75}, g = {2, -2};
  const int rows[] = {1, 2}, begin[] = {0, 2};
  const double dloss = 12;  // of four parts
  std::vector<double> dz(6, 10.0);
  sequence_mean_backward(dz.data(), p.data(), g.data(), rows, begin, &dloss, 4, 1, 2);
  EXPECT_EQ(difference(dz, std::vector<double>{10, 10, 11.5, 8.5, 11.125, 8.875}, 1e-12, 0), "");
}

// The example of tutorial/ch10_alignment.md: two tokens over four experts, the support is {0,1}.
TEST(AlignmentLoss, TwoTokensByHand) {
  const std::vector<double> star = {0.5, 0.2, 0.2, 0.1};
  std::vector<double> p = {0.5, 0.1, 0.3, 0.1, 0.1, 0.1, 0.5, 0.3}, z, q(4), g, dz(8);
  const int rows[] = {0, 1}, begin[] = {0, 2};
  const double dloss = 1;
  const auto divergence = [&] {
    sequence_mean_forward(q.data(), p.data(), rows, begin, 1, 4);
    return alignment_divergence({}, star, q, {0, 1}, g);
  };
  EXPECT_NEAR(divergence(), 0.1860981, 1e-7);
  EXPECT_EQ(difference(q, std::vector<double>{0.3, 0.1, 0.4, 0.2}, 1e-12, 0), "");
  // Inner sums sum_k p g: -1.2333 and -0.7667, mean -1.
  sequence_mean_backward(dz.data(), p.data(), g.data(), rows, begin, &dloss, 1, 1, 4);
  const std::vector<double> wanted = {-0.1083, -0.0383, 0.1100, 0.0367,   // half of the last
                                      -0.0450, -0.0617, 0.0667, 0.0400};  // printed digit
  EXPECT_EQ(difference(dz, wanted, 0.5e-4, 0), "");
  for (const double value : p) z.push_back(std::log(value));
  for (std::size_t i = 0; i < 8; ++i) z[i] -= dz[i];
  softmax_forward(p.data(), z.data(), 2, 4);
  EXPECT_NEAR(divergence(), 0.1502847, 1e-7);  // after z -= dz
}

// One token, as span = last aligns it: the first of the example above. D = .2 log(.2/.1) +
// .3 log(.3/.4), and dz is probability minus target: q - q* in the support, q - q .3/.4 outside.
TEST(AlignmentLoss, OneTokenByHand) {
  const std::vector<double> star = {0.5, 0.2, 0.2, 0.1}, p = {0.5, 0.1, 0.3, 0.1};
  std::vector<double> q(4), g, dz(4);
  const int rows[] = {0}, begin[] = {0, 1};
  const double dloss = 1;
  sequence_mean_forward(q.data(), p.data(), rows, begin, 1, 4);
  EXPECT_NEAR(alignment_divergence({}, star, q, {0, 1}, g), 0.0523248, 1e-7);
  sequence_mean_backward(dz.data(), p.data(), g.data(), rows, begin, &dloss, 1, 1, 4);
  EXPECT_EQ(difference(dz, std::vector<double>{0, -0.1, 0.075, 0.025}, 1e-12, 0), "");
  // The mass of the two alone, as support = chosen with K = 2 and allocation_weight = 0 has it:
  // .7 log(.7/.6) + .3 log(.3/.4), and m* (1-m) - (1-m*) m = .1 shared out by p within each side.
  const AlignmentMeasure mass{AlignmentForm::mass_allocation, 1, 0};
  EXPECT_NEAR(alignment_divergence(mass, star, q, chosen_experts({star}, 2)[0], g), 0.0216009,
              1e-7);
  dz.assign(4, 0);
  sequence_mean_backward(dz.data(), p.data(), g.data(), rows, begin, &dloss, 1, 1, 4);
  EXPECT_EQ(difference(dz, std::vector<double>{-0.25 / 3, -0.05 / 3, 0.075, 0.025}, 1e-12, 0), "");
}

/// Routing of which only the inputs of the routers matter.
template <class T>
std::vector<Routing<T>> routing_of_inputs(const std::vector<Tensor<T>>& inputs) {
  std::vector<Routing<T>> routing;
  for (const Tensor<T>& input : inputs) {
    routing.emplace_back();
    routing.back().input = input;
  }
  return routing;
}

// States of two values; the tokens (1,2) and (3,-2) have the mean (2,0), and English (1,1): the
// difference (1,-1) has the mean square 1. dh = 2/C (1,-1) 1/T = (.5,-.5) for each token; of two
// layers, the other without a difference, half of both.
TEST(AlignmentLoss, HiddenStatesByHand) {
  Arena arena;
  Tape<double> tape(arena);
  const TokenBatch batch = make_batch({{kBos, 3, 4}}, kPad, kBos);
  std::vector<double> h = {9, 9, 1, 2, 3, -2}, same = {9, 9, 1, 1, 1, 1}, dh(6, 10.0), dsame(6);
  const PerLayer star = {{1, 1}, {1, 1}};
  const std::vector<AlignedSequence> sequences = {{0, {0, 3}, &star, nullptr}};
  const auto routing = routing_of_inputs<double>(
      {tape.leaf(h.data(), dh.data(), {3, 2}), tape.leaf(same.data(), dsame.data(), {3, 2})});
  EXPECT_NEAR(hidden_loss(tape, routing, batch, sequences, {0}).data[0], 1, 1e-12);
  const Tensor<double> loss = hidden_loss(tape, routing, batch, sequences, {0, 1});
  EXPECT_NEAR(loss.data[0], 0.5, 1e-12);
  tape.backward(loss);
  EXPECT_EQ(difference(dh, std::vector<double>{10, 10, 10.25, 9.75, 10.25, 9.75}, 1e-12, 0), "");
  EXPECT_EQ(difference(dsame, std::vector<double>(6), 1e-12, 0), "");
}

TEST(AlignmentLoss, GradientOfHiddenStatesByFiniteDifferences) {
  const Setting s;  // its q* of five values stand for states of five
  for (const std::vector<int>& layers : {std::vector<int>{1}, std::vector<int>{0, 1, 2}}) {
    const CheckedFunction loss = [&](Tape<double>& tape, const std::vector<Tensor<double>>& h) {
      return hidden_loss(tape, routing_of_inputs(h), s.batch, s.sequences, layers);
    };
    EXPECT_EQ(gradient_error(loss, logits()), "");
  }
}

TEST(AlignmentLoss, AClampedRoutingGivesAFiniteGradient) {
  Arena arena;
  Tape<float> tape(arena);
  std::vector<float> z(15 * kE), dz(15 * kE);
  for (std::size_t n = 0; n < 15; ++n) z[n * kE + 4] = 200;  // p = 0 for all others, in fp32
  Setting s;
  s.q_star[0][0] = {0.5, 0.1, 0.1, 0.2, 0.1};
  const std::vector<Routing<float>> routing(
      3, routing_of(tape, tape.leaf(z.data(), dz.data(), {15, kE})));
  const Tensor<float> loss = alignment_loss(tape, routing, s.batch, s.sequences, {0}, {});
  EXPECT_TRUE(std::isfinite(loss.data[0]));
  EXPECT_GT(loss.data[0], 1);
  tape.backward(loss);
  for (const float value : dz) EXPECT_TRUE(std::isfinite(value));
}

TEST(AlignmentLoss, NothingToAlignAndErrors) {
  Setting s;
  Arena arena;
  Tape<double> tape(arena);
  std::vector<double> z(15 * kE);
  const std::vector<Routing<double>> routing(3,
                                             routing_of(tape, tape.constant(z.data(), {15, kE})));
  EXPECT_EQ(alignment_loss(tape, routing, s.batch, {}, {0}, {}).data, nullptr);
  EXPECT_LT(alignment_loss(tape, routing, s.batch, s.sequences, {0}, {}).node, 0);
  const auto error = [&](const std::vector<int>& layers) {
    return error_of([&] { alignment_loss(tape, routing, s.batch, s.sequences, layers, {}); });
  };
  EXPECT_TRUE(mentions(error({}), "no layer"));
  s.sequences[0].span = {0, 1};  // BOS alone
  EXPECT_TRUE(mentions(error({0}), "sequence 0"));
  s.sequences[0].span = {5, 9};
  EXPECT_TRUE(mentions(error({0}), "sequence 0"));
  s.sequences[0].span = {};
  s.support[0].pop_back();
  EXPECT_TRUE(mentions(error({0}), "2 of 3 layers"));
  const auto refused = [&](const std::vector<int>& support) {
    s = {};
    s.support[0][0] = support;
    return error({0});
  };
  EXPECT_TRUE(mentions(refused({}), "a support of 0"));
  EXPECT_TRUE(mentions(refused({5}), "support expert 5"));
  EXPECT_TRUE(mentions(refused({-1}), "support expert -1"));
  s = {};
  s.q_star[0][0].pop_back();
  EXPECT_TRUE(mentions(error({0}), "5 experts with 4"));
}

/// Cross-entropy + 0.7 alignment + 0.3 hidden states of a whole model; also the chosen experts.
struct Probe {
  double loss;
  std::vector<int> chosen;
};

TEST(AlignmentLoss, ThroughAWholeModelByFiniteDifferences) {
  const std::vector<std::vector<int>> support = {{0, 2}, {3}};
  const PerLayer star = {{0.7, 0.1, 0.1, 0.1}, {0.1, 0.2, 0.3, 0.4}};
  const int C = tiny_config(kFamilyNames[0], true).hidden_size;
  const PerLayer states(2, random_values<double>(std::size_t(C), 7));
  const std::vector<AlignedSequence> sequences = {{0, {0, 4}, &star, &support},
                                                  {2, {}, &star, &support}};
  for (const char* family : kFamilyNames) {
    Model<double> model(tiny_config(family, true), 3);
    stir(model, 50);
    const TokenBatch batch = mixed_batch();
    const std::vector<int> target = next_tokens(batch);
    Arena arena;
    Tape<double> tape(arena);
    const auto probe = [&](bool backward) {
      tape.reset();
      const auto forward = model.forward(tape, batch);
      const Tensor<double> align =
          alignment_loss(tape, forward.routing, batch, sequences, {0, 1}, {});
      const Tensor<double> hidden =
          hidden_loss(tape, forward.routing, batch, {{1, {}, &states, nullptr}}, {0, 1});
      const Tensor<double> loss = weighted_sum<double>(
          tape,
          {{cross_entropy(tape, forward.logits, target.data()), 1.0}, {align, 0.7}, {hidden, 0.3}});
      Probe result{loss.data[0], {}};
      for (const auto& r : forward.routing)
        result.chosen.insert(result.chosen.end(), r.chosen.expert, r.chosen.expert + r.N * r.K);
      if (backward) tape.backward(loss);
      return result;
    };
    const Probe base = probe(true);
    Random random(1, 2);
    int compared = 0;
    for (const auto& p : model.parameters())
      for (int sample = 0; sample < 6; ++sample) {
        const std::size_t i = random.below(static_cast<std::uint32_t>(p->value.size()));
        const double before = p->value[i], h = 1e-5;
        p->value[i] = before + h;
        const Probe above = probe(false);
        p->value[i] = before - h;
        const Probe below = probe(false);
        p->value[i] = before;
        if (above.chosen != base.chosen || below.chosen != base.chosen) continue;  // no derivative
        const double slope = (above.loss - below.loss) / (2 * h);
        // The third derivative times h^2, some 1e-9.
        EXPECT_NEAR(p->gradient[i], slope, 1e-8 + 1e-6 * std::abs(slope)) << family << p->name;
        ++compared;
      }
    EXPECT_GT(compared, 100);
  }
}

}  // namespace
}  // namespace ramoe
