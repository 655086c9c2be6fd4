// A small grid with made-up records, for the tests of what is read from one.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "ch12_experiments/grid_results.h"

namespace ramoe {

/// Models a (4 layers, zone 1 to 2) and b (3 layers, zone 1 to 2), tasks facts and sums, languages
/// es and sw: 8 cells, g = 0 to 3 being a/facts, a/sums, b/facts, b/sums. Of every record test is
/// .5, valid .4, divergence and mass .4 in all layers, until a test says otherwise.
class MadeGrid {
 public:
  explicit MadeGrid(const Json& variants, int seeds = 2, bool steering = false) {
    Json plan = {{"models", {{"a", "runs/a"}, {"b", "runs/b"}}},
                 {"tasks", {"facts", "sums"}},
                 {"languages", {"es", "sw"}},
                 {"seeds", seeds},
                 {"search", {{"learning_rates", Json::array({0.001})}, {"seeds", 1}}},
                 {"variants", variants}};
    if (steering) plan["steering"] = {{"strengths", {0.5, 1.0}}};
    facts = {{"plan", plan},
             {"code", "c0de"},
             {"build", {{"compiler", "g++"}}},
             {"data", {{"a", "d"}, {"b", "d"}}},
             {"bases", {{"a", Json::object()}, {"b", Json::object()}}},
             {"chosen", Json::array()},
             {"chosen_strengths", Json::array()},
             {"cost", {{"runs", 1}, {"core_seconds", 2.0}}},
             {"finished", true}};
    add_stages();
    const GridPlan read = grid_plan(plan, "made");
    for (const auto& runs : {search_runs(read), main_runs(read)})
      for (const GridRun& run : runs)
        for (const std::string& id : record_ids(read, run)) add_record(id, run, id == run.id());
  }

  /// SFT, RA-MoE and RISE.
  static Json three_methods() {
    Json variants = Json::array();
    for (const char* name : {"sft", "ramoe", "rise"})
      variants.push_back({{"name", name}, {"method", name}});
    return variants;
  }

  static std::vector<std::string> cells() {
    std::vector<std::string> names;
    for (const char* group : {"a/facts/", "a/sums/", "b/facts/", "b/sums/"})
      for (const char* lang : {"es", "sw"}) names.push_back(group + std::string(lang));
    return names;
  }
  static int layers(const std::string& cell) { return cell[0] == 'a' ? 4 : 3; }

  Json& record(const std::string& id) { return records.at(id); }
  /// Accuracy on test by seed; one value goes to a record without a seed.
  void set_test(const std::string& cell, const std::string& variant, std::vector<double> by_seed) {
    if (records.contains(cell + "/" + variant))
      record(cell + "/" + variant)["test"]["accuracy"] = by_seed.at(0);
    else
      for (std::size_t s = 0; s < by_seed.size(); ++s)
        record(cell + "/" + variant + "/" + std::to_string(s + 1))["test"]["accuracy"] = by_seed[s];
  }
  /// A member with a value for each layer: `inside` in layers 1 and 2, `outside` in the others.
  void set_layers(const std::string& id, const char* key, double inside, double outside) {
    Json values = Json::array();
    for (int l = 0; l < layers(id); ++l) values.push_back(l == 1 || l == 2 ? inside : outside);
    record(id)[key] = values;
  }
  /// Counts of cc, ci, ic, ii.
  void set_types(const std::string& cell, std::vector<int> counts) {
    for (Json& row : facts["stages"][cell.substr(0, 1)]["taxonomy"])
      if (cell.substr(2) == row["task"].get<std::string>() + "/" + row["lang"].get<std::string>())
        for (std::size_t i = 0; i < 4; ++i)
          row[std::vector<const char*>{"cc", "ci", "ic", "ii"}[i]] = counts[i];
  }
  /// The curve of a model's prompts in the stage divergence.
  Json& curve(const std::string& cell) {
    const std::string task = cell.substr(2, cell.rfind('/') - 2);
    return facts["stages"][cell.substr(0, 1)]["divergence"]["by_task"][task]
                [cell.substr(cell.rfind('/') + 1)];
  }

  std::vector<Json> lines() const {
    std::vector<Json> all;
    for (const auto& [id, record] : records) all.push_back(record);
    return all;
  }
  GridResults results(bool reversed = false) const {
    std::vector<Json> all = lines();
    if (reversed) std::reverse(all.begin(), all.end());
    return {facts, all, "made"};
  }

  Json facts;
  std::map<std::string, Json> records;  // by id

 private:
  void add_stages() {
    for (const std::string& cell : cells()) {
      const std::string model = cell.substr(0, 1), lang = cell.substr(cell.rfind('/') + 1);
      const std::vector<double> flat(std::size_t(layers(cell)), 0.4);
      Json& divergence = facts["stages"][model]["divergence"];
      divergence["by_language"][lang] = flat;
      divergence["mean"] = flat;
      divergence["zone"] = {{"first", 1}, {"last", 2}};
      curve(cell) = flat;
      facts["stages"][model]["taxonomy"].push_back({{"lang", lang},
                                                    {"task", cell.substr(2, cell.rfind('/') - 2)},
                                                    {"cc", 5},
                                                    {"ci", 10},
                                                    {"ic", 1},
                                                    {"ii", 4},
                                                    {"rho_ci", 0.5}});
      facts["stages"][model]["experts"] = Json::array();
    }
  }

  void add_record(const std::string& id, const GridRun& run, bool is_own) {
    Json r = {
        {"id", id},         {"part", run.part},       {"model", run.model},   {"task", run.task},
        {"lang", run.lang}, {"variant", run.variant}, {"method", run.variant}};
    if (run.seed > 0) r["seed"] = run.seed;
    r["valid"] = {{"n", 10}, {"accuracy", 0.4}};
    if (run.part != "search")
      r["test"] = {{"n", 100}, {"accuracy", 0.5}, {"n_english", 80}, {"given_english", 0.5}};
    if (!is_own) {  // steering
      const std::size_t start = run.cell().size() + 1;
      r["part"] = "steering";
      r["variant"] = id.substr(start, id.find('/', start) - start);
      if (id.find("steer-soft") != std::string::npos) r["strength"] = 0.5;
    } else {
      if (run.part == "main") r["learning_rate"] = 0.001;
      r["examples"] = 20;
      r["ci"] = 10;
      if (run.part == "base") r["english"] = {{"n", 100}, {"accuracy", 0.8}};
      if (run.part != "search")
        for (const char* key : {"divergence", "mass"})
          r[key] = std::vector<double>(std::size_t(layers(id)), 0.4);
    }
    records[id] = std::move(r);
  }
};

}  // namespace ramoe
