#include "ch07_divergence/headroom.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "ch07_divergence/answers.h"
#include "ch07_divergence/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

// ---- A model made by hand -----------------------------------------------------------------------
//
// One layer, two experts, one of them a token, and no attention. A prompt is one letter; features:
//   a, y: 1    b, x: 2    p, q: 3
// Feature 1 routes to expert 0, which says p; feature 2 to expert 1, which says q; 3 is the end.
//
//   item 1   English a -> p    target x -> q, but p is right
//   item 2   English b -> q    target y -> p, but q is right

int token(const char* letter) {
  return small_tokenizer().find_token(letter);
}

Prompts made_prompts() {
  PromptFormat format;
  format.answer_prefix = "";
  format.bos = small_tokenizer().bos();
  format.eos = {small_tokenizer().eos()};
  return {small_tokenizer(), format};
}

ModelConfig made_config() {
  ModelConfig c = small_model_config();
  c.num_hidden_layers = 1;
  c.num_experts = 2;
  c.num_experts_per_tok = 1;
  c.moe_intermediate_size = 1;
  return c;
}

/// `by_expert`: the experts say the answers; otherwise the letters do, a and x p, b and y p too.
std::unique_ptr<Model<float>> made_model(bool by_expert) {
  auto model = std::make_unique<Model<float>>(made_config());
  const std::size_t C = 16, V = std::size_t(model->config().vocab_size);
  const auto& all = model->parameters();
  std::vector<float>&embedding = all.front()->value, &head = all.back()->value;
  EXPECT_EQ(embedding.size(), V * C);
  EXPECT_EQ(head.size(), V * C);
  EXPECT_EQ(all[all.size() - 2]->value.size(), C);  // the last norm
  std::fill(all[all.size() - 2]->value.begin(), all[all.size() - 2]->value.end(), 1.f);
  for (const auto& [letter, feature] :
       {std::pair{"a", 1}, {"y", 1}, {"b", 2}, {"x", 2}, {"p", 3}, {"q", 3}})
    embedding[std::size_t(token(letter)) * C + std::size_t(feature)] = 1;
  const LayerParameters<float>& layer = model->layer(0);
  std::fill(layer.norm2->value.begin(), layer.norm2->value.end(), 1.f);
  layer.router->value[1 * 2 + 0] = layer.router->value[2 * 2 + 1] = 2;
  for (std::size_t e = 0; e < 2; ++e) {
    for (const std::size_t feature : {1u, 2u})
      for (std::size_t half = 0; half < 2; ++half)
        layer.gate_up->value[(e * C + feature) * 2 + half] = 1;
    layer.down->value[e * C + 4 + e] = by_expert ? 1.f : 0.f;
  }
  const auto says = [&](std::size_t feature, int id) { head[feature * V + std::size_t(id)] = 1; };
  says(3, small_tokenizer().eos());
  says(4, token("p"));
  says(5, token("q"));
  if (!by_expert) says(1, token("p")), says(2, token("p"));
  return model;
}

std::vector<ExamplePair> made_pairs() {
  const auto example = [](const char* id, const char* lang, const char* question,
                          const char* answer) {
    return small_example(id, lang, question, answer);
  };
  return {{example("1", "en", "a", "p"), example("1", "sw", "x", "p")},
          {example("2", "en", "b", "q"), example("2", "sw", "y", "q")}};
}

std::vector<OracleItem> measured(Model<float>& model, const HeadroomConfig& config) {
  const Prompts prompts = made_prompts();
  RoutingOracle<float> oracle(model, prompts, config, {true});
  return oracle.measure(made_pairs());
}

TEST(Headroom, RoutingThatIsTheWholeFault) {
  const auto model = made_model(true);
  for (const RoutingForm form : every<RoutingForm>()) {
    SCOPED_TRACE(name_of(form));
    for (const OracleItem& item : measured(*model, {.form = form})) {
      EXPECT_TRUE(item.english);
      EXPECT_FALSE(item.base);
      EXPECT_TRUE(item.own);
      EXPECT_FALSE(item.control);
      // Routed to one expert of two and then to the other: D is 1, and 0 when forced. The router's
      // logits are 8 apart, so that a share of 3e-4 is left elsewhere.
      EXPECT_GT(item.base_divergence, 0.99);
      EXPECT_LT(item.own_divergence, 1e-3);
    }
  }
}

TEST(Headroom, RoutingThatDoesNotMatter) {
  const auto model = made_model(false);
  for (const RoutingForm form : every<RoutingForm>()) {
    const std::vector<OracleItem> items = measured(*model, {.form = form});
    for (const OracleItem& item : items) {
      EXPECT_EQ(item.own, item.control);
      EXPECT_EQ(item.own, item.base);
    }
    EXPECT_TRUE(items[0].base);  // both letters say p, which item 1 is answered by
    EXPECT_FALSE(items[1].base);
  }
}

// The mean of the logits of a and b is a tie; the lower expert is chosen and says p.
TEST(Headroom, TheMeanOfTheTaskAsControl) {
  const auto model = made_model(true);
  const auto items =
      measured(*model, {.form = RoutingForm::last, .control = RoutingControl::mean});
  EXPECT_TRUE(items[0].own && items[1].own);
  EXPECT_TRUE(items[0].control);
  EXPECT_FALSE(items[1].control);
  for (const OracleItem& item : measured(*model, {.control = RoutingControl::mean}))
    EXPECT_TRUE(item.own);
}

// y is embedded as x is, and p is right for both: the router sends every target item to the expert
// that says q. Any English routing mends it, so OTHER does as well as own; another target item's
// does not.
TEST(Headroom, AFaultOfAllItemsHidesFromOther) {
  const auto model = made_model(true);
  std::vector<float>& embedding = model->parameters().front()->value;
  std::copy_n(embedding.begin() + token("x") * 16, 16, embedding.begin() + token("y") * 16);
  const Prompts prompts = made_prompts();
  const std::vector<ExamplePair> pairs = {
      {small_example("1", "en", "a", "p"), small_example("1", "sw", "x", "p")},
      {small_example("2", "en", "a", "p"), small_example("2", "sw", "y", "p")}};
  for (const RoutingForm form : every<RoutingForm>())
    for (const RoutingControl control : {RoutingControl::other, RoutingControl::target}) {
      RoutingOracle<float> oracle(*model, prompts, {.form = form, .control = control}, {true});
      for (const OracleItem& item : oracle.measure(pairs)) {
        EXPECT_TRUE(item.own && !item.base);
        EXPECT_EQ(item.control, control == RoutingControl::other);
      }
    }
}

// With the answer, three tokens are in the mean: x, and p and the end, which are routed half and
// half. English is (2/3, 1/3), the target (1/3, 2/3). The bias of about 4.3 that makes them equal
// moves the two tokens of the answer; x has logits 8 apart and stays where it was. So own rescues
// nothing, though the mean routing is the English one.
TEST(Headroom, SpanBothForcesTheMeanOfPromptAndAnswer) {
  const auto model = made_model(true);
  for (const OracleItem& item : measured(*model, {.span = ForcedTokens::both})) {
    EXPECT_GT(item.base_divergence, 0.99);  // their mixture is uniform, the bound of D
    EXPECT_LT(item.own_divergence, 1e-3);
    EXPECT_TRUE(item.english);
    EXPECT_FALSE(item.own || item.base);
  }
}

// a, b, b: the mean logits are 8/3 and 16/3, so expert 1 is chosen, though the first item has 0.
TEST(Headroom, TheMeanIsOverAllItems) {
  const auto model = made_model(true);
  const Prompts prompts = made_prompts();
  std::vector<ExamplePair> pairs = made_pairs();
  pairs.push_back({small_example("3", "en", "b", "q"), small_example("3", "sw", "y", "q")});
  for (const RoutingForm form : {RoutingForm::seq, RoutingForm::last}) {
    RoutingOracle<float> oracle(*model, prompts, {.form = form, .control = RoutingControl::mean},
                                {true});
    const std::vector<OracleItem> items = oracle.measure(pairs);
    EXPECT_FALSE(items[0].control);
    EXPECT_TRUE(items[1].control && items[2].control);
  }
}

// Each token of an answer counts, its first one and its end too.
TEST(Headroom, OneWrongTokenIsWrong) {
  const auto model = made_model(true);
  const Prompts prompts = made_prompts();
  RoutingOracle<float> oracle(*model, prompts, {}, {true});
  const auto asked = [](const char* id, const char* answer) {
    return small_example(id, "en", "a", answer);
  };
  // a says p and then comes the end: right. q is wrong, and so is a q between p and the end.
  EXPECT_EQ(oracle.right({asked("1", "p")}), std::vector<bool>{true});
  EXPECT_EQ(oracle.right({asked("2", "q")}), std::vector<bool>{false});
  EXPECT_EQ(oracle.right({asked("3", "pq")}), std::vector<bool>{false});
  EXPECT_EQ(oracle.right({asked("1", "p"), asked("2", "q"), asked("3", "pq"), asked("4", "p")}),
            (std::vector<bool>{true, false, false, true}));
}

// The mean of a single item is its own: a cell of one is enough.
TEST(Headroom, OneItemHasAMean) {
  const auto model = made_model(true);
  const Prompts prompts = made_prompts();
  for (const RoutingForm form : {RoutingForm::seq, RoutingForm::last}) {
    RoutingOracle<float> oracle(*model, prompts, {.form = form, .control = RoutingControl::mean},
                                {true});
    const std::vector<OracleItem> items = oracle.measure({made_pairs()[0]});
    ASSERT_EQ(items.size(), 1u);
    EXPECT_TRUE(items[0].own && items[0].control && !items[0].base);
  }
}

TEST(Headroom, WhereEveryExpertIsVisitedAndInDouble) {
  ModelConfig config = made_config();
  config.num_experts_per_tok = 2;
  Model<double> model(config);
  Model<float> all(config);
  all.copy_values(*made_model(true));
  model.copy_values(all);
  const Prompts prompts = made_prompts();
  RoutingOracle<double> oracle(model, prompts, {.form = RoutingForm::last}, {true});
  for (const OracleItem& item : oracle.measure(made_pairs())) {
    EXPECT_FALSE(item.base);
    EXPECT_TRUE(item.own);
    EXPECT_FALSE(item.control);
  }
}

// ---- Its parts ----------------------------------------------------------------------------------

TEST(Headroom, OtherItemsAreADerangement) {
  for (std::size_t n = 2; n < 30; ++n) {
    std::set<std::size_t> seen;
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NE(other_item(i, n), i);
      seen.insert(other_item(i, n));
    }
    EXPECT_EQ(seen.size(), n);
    EXPECT_EQ(*seen.rbegin(), n - 1);
  }
  EXPECT_TRUE(mentions(error_of([] { other_item(0, 1); }), "at least 2"));
}

TEST(Headroom, LayersOfAZone) {
  using Flags = std::vector<bool>;
  EXPECT_EQ(forced_layers(ForcedLayers::zone, {1, 2}, 4), (Flags{false, true, true, false}));
  EXPECT_EQ(forced_layers(ForcedLayers::outside, {1, 2}, 4), (Flags{true, false, false, true}));
  EXPECT_EQ(forced_layers(ForcedLayers::all, {1, 2}, 3), (Flags{true, true, true}));
  EXPECT_TRUE(mentions(error_of([] { forced_layers(ForcedLayers::outside, {0, 3}, 4); }),
                       "outside"));
}

// ---- A model that has learnt --------------------------------------------------------------------

struct Taught {
  Taught() {
    std::vector<Example> examples;
    for (const ExamplePair& pair : small_pairs()) examples.push_back(pair.english);
    examples.push_back(small_pairs()[1].target);
    teach(model, examples);
  }
  Model<float> model{small_model_config(), 3};
  Prompts prompts{small_tokenizer()};
};

TEST(Headroom, TeacherForcedIsGreedy) {
  Taught taught;
  std::vector<Example> all;
  for (const ExamplePair& pair : small_pairs()) {
    all.push_back(pair.english);
    all.push_back(pair.target);
  }
  RoutingOracle<float> oracle(taught.model, taught.prompts, {}, {true, true, true});
  const std::vector<Answer> answers = answer_questions(taught.model, taught.prompts, all);
  const std::vector<bool> right = oracle.right(all);
  int correct = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(right[i], answers[i].correct) << all[i].question << " " << answers[i].output;
    correct += right[i];
  }
  EXPECT_GE(correct, 5);
  EXPECT_LT(correct, 8);
}

TEST(Headroom, BatchesDoNotChangeTheResult) {
  Taught taught;
  for (const RoutingForm form : every<RoutingForm>()) {
    HeadroomConfig large{.form = form}, small{.form = form};
    small.batch_tokens = 1;
    double texts = 0;
    RoutingOracle<float> a(taught.model, taught.prompts, large, {false, true, true});
    RoutingOracle<float> b(taught.model, taught.prompts, small, {false, true, true},
                           [&](double more) { texts += more; });
    const auto x = a.measure(small_pairs()), y = b.measure(small_pairs());
    EXPECT_EQ(texts, 4 * 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(x[i].id, y[i].id);
      EXPECT_EQ(x[i].english, y[i].english);
      EXPECT_EQ(x[i].base, y[i].base);
      EXPECT_EQ(x[i].own, y[i].own);
      EXPECT_EQ(x[i].control, y[i].control);
      // Products of other sizes may sum in another order: rounding of floats.
      EXPECT_NEAR(x[i].own_divergence, y[i].own_divergence, 1e-5);
    }
    b.measure(small_pairs());
    EXPECT_EQ(texts, 4 * 4 + 3 * 4);  // English is known
  }
}

// The logits of an item's own English side, which is the item itself: not a bit changes.
TEST(Headroom, AnItemForcedOnItselfStays) {
  Taught taught;
  std::vector<ExamplePair> pairs = small_pairs();
  for (ExamplePair& pair : pairs) pair.target = pair.english;
  for (const RoutingForm form : every<RoutingForm>()) {
    RoutingOracle<float> oracle(taught.model, taught.prompts, {.form = form}, {true, true, true});
    for (const OracleItem& item : oracle.measure(pairs)) {
      EXPECT_EQ(item.base, item.english);
      EXPECT_EQ(item.own, item.english);
      EXPECT_EQ(item.own_divergence, item.base_divergence);
      EXPECT_NEAR(item.base_divergence, 0, 1e-9);  // the same sequence in another batch
    }
  }
}

// q within 1e-5 of q* by expert: D is of second order in it, far below 1e-6.
TEST(Headroom, SeqReachesTheEnglishRouting) {
  Taught taught;
  HeadroomConfig config;
  config.match = {5000, 1e-5};
  RoutingOracle<float> oracle(taught.model, taught.prompts, config, {true, true, true});
  double before = 0;
  for (const OracleItem& item : oracle.measure(small_pairs())) {
    before += item.base_divergence;
    EXPECT_LT(item.own_divergence, 1e-6);
  }
  EXPECT_LE(oracle.farthest(), 1e-5);
  EXPECT_GT(before, 1e-3);
}

TEST(Headroom, WhatCannotBeMeasuredIsRefused) {
  Taught taught;
  const auto refused = [&](const HeadroomConfig& config, std::vector<bool> forced,
                           const std::string& part) {
    EXPECT_TRUE(mentions(error_of([&] {
                           RoutingOracle<float>(taught.model, taught.prompts, config, forced);
                         }),
                         part));
  };
  refused({.form = RoutingForm::tokens, .control = RoutingControl::mean}, {true, true, true},
          "have no mean");
  refused({.form = RoutingForm::last, .span = ForcedTokens::both}, {true, true, true},
          "expected form = seq");
  refused({}, {true}, "model with 3");
  RoutingOracle<float> oracle(taught.model, taught.prompts, {}, {true, true, true});
  EXPECT_TRUE(mentions(error_of([&] { oracle.measure({small_pairs()[0]}); }), "at least 2"));
  EXPECT_TRUE(mentions(error_of([&] { oracle.measure({}); }), "without a pair"));
  ModelConfig dense = small_model_config();
  dense.mlp_only_layers = {0, 1, 2};
  dense.intermediate_size = 16;
  EXPECT_TRUE(mentions(error_of([&] { Model<float>(dense, 1); }), "nothing to route"));
}

}  // namespace
}  // namespace ramoe
