// Lab 11: what a model knows in English and in another language.
#include "ch08_taxonomy/taxonomy.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

TEST(Lab11Taxonomy, EnglishIsTheFirstLetter) {
  EXPECT_EQ(name_of(pair_type(true, false)), "ci") << "  usually: c or i of English comes first";
  EXPECT_EQ(name_of(pair_type(false, true)), "ic") << "  usually: then c or i of the target";
}

TEST(Lab11Taxonomy, BothOrNone) {
  EXPECT_EQ(name_of(pair_type(true, true)), "cc");
  EXPECT_EQ(name_of(pair_type(false, false)), "ii");
}

const std::vector<ClassifiedPair> some = {{"1", "sw", "sums", PairType::ci, "", "", false},
                                          {"2", "sw", "facts", PairType::ci, "", "", false},
                                          {"1", "th", "sums", PairType::cc, "", "", false},
                                          {"3", "sw", "sums", PairType::ii, "", "", false}};

TEST(Lab11Taxonomy, CountsOfAll) {
  const TypeCounts counts = count_types(some);
  EXPECT_EQ(counts.of(PairType::ci), 2);
  EXPECT_EQ(counts.total(), 4) << "  usually: an empty name means any";
}

TEST(Lab11Taxonomy, CountsOfALanguage) {
  EXPECT_EQ(count_types(some, "sw").total(), 3) << "  usually: only pairs of this language";
  EXPECT_EQ(count_types(some, "xx").total(), 0);
}

TEST(Lab11Taxonomy, CountsOfALanguageAndATask) {
  const TypeCounts counts = count_types(some, "sw", "sums");
  EXPECT_EQ(counts.of(PairType::ci), 1) << "  usually: both must be the same";
  EXPECT_EQ(counts.total(), 2);
  EXPECT_EQ(count_types(some, "", "sums").total(), 3);
}

}  // namespace
}  // namespace ramoe
