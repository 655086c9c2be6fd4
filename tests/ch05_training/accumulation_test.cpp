// A step's rows cut into batches: every cut is the same step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ch05_training/small_training.h"

namespace ramoe {
namespace {

/// Seven rows with 0 to 6 targets, of different lengths; four are examples of an extra loss.
const std::vector<TrainingSequence> kUneven = {
    {{0, 3, 4, 5, 6}, 1, -1},      {{0, 7, 8}, 1, 0},     {{0, 9, 10, 1}, 2, 1}, {{0, 3, 4}, 3, -1},
    {{0, 5, 6, 7, 8, 9, 1}, 1, 2}, {{0, 4, 4, 1}, 3, -1}, {{0, 10, 1}, 1, 3}};

/// Piece `micro` of the rows, `batch` at a time; empty behind the last.
TrainingBatch uneven_piece(int batch, int micro) {
  std::vector<TrainingSequence> rows;
  for (int i = batch * micro; i < std::min(batch * (micro + 1), int(kUneven.size())); ++i)
    rows.push_back(kUneven[std::size_t(i)]);
  return make_training_batch(rows, kPad, kBos);
}

/// Mean over the examples of (number + 1) times the sum of the final norm's weights.
class MeanOfExamples : public ExtraLoss<float> {
 public:
  explicit MeanOfExamples(Model<float>& model) : model_(model) {}
  int count(const TrainingBatch& batch) const override {
    return int(batch.example.size() -
               std::size_t(std::count(batch.example.begin(), batch.example.end(), -1)));
  }
  Tensor<float> add(Tape<float>& tape, const TrainingBatch& batch, const ForwardResult<float>&,
                    int) override {
    if (count(batch) == 0) return {};
    float slope = 0;
    for (const int example : batch.example) slope += float(example + 1) / float(count(batch));
    const Tensor<float> x = tape.leaf(*model_.final_norm()), out = tape.output(Shape{}, x);
    out.data[0] = 0;
    for (std::size_t i = 0; i < x.count(); ++i) out.data[0] += slope * x.data[i];
    tape.record(out, [&tape = tape, x, out, slope] {
      for (std::size_t i = 0; i < x.count(); ++i) tape.grad(x)[i] += slope * tape.grad(out)[0];
    });
    return out;
  }

 private:
  Model<float>& model_;
};

/// Three steps of kUneven cut into `accumulate` batches of `batch` rows, with every loss on.
struct Cut {
  Model<float> model;
  std::vector<StepReport> reports;

  Cut(const char* family, BalanceForm form, int batch, int accumulate)
      : model(tiny_config(family, false), 1) {
    TrainConfig config = quick();
    config.accumulate = accumulate;
    config.balance = 0.3;
    config.balance_form = form;
    config.z_loss = 0.2;
    config.clip = 2;
    config.adam_eps = 1e-3;  // sizes of gradients matter, not their signs alone
    MeanOfExamples extra(model);
    Trainer<float> trainer(model, config);
    for (int step = 0; step < 3; ++step)
      reports.push_back(
          trainer.step([&](int micro) { return uneven_piece(batch, micro); }, &extra));
  }
};

// The last cut has batches without a row, as an epoch's last step has.
TEST(Accumulation, EveryCutOfTheSameRowsIsTheSameStep) {
  for (const char* family : kFamilyNames)
    for (const BalanceForm form : every<BalanceForm>()) {
      const Cut whole(family, form, 7, 1);
      for (const auto& [batch, accumulate] : {std::pair{4, 2}, {3, 3}, {2, 4}, {1, 7}, {2, 6}}) {
        const std::string what = cat(family, " ", name_of(form), ", ", batch, " x ", accumulate);
        const Cut cut(family, form, batch, accumulate);
        for (std::size_t step = 0; step < 3; ++step) {
          const StepReport &a = cut.reports[step], &b = whole.reports[step];
          EXPECT_NEAR(a.loss, b.loss, 1e-5) << what;
          EXPECT_NEAR(a.balance, b.balance, 1e-5) << what;
          EXPECT_NEAR(a.z_loss, b.z_loss, 1e-5) << what;
          EXPECT_NEAR(a.extra, b.extra, 1e-5 * b.extra) << what;
          EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 1e-5 * b.gradient_norm) << what;
        }
        // Sums of some dozen terms in another order, through three steps.
        for (std::size_t i = 0; i < whole.model.parameters().size(); ++i)
          EXPECT_EQ(difference(cut.model.parameters()[i]->value, whole.model.parameters()[i]->value,
                               1e-5, 1e-4),
                    "")
              << what << " " << whole.model.parameters()[i]->name;
      }
    }
}

// One target in the first row, three in the second; cross-entropy of each row on its own tells what
// the mean over four targets is. The z-loss likewise, by the rows that count: one and three.
TEST(Accumulation, AStepIsAMeanOverItsTargetsNotOverItsBatches) {
  TrainConfig config = quick();
  config.learning_rate = 0;
  config.balance = 0;
  config.z_loss = 0.1;
  const std::vector<TrainingSequence> rows = {{{0, 4}, 1, -1}, {{0, 5, 6, 7}, 1, -1}};
  const auto report_of = [&](const std::vector<TrainingSequence>& chosen, int accumulate) {
    Model<float> model(tiny_config("olmoe", false), 1);
    config.accumulate = accumulate;
    Trainer<float> trainer(model, config);
    return trainer.step([&](int micro) {
      return make_training_batch(accumulate == 1 ? chosen : std::vector{chosen[std::size_t(micro)]},
                                 kPad, kBos);
    });
  };
  const StepReport one = report_of({rows[0]}, 1), three = report_of({rows[1]}, 1);
  const StepReport cut = report_of(rows, 2);
  ASSERT_GT(std::abs(one.loss - three.loss), 0.1) << "the test could not tell the means apart";
  EXPECT_NEAR(cut.loss, (one.loss + 3 * three.loss) / 4, 1e-6);
  EXPECT_NEAR(cut.z_loss, (one.z_loss + 3 * three.z_loss) / 4, 1e-6);
  EXPECT_TRUE(mentions(error_of([&] { report_of({}, 1); }), "none of its batches has a row"));
}

}  // namespace
}  // namespace ramoe
