// Hidden checks of lab 11: types and their counts. Keys: seed pairs languages.
#include "ch08_taxonomy/taxonomy.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  Random draws = given.random(1);
  const std::vector<std::string> tasks = {"facts", "sums"};
  std::vector<ClassifiedPair> pairs;
  std::vector<double> types;
  for (int i = 0; i < given.number("pairs"); ++i) {
    ClassifiedPair pair;
    pair.id = std::to_string(i);
    pair.lang = std::string(1, char('a' + draws.below(std::uint32_t(given.number("languages")))));
    pair.task = tasks[draws.below(2)];
    pair.type = pair_type(draws.below(2) == 0, draws.below(3) == 0);
    types.push_back(double(pair.type));
    pairs.push_back(pair);
  }
  print("types", types);
  for (const std::string lang : {"", "a", "b", "z"})
    for (const std::string task : {"", "facts", "sums", "none"}) {
      const TypeCounts counts = count_types(pairs, lang, task);
      print_all("counts_" + lang + "_" + task, counts.count);
      print("rho_" + lang + "_" + task, counts.share(PairType::ci));
    }
}
