// What pages and figures are tested on: a made-up grid whose cells all differ, with routing.
#pragma once

#include "ch12_experiments/made_grid.h"
#include "ch12_experiments/results_page.h"

namespace ramoe {

/// Gains of RA-MoE rise with the share of ci; routing `q` of two experts in every layer.
inline MadeGrid made_grid(const Json& variants = MadeGrid::three_methods()) {
  MadeGrid grid(variants, 2, true);
  int i = 0;
  for (const std::string& cell : MadeGrid::cells()) {
    const double step = 0.01 * ++i;
    grid.set_types(cell, {20 - 2 * i, 2 * i, 1, 1});
    grid.set_test(cell, "base", {0.1 + step});
    grid.set_test(cell, "sft", {0.40, 0.42});
    grid.set_test(cell, "ramoe", {0.41 + step, 0.44 + step});
    if (grid.records.contains(cell + "/rise/1")) grid.set_test(cell, "rise", {0.3, 0.3 + step});
    grid.set_layers(cell + "/base", "divergence", 0.1 + step, 0.4);
    for (const char* id : {"/base", "/ramoe/1"})
      grid.record(cell + id)["q"] =
          std::vector<std::vector<double>>(std::size_t(MadeGrid::layers(cell)), {0.3, 0.7});
    grid.record(cell + "/base")["q_english"] = grid.record(cell + "/base")["q"];
    for (const char* seed : {"/1", "/2"})
      grid.set_layers(cell + "/ramoe" + seed, "divergence", 0.3 - step, 0.4 - step / 5);
  }
  for (const auto& [model, layers] : {std::pair{"a", 4}, {"b", 3}})
    for (const char* task : {"facts", "sums"})
      grid.facts["stages"][model]["experts"].push_back(
          {{"task", task}, {"experts", std::vector<std::vector<int>>(std::size_t(layers), {1})}});
  return grid;
}

/// Language names that need escaping, and one pair of two layers.
inline Json made_routing() {
  const std::string sides = R"("chosen": [[[0]], [[1]]], "mass": [0.25, 0.5])";
  return Json::parse(R"({"language_names": {"es": "Spanish <&> |x|", "sw": "Swahili"},
    "traces": [{"lang": "es", "task": "facts", "method": "ramoe", "id": "i", "experts": 2,
      "zone": {"first": 1, "last": 1}, "task_experts": [[1], [1]],
      "english": {"question": "q <1>", "answer": "w", "output": "w", "tokens": ["t"], )" +
                     sides + R"(},
      "target": {"question": "p | <2>", "answer": "v", "tokens": ["u"]},
      "before": {"output": "no", "divergence": [0.125, 0.25], )" +
                     sides + R"(},
      "after": {"output": "v", "divergence": [0.125, 0.0625], )" +
                     sides + "}}]}");
}

/// Three exponents of the language mixture, made of the models of the made-up grid.
inline GridResults made_mixture() {
  MadeGrid grid = made_grid(Json::array(
      {{{"name", "sft"}, {"method", "sft"}}, {{"name", "ramoe"}, {"method", "ramoe"}}}));
  const auto renamed = [](std::string text) {
    for (const auto& [from, to] : {std::pair{"a/", "exponent=0/"}, {"b/", "exponent=0.5/"}})
      if (text.starts_with(from)) return to + text.substr(2);
    return text == "a" ? std::string("exponent=0") : text == "b" ? "exponent=0.5" : text;
  };
  std::vector<Json> lines = grid.lines();
  for (Json& line : lines)
    for (const char* key : {"id", "model"}) line[key] = renamed(line[key].get<std::string>());
  Json facts = grid.facts;
  for (const char* key : {"data", "bases", "stages"}) {
    Json changed;
    for (const auto& [model, value] : grid.facts[key].items()) changed[renamed(model)] = value;
    facts[key] = changed;
  }
  facts["plan"]["models"] = {{"exponent=0", "runs/0"}, {"exponent=0.5", "runs/5"}};
  return {facts, lines, "made/mixture"};
}

}  // namespace ramoe
