// Values that are no floats are read parameter by parameter, without the model as floats.
#include "formats/load_straight.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ramoe
