#include "support/choices.h"

#include <gtest/gtest.h>

#include "support/config.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

enum class Layers { zone, all, early };
constexpr auto names(Layers) {
  return std::array{"zone", "all", "early"};
}

TEST(Choices, NamesAndValues) {
  static_assert(every<Layers>().size() == 3);
  for (const Layers layers : every<Layers>())
    EXPECT_EQ(from_name<Layers>(name_of(layers), "layers"), layers);
  EXPECT_EQ(name_of(Layers::early), "early");
  EXPECT_EQ(names_of<Layers>(), (std::vector<std::string>{"zone", "all", "early"}));
  EXPECT_EQ(error_of([] { from_name<Layers>("erly", "layers"); }),
            "layers \"erly\" is unknown; there are zone, all and early; did you mean early?");
  EXPECT_EQ(error_of([] { from_name<Layers>("", "layers"); }),
            "layers \"\" is unknown; there are zone, all and early.");
}

struct Options {
  Layers layers = Layers::zone, some = Layers::all;
  void list(FieldList& f) {
    f.add("layers", &layers, "layers that are aligned");
    f.add("some", &some, "some of them", {.choices = {"early", "all"}});
  }
};

TEST(Choices, AFieldOfAConfiguration) {
  Options options;
  FieldList fields = fields_of(options);
  EXPECT_EQ(fields.to_json().dump(), R"({"layers":"zone","some":"all"})");
  EXPECT_EQ(fields.help(),
            "  --layers=zone\n      layers that are aligned [zone | all | early]\n"
            "  --some=all\n      some of them [early | all]\n");
  fields.read_flag("layers=Early");  // as for any text: capitals and dashes do not matter
  fields.read_json({{"some", "early"}}, "a.json");
  EXPECT_EQ(options.layers, Layers::early);
  EXPECT_EQ(options.some, Layers::early);
  EXPECT_EQ(fields.given({"layers", "some"}), (std::vector<std::string>{"layers", "some"}));
}

TEST(Choices, ErrorsNameTheChoicesAndTheNearest) {
  Options options;
  FieldList fields = fields_of(options);
  EXPECT_EQ(error_of([&] { fields.read_flag("layers=zones"); }),
            "command line: layers = \"zones\" does not fit; expected one of zone, all, early; did "
            "you mean zone? (layers that are aligned).");
  EXPECT_TRUE(error_of([&] { fields.read_flag("some=zone"); }).find("one of early, all") !=
              std::string::npos);
  EXPECT_TRUE(error_of([&] {
                fields.read_json({{"layers", 3}}, "a.json");
              }).find("expected text") != std::string::npos);
  EXPECT_EQ(options.layers, Layers::zone);
}

}  // namespace
}  // namespace ramoe
