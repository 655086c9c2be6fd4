// What is followed in place of the item's own English side, and what of it: the controls and the
// extensions of stage 3.
#include "ch10_alignment/followed_side.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "ch10_alignment/measured.h"
#include "ch10_alignment/world3.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// The base weights times 1.3: a model that has moved on.
template <class T>
void move_on(Model<T>& model) {
  for (const auto& p : model.parameters())
    for (T& w : p->value) w *= T(1.3);
}

/// L_align of a batch of all examples, after the model has moved on from the term's base weights.
template <class T>
double aligned(World3Of<T>& world, AlignmentConfig config) {
  config.examples = AlignedExamples::all;
  AlignmentTerm<T> term = world.term(config);
  move_on(world.model);
  Arena arena;
  Tape<T> tape(arena);
  const TrainingBatch batch = world.batch_of({0, 1, 2, 3});
  term.place(tape, batch, 0);
  term.add(tape, batch, world.model.forward(tape, batch.tokens), 0);
  return double(term.last().data[0]);
}

TEST(FollowedItems, ShuffledIsARingWithinTheTask) {
  std::vector<FinetuneExample> examples(11);
  std::vector<bool> is_aligned(11, true);
  is_aligned[4] = is_aligned[7] = false;
  for (std::size_t i = 0; i < 11; ++i) examples[i].task = i % 2 ? "facts" : "sums";
  const auto items = [&](EnglishSide which, std::uint64_t seed) {
    return followed_items(which, examples, is_aligned, seed);
  };
  const std::vector<int> own = items(EnglishSide::base, 1);
  for (int i = 0; i < 11; ++i) EXPECT_EQ(own[std::size_t(i)], i);
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const std::vector<int> other = items(EnglishSide::shuffled, seed);
    std::set<int> followed;
    for (std::size_t i = 0; i < 11; ++i) {
      if (!is_aligned[i]) continue;
      EXPECT_NE(other[i], int(i));
      EXPECT_EQ(other[i] % 2, int(i) % 2) << "another task";
      EXPECT_TRUE(is_aligned[std::size_t(other[i])]);
      followed.insert(other[i]);
    }
    EXPECT_EQ(followed.size(), 9u) << "each is followed once";
    EXPECT_EQ(items(EnglishSide::shuffled, seed), other);
  }
  EXPECT_NE(items(EnglishSide::shuffled, 1), items(EnglishSide::shuffled, 2));
  is_aligned.assign(11, false);
  is_aligned[3] = true;
  EXPECT_TRUE(mentions(error_of([&] { items(EnglishSide::shuffled, 1); }), "facts one pair"));
}

// D by its definition, with the English side of the item that is followed.
TEST(FollowedSide, ShuffledIsTheEnglishSideOfTheOther) {
  World3 world;
  Model<float> base(small_model_config(), 1);
  AlignmentConfig config;
  config.english_side = EnglishSide::shuffled;
  const double got = aligned(world, config);
  const std::vector<int> items =
      followed_items(EnglishSide::shuffled, world.examples, {true, true, true, true}, 1);
  double total = 0, own = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const TrainingSequence& target = world.examples[i].target;
    const auto q = sequence_routing(world.model, {target.tokens}, {{0, target.prompt}});
    const auto D = [&](const TrainingSequence& english) {
      const auto star = sequence_routing(base, {english.tokens}, {{0, english.prompt}});
      double sum = 0;
      std::vector<double> g;
      for (const std::size_t l : {1u, 2u})
        sum +=
            alignment_divergence({}, star[0].q[l], q[0].q[l], world.stages.experts["sums"][l], g);
      return sum / 2;
    };
    total += D(world.examples[std::size_t(items[i])].english) / 4;
    own += D(world.examples[i].english) / 4;
  }
  EXPECT_NEAR(got, total, 1e-5);
  EXPECT_GT(std::abs(total - own), 1e-4) << "the test could not tell them apart";
}

// The base model follows itself: nothing to align before the first step, and something after it.
TEST(FollowedSide, OwnIsTheBaseModelsTargetRouting) {
  for (const AlignedTokens span : every<AlignedTokens>()) {
    World3 world;
    AlignmentConfig config;
    config.english_side = EnglishSide::own;
    config.span = span;
    config.examples = AlignedExamples::all;
    AlignmentTerm<float> term = world.term(config);
    Arena arena;
    Tape<float> tape(arena);
    const TrainingBatch batch = world.batch_of({0, 1, 2, 3});
    term.place(tape, batch, 0);
    term.add(tape, batch, world.model.forward(tape, batch.tokens), 0);
    EXPECT_NEAR(term.last().data[0], 0, 1e-7) << name_of(span);
    EXPECT_GT(aligned(world, config), 1e-4) << name_of(span);
  }
}

// The last token's two largest probabilities in English are the support.
TEST(FollowedSide, ChosenComparesTheExpertsThatEnglishVisits) {
  World3 world;
  Model<float> base(small_model_config(), 1);
  AlignmentConfig config;
  config.support = AlignedExperts::chosen;
  config.span = AlignedTokens::last;
  const double got = aligned(world, config);
  double total = 0;
  for (const FinetuneExample& e : world.examples) {
    const auto span = [](const TrainingSequence& s) { return TokenSpan{s.prompt - 1, s.prompt}; };
    const auto star = sequence_routing(base, {e.english.tokens}, {span(e.english)});
    const auto q = sequence_routing(world.model, {e.target.tokens}, {span(e.target)});
    std::vector<double> g;
    for (const std::size_t l : {1u, 2u}) {
      std::vector<int> visited;  // usage of one token is 1 where it goes
      for (int x = 0; x < 4; ++x)
        if (star[0].u[l][std::size_t(x)] > 0) visited.push_back(x);
      EXPECT_EQ(visited.size(), 2u);
      total += alignment_divergence({}, star[0].q[l], q[0].q[l], visited, g) / 8;
    }
  }
  EXPECT_NEAR(got, total, 1e-5);
}

// Mean square of the difference of the mean states that the routers of layers 1 and 2 read.
TEST(FollowedSide, HiddenComparesWhatTheRoutersRead) {
  World3 world;
  Model<float> base(small_model_config(), 1);
  AlignmentConfig config;
  config.signal = AlignedSignal::hidden;
  const double got = aligned(world, config);
  const auto mean_state = [](Model<float>& model, const TrainingSequence& s, std::size_t l) {
    Arena arena;
    Tape<float> tape(arena);
    const TokenBatch batch = make_batch({s.tokens}, -1, small_tokenizer().bos());
    const auto routing = model.forward(tape, batch).routing;
    std::vector<double> mean(16);
    for (int t = 1; t < s.prompt; ++t)
      for (int c = 0; c < 16; ++c)
        mean[std::size_t(c)] += double(row(routing[l].input.data, t, 16)[c]) / (s.prompt - 1);
    return mean;
  };
  double total = 0;
  for (const FinetuneExample& e : world.examples)
    for (const std::size_t l : {1u, 2u}) {
      const auto star = mean_state(base, e.english, l), h = mean_state(world.model, e.target, l);
      for (std::size_t c = 0; c < 16; ++c)
        total += (h[c] - star[c]) * (h[c] - star[c]) / (16 * 2 * 4);
    }
  EXPECT_GT(total, 1e-3);
  EXPECT_NEAR(got, total, 1e-4 * total);
}

// The reference in double and the processor in float say the same of every new key.
TEST(FollowedSide, TheReferenceAndTheProcessorAgree) {
  for (const EnglishSide side : every<EnglishSide>())
    for (const AlignedTokens span : every<AlignedTokens>())
      for (const bool hidden : {false, true}) {
        AlignmentConfig config;
        config.english_side = side;
        config.span = span;
        config.support = hidden ? AlignedExperts::task : AlignedExperts::chosen;
        config.signal = hidden ? AlignedSignal::hidden : AlignedSignal::routing;
        World3 world;
        World3Of<double> reference;
        reference.model.copy_values(world.model);
        const double exact = aligned(reference, config);
        EXPECT_NEAR(aligned(world, config), exact, 1e-5 * (1 + exact))  // rounding of the routing
            << name_of(side) << " " << name_of(span) << " " << name_of(config.signal);
      }
}

TEST(FollowedSide, APromptWithoutACounterpartIsAnError) {
  World3 world;
  world.examples[2].english_prompt = {};
  AlignmentConfig config;
  config.span = AlignedTokens::tokens;
  config.examples = AlignedExamples::all;
  EXPECT_TRUE(mentions(error_of([&] { world.term(config); }), world.examples[2].id));
}

}  // namespace
}  // namespace ramoe
