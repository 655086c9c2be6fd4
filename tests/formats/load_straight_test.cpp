// Values that are no floats are read parameter by parameter, without the model as floats.
#include "formats/load_straight.h"

#include <gtest/gtest.h>

#include "support/texts.h"

namespace ramoe {
namespace {

TEST(LoadStraight, DoublesAreTheFloatsOfTheFile) {
  const StoredInHalf stored;
  std::unique_ptr<Model<double>> read;
  const long long heap = heap_of([&] { read = load_model<double>(stored.folder.path()); });
  for (std::size_t i = 0; i < stored.model.parameters().size(); ++i) {
    const std::vector<float>& wanted = stored.model.parameters()[i]->value;
    EXPECT_EQ(read->parameters()[i]->value, std::vector<double>(wanted.begin(), wanted.end()));
  }
  const long long doubles = 2 * static_cast<long long>(stored.all);
  const long long largest = static_cast<long long>(stored.largest);
  if (heap_is_counted) {
    EXPECT_GE(heap - doubles, largest);
  }
  EXPECT_LE(heap - doubles, largest + StoredInHalf::kBesides);
  EXPECT_GT(static_cast<long long>(stored.all), 2 * (largest + StoredInHalf::kBesides));
}

TEST(LoadStraight, FloatsNeedNoBuffer) {
  const StoredInHalf stored;
  std::unique_ptr<Model<float>> read;
  const long long heap = heap_of([&] { read = load_model(stored.folder.path()); });
  EXPECT_LE(heap, static_cast<long long>(stored.all) + StoredInHalf::kBesides);
}

TEST(LoadStraight, WeightsKeptAsBf16AnswerAsTheFileDoes) {
  expect_same_answers<float>();
  expect_same_answers<double>();
}

TEST(LoadStraight, WeightsKeptAsBf16TakeHalf) {
  const StoredInHalf stored;
  std::unique_ptr<Model<float>> read;
  const long long heap = heap_of([&] {
    read = load_model<float>(stored.folder.path(), stored.model.config(), Precision::bf16);
  });
  long long wanted = 0;
  for (const auto& p : stored.model.parameters())
    wanted += static_cast<long long>(p->value.size() * (p->shape.rank() > 1 ? 2 : 4));
  EXPECT_LE(heap, wanted + StoredInHalf::kBesides);
  EXPECT_LT(wanted + StoredInHalf::kBesides, static_cast<long long>(stored.all)) << "else no test";
}

TEST(LoadStraight, ValuesWithMoreDigitsAreRounded) {
  const ScratchFolder folder;
  const Model<float> model(tiny_config("olmoe", false), 1);
  save_model(model, folder.path());
  const auto kept = load_model<float>(folder.path(), model.config(), Precision::bf16);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter<float>&p = *model.parameters()[i], &k = *kept->parameters()[i];
    for (std::size_t n = 0; n < k.bf16.size(); ++n)
      ASSERT_EQ(k.bf16[n], bf16_from_f32(p.value[n])) << p.name << " " << n;
  }
  Model<float> other(model.config());
  expect_contains(error_of([&] { other.copy_values(*kept); }), "is kept as BF16");
}

}  // namespace
}  // namespace ramoe
