// What the report of a grid is tested on: a made-up grid whose cells all differ, with routing.
#pragma once

#include "ch12_experiments/made_grid.h"
#include "ch12_experiments/run_results.h"

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
    for (const char* seed : {"/1", "/2"})
      grid.set_layers(cell + "/ramoe" + seed, "divergence", 0.3 - step, 0.4 - step / 5);
  }
  return grid;
}

/// Language names that need escaping, and one pair of two layers.
inline GridRouting made_routing() {
  const std::string sides = R"("chosen": [[[0]], [[1]]], "mass": [0.25, 0.5])";
  const std::string text =
      R"({"of": "made", "language_names": {"es": "Spanish <&> |x|", "sw": "Swahili"},
    "traces": [{"lang": "es", "task": "facts", "method": "ramoe", "id": "i", "experts": 2,
      "zone": {"first": 1, "last": 1}, "task_experts": [[1], [1]],
      "english": {"question": "q <1>", "answer": "w", "output": "w", "tokens": ["t"], )" +
      sides + R"(},
      "target": {"question": "p | <2>", "answer": "v", "tokens": ["u"]},
      "before": {"output": "no", "divergence": [0.125, 0.25], )" +
      sides + R"(},
      "after": {"output": "v", "divergence": [0.125, 0.0625], )" +
      sides + "}}]}";
  return results_from<GridRouting>(parse_json(text), "made");
}

}  // namespace ramoe
