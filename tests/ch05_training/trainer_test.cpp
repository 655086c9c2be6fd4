#include "ch05_training/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "ch05_training/small_training.h"
#include "formats/model_files.h"
#include "runs/checkpoint.h"
#include "support/parallel.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(TrainingBatch, OnlyTheAnswerIsATarget) {
  //                       bos  question    answer eos
  const TrainingBatch batch = make_training_batch(
      {{{0, 5, 6, 7, 8, 1}, 4, 12}, {{0, 9, 1}, 1, -1}, {{0, 3, 4}, 3, 5}}, kPad, kBos);
  // Row t-1 predicts token t: tokens 4 and 5 of the first sequence, all after BOS of the second,
  // none of the third; T = 6.
  EXPECT_EQ(batch.logit_rows, (std::vector<int>{3, 4, 6, 7}));
  EXPECT_EQ(batch.target, (std::vector<int>{8, 1, 9, 1}));
  EXPECT_EQ(batch.prompt, (std::vector<int>{4, 1, 3}));
  EXPECT_EQ(batch.example, (std::vector<int>{12, -1, 5}));
  EXPECT_EQ(batch.tokens.T, 6);
  for (std::size_t i = 0; i < batch.target.size(); ++i) {
    const std::size_t n = std::size_t(batch.logit_rows[i]);
    EXPECT_TRUE(batch.tokens.is_token[n]) << "a row of padding predicts something";
    EXPECT_TRUE(batch.tokens.is_token[n + 1]) << "padding is a target";
    EXPECT_EQ(batch.tokens.token[n + 1], batch.target[i]);
  }
  EXPECT_TRUE(mentions(error_of([] {
                         make_training_batch({{{0, 1}, 0, -1}}, kPad, kBos);
                       }),
                       "prompt"));
}

TEST(Trainer, LossFallsOnARepeatedBatch) {
  for (const char* family : kFamilyNames) {
    Model<float> model(tiny_config(family, true), 1);
    TrainConfig config = quick();
    config.steps = 60;
    Trainer<float> trainer(model, config);
    const double first = trainer.step([](int) { return numbered_batch(1); }).loss;
    double last = first;
    while (trainer.steps_done() < 60)
      last = trainer.step([](int) { return numbered_batch(1); }).loss;
    EXPECT_LT(last, 0.3 * first) << family;
  }
}

TEST(Trainer, ReportsWhatItDid) {
  Model<float> model(tiny_config("olmoe", false), 1);
  TrainConfig config = quick();
  config.warmup_share = 0.5;
  Trainer<float> trainer(model, config);
  for (int step = 0; step < 6; ++step) {
    const TrainingBatch batch = numbered_batch(step);
    const StepReport report = trainer.step([&](int) { return batch; });
    EXPECT_EQ(report.rate, learning_rate(config.schedule(), step));
    EXPECT_EQ(report.tokens, batch.tokens.token.size());
    EXPECT_GT(report.balance, 1.9);  // K = 2 at perfect balance, nearly the least
    EXPECT_GT(report.z_loss, 0);
    EXPECT_EQ(report.extra, 0);
    EXPECT_TRUE(report.gradient_norm > 0 && std::isfinite(report.gradient_norm));
  }
  EXPECT_EQ(trainer.steps_done(), 6);
}

/// Sets a flag while the step's second batch is computed.
class FlagSetter : public ExtraLoss<float> {
 public:
  explicit FlagSetter(std::atomic<bool>& flag) : flag_(flag) {}
  int count(const TrainingBatch&) const override { return 1; }
  Tensor<float> add(Tape<float>&, const TrainingBatch&, const ForwardResult<float>&, int) override {
    if (++calls_ == 2) flag_ = true;
    return {};
  }

 private:
  std::atomic<bool>& flag_;
  int calls_ = 0;
};

// Wherever the flag is set: while a step's batches are gathered, or while it computes.
TEST(Trainer, AnInterruptedStepLeavesTheStateAsItWas) {
  TrainConfig config = quick();
  config.accumulate = 3;
  Model<float> model(tiny_config("olmoe", false), 1);
  Trainer<float> trainer(model, config);
  train(trainer, config, 2);
  const std::string before = state_of(trainer);
  for (const int last : {0, 1, 2}) {
    std::atomic<bool> flag{false};
    const StopScope scope(&flag);
    const auto next = [&](int micro) {
      if (micro == last) flag = true;
      return numbered_batch(6 + micro);
    };
    EXPECT_THROW(trainer.step(next), Interrupted) << last;
    EXPECT_EQ(trainer.steps_done(), 2);
    EXPECT_TRUE(state_of(trainer) == before) << "saved though the flag is set";
  }
  std::atomic<bool> flag{false};
  const StopScope scope(&flag);
  FlagSetter extra(flag);
  const auto next = [](int micro) { return numbered_batch(6 + micro); };
  EXPECT_THROW(trainer.step(next, &extra), Interrupted);
  EXPECT_TRUE(state_of(trainer) == before);
}

TEST(Trainer, SameBitsOnAnyNumberOfThreads) {
  std::vector<std::string> states;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    ModelConfig large = tiny_config("olmoe", true);
    large.hidden_size = 32;  // enough work for several blocks
    large.num_attention_heads = large.num_key_value_heads = 4;
    large.vocab_size = 301;
    Model<float> model(large, 1);
    Trainer<float> trainer(model, quick());
    train(trainer, quick(), 4);
    states.push_back(state_of(trainer));
  }
  EXPECT_EQ(states[0], states[1]);
  EXPECT_EQ(states[0], states[2]);
}

/// The first moments after one step, parameter by parameter.
std::vector<float> first_moments(const Trainer<float>& trainer) {
  std::vector<float> all;
  for (std::size_t i = 0; i < trainer.model().parameters().size(); ++i) {
    const std::vector<float>& m = trainer.optimiser().m(i);
    all.insert(all.end(), m.begin(), m.end());
  }
  return all;
}

/// sum of the final norm's weights, plus what `value` adds; its gradient is `slope`.
class NormSum : public ExtraLoss<float> {
 public:
  NormSum(Model<float>& model, float value, float slope)
      : model_(model), value_(value), slope_(slope) {}
  int count(const TrainingBatch&) const override { return 1; }
  Tensor<float> add(Tape<float>& tape, const TrainingBatch&, const ForwardResult<float>&,
                    int step) override {
    steps.push_back(step);
    const Tensor<float> x = tape.leaf(*model_.final_norm());
    const Tensor<float> out = tape.output(Shape{}, x);
    out.data[0] = value_;
    tape.record(out, [&tape = tape, x, out, slope = slope_] {
      for (std::size_t i = 0; i < x.count(); ++i) tape.grad(x)[i] += slope * tape.grad(out)[0];
    });
    return out;
  }
  std::vector<int> steps;

 private:
  Model<float>& model_;
  float value_, slope_;
};

TEST(Trainer, TheExtraLossIsAddedAndReported) {
  TrainConfig config = quick();
  config.clip = 0;
  Model<float> a(tiny_config("olmoe", true), 1), b(tiny_config("olmoe", true), 1);
  Trainer<float> plain(a, config), with(b, config);
  NormSum extra(b, 2.5f, 3);
  plain.step([](int) { return numbered_batch(0); });
  const StepReport report = with.step([](int) { return numbered_batch(0); }, &extra);
  EXPECT_EQ(report.extra, 2.5);
  std::vector<float> wanted = first_moments(plain);
  for (std::size_t i = wanted.size() - 8; i < wanted.size(); ++i) wanted[i] += 0.1f * 3;  // norm
  EXPECT_EQ(difference(first_moments(with), wanted, 1e-6, 0), "");
  with.step([](int) { return numbered_batch(1); }, &extra);
  EXPECT_EQ(extra.steps, (std::vector<int>{0, 1}));
}

void expect_same_bits_and_no_gradient(const Model<float>& model,
                                      const std::vector<std::vector<float>>& before) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Parameter<float>& p = *model.parameters()[i];
    EXPECT_EQ(std::memcmp(p.value.data(), before[i].data(), before[i].size() * 4), 0) << p.name;
    EXPECT_EQ(p.gradient, std::vector<float>(p.gradient.size())) << p.name;
  }
}

TEST(Trainer, ALossThatIsNotFiniteStopsBeforeTheWeights) {
  TrainConfig config = quick();
  config.accumulate = 2;
  Model<float> model(tiny_config("olmoe", false), 1);
  Trainer<float> trainer(model, config);
  train(trainer, config, 2);
  const float good = model.layer(1).down->value[3];
  model.layer(1).down->value[3] = std::nanf("");
  const std::vector<std::vector<float>> before = values_of(model);
  const std::string error =
      error_of([&] { trainer.step([](int micro) { return numbered_batch(micro); }); });
  EXPECT_TRUE(mentions(error, "step 3")) << error;
  EXPECT_TRUE(mentions(error, "the loss is not finite")) << error;
  expect_same_bits_and_no_gradient(model, before);
  EXPECT_EQ(trainer.steps_done(), 2);

  model.layer(1).down->value[3] = good;
  NormSum spoiled(model, INFINITY, 0);
  EXPECT_TRUE(
      mentions(error_of([&] { trainer.step([](int m) { return numbered_batch(m); }, &spoiled); }),
               "extra inf"));
  NormSum steep(model, 0, INFINITY);  // a finite loss with an infinite slope
  const std::vector<std::vector<float>> mended = values_of(model);
  const std::string slope =
      error_of([&] { trainer.step([](int m) { return numbered_batch(m); }, &steep); });
  EXPECT_TRUE(mentions(slope, "the gradient norm is not finite")) << slope;
  expect_same_bits_and_no_gradient(model, mended);
  trainer.step([](int m) { return numbered_batch(m); });  // and it goes on
  EXPECT_EQ(trainer.steps_done(), 3);
}

// The loss and the gradient are finite, the update is not: a learning rate of 10 with a decay of 10
// makes matrices about 99 times as large in each step, in the second one more than floats reach.
// The weight that goes there is never read: with a router of zeros experts 0 and 1 are chosen.
TEST(Trainer, AnUpdateThatIsNotFiniteIsNeitherDoneNorSaved) {
  const ScratchFolder folder;
  TrainConfig config = quick();
  config.warmup_share = 0;
  config.learning_rate = config.weight_decay = 10;
  Model<float> model(tiny_config("olmoe", false), 1), after(tiny_config("olmoe", false), 9);
  for (Model<float>* m : {&model, &after}) {
    Parameter<float>& router = *m->layer(1).router;
    router.value.assign(router.value.size(), 0.f);
    router.trainable = false;
  }
  Parameter<float>& down = *model.layer(1).down;
  down.value.back() = 1e35f;
  Trainer<float> trainer(model, config);
  trainer.step([](int) { return numbered_batch(1); });
  save_checkpoint(trainer, folder.file("c"));
  const std::vector<std::vector<float>> before = values_of(model);
  const std::string error = error_of([&] { trainer.step([](int) { return numbered_batch(1); }); });
  EXPECT_TRUE(mentions(error, "step 2: the update of " + down.name + " is not finite")) << error;
  EXPECT_TRUE(mentions(error, "begin another run")) << error;
  expect_same_bits_and_no_gradient(model, before);
  EXPECT_EQ(trainer.steps_done(), 1);
  // What was saved can be gone on from, and comes to the same end.
  Trainer<float> resumed(after, config);
  load_checkpoint(resumed, folder.file("c"));
  EXPECT_EQ(error_of([&] { resumed.step([](int) { return numbered_batch(1); }); }), error);
  EXPECT_EQ(values_of(after), before);

  // A number that is none, as a file may hold it: nothing reads it, so the loss is finite.
  down.value.back() = std::nanf("");
  const std::string broken =
      error_of([&] { Trainer<float>(model, quick()).step([](int) { return numbered_batch(1); }); });
  EXPECT_TRUE(mentions(broken, down.name + " were not finite before this step")) << broken;
}

// The same steps in double and in float, from the same weights. A weight differs by some roundings
// of float in its gradient, which AdamW's first steps pass on at full size only where the gradient
// is nearly zero: 6 steps of at most 0.02 each.
TEST(Trainer, TheReferenceInDoubleTakesTheSameSteps) {
  for (const char* family : kFamilyNames)
    for (const BalanceForm form : every<BalanceForm>()) {
      TrainConfig config = quick();
      config.accumulate = 2;
      config.balance_form = form;
      Model<float> model(tiny_config(family, false), 1);
      Model<double> reference(tiny_config(family, false), 99);
      reference.copy_values(model);
      Trainer<float> fast(model, config);
      Trainer<double> plain(reference, config);
      for (int step = 0; step < config.steps; ++step) {
        const auto next = [&](int micro) { return numbered_batch(2 * step + micro); };
        const StepReport a = fast.step(next), b = plain.step(next);
        for (const auto& [x, y] : {std::pair{a.loss, b.loss},
                                   {a.balance, b.balance},
                                   {a.z_loss, b.z_loss},
                                   {a.gradient_norm, b.gradient_norm}})
          EXPECT_NEAR(x, y, 2e-5 * (1 + std::abs(y))) << family << " step " << step;
      }
      for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        const std::vector<float>& w = model.parameters()[i]->value;
        double squares = 0;
        for (std::size_t j = 0; j < w.size(); ++j)
          squares += std::pow(double(w[j]) - reference.parameters()[i]->value[j], 2);
        EXPECT_LT(std::sqrt(squares / double(w.size())), 1e-4) << model.parameters()[i]->name;
      }
    }
}

TEST(TrainConfig, AnEpsilonOfZeroIsRefused) {
  for (const char* eps : {"adam_eps=0", "adam_eps=1e-50"}) {
    TrainConfig config;
    EXPECT_TRUE(mentions(error_of([&] { fields_of(config).read_flag(eps); }), "adam_eps")) << eps;
  }
}

TEST(Trainer, FrozenParametersStayAndAreNotStoredAsMoments) {
  Model<float> model(tiny_config("olmoe", false), 1);
  for (const auto& p : model.parameters()) p->trainable = p.get() == model.layer(0).router;
  const std::vector<std::vector<float>> before = values_of(model);
  Trainer<float> trainer(model, quick());
  train(trainer, quick(), 2);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Parameter<float>& p = *model.parameters()[i];
    EXPECT_EQ(p.value == before[i], !p.trainable) << p.name;
  }
  const ScratchFolder folder;
  save_checkpoint(trainer, folder.file("c"));
  int moments = 0;
  const SafetensorsFile file(folder.file("c"));
  for (const std::string& name : file.names()) moments += name.starts_with("adamw.");
  EXPECT_EQ(moments, 2);
}

TEST(Trainer, TargetsAreCheckedWhereTheyArePlaced) {
  const ModelConfig config = tiny_config("olmoe", false);
  Model<float> model(config, 1);
  Trainer<float> trainer(model, {});
  TrainingBatch batch = make_training_batch({{{1, 2, 3}, 1}}, 2, 0);
  batch.target[0] = config.vocab_size;
  EXPECT_TRUE(mentions(error_of([&] { trainer.step([&](int) { return batch; }, nullptr); }),
                       "target 11 at place 0: expected 0 to 10"));
}

TEST(Trainer, ABatchWithoutTargetsTeachesNothing) {
  Model<float> model(tiny_config("olmoe", false), 1);
  TrainConfig config = quick();
  config.balance = config.z_loss = config.weight_decay = 0;
  Trainer<float> trainer(model, config);
  const std::vector<std::vector<float>> before = values_of(model);
  const StepReport report = trainer.step([](int) {
    return make_training_batch({{{0, 3, 4}, 3, -1}}, kPad, kBos);
  });
  EXPECT_EQ(report.loss, 0);
  expect_same_bits_and_no_gradient(model, before);
}

}  // namespace
}  // namespace ramoe
