// Chapter 12.7 - the grid: which runs a comparison is made of, and what is chosen before them
//
//   cell     one model, task and target language
//   variant  a method with its keys; those of the group "main" are compared, others are ablations
//   search   each main variant at each learning rate, with its own seeds; reads adapt_valid alone
//   main     each variant at its rate with n seeds, by default from 1; adapt_valid and test
//
//   rate(model, task, variant) = the rate with the largest mean accuracy on adapt_valid, over
//                                languages and search seeds; the smaller one of a tie
//
// A rate that lies at the edge of the search, the lowest or the highest of several with none
// between that does as well, may have a better one beyond it. It decides nothing: results say so,
// or with "edges": "refuse" the search ends with an error.
//
// An ablation takes the rate of the main variant that it is like. The strength of soft steering is
// chosen in the same way. Within a plan, the id of a run identifies it. All of this is our choice,
// also that the search ends before the main part begins and never reads test: of the paper's
// protocol only the abstract is known.
// Tests: tests/ch12_experiments/grid_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch11_baselines/method.h"
#include "support/choices.h"
#include "support/json.h"

namespace ramoe {

struct GridVariant {
  std::string name, group = "main";
  Method method = Method::sft;
  std::string like;            // main variant whose rate it takes; itself in the group main
  Json keys = Json::object();  // of fine-tuning, beside those of the plan
  Json learning_rate;          // null: searched; a number; or {"model/task": number, ...}
  bool is_main() const { return group == "main"; }
};

/// What is done about a rate at the edge of the search.
enum class SearchEdges { warn, refuse };
constexpr auto names(SearchEdges) {
  return std::array{"warn", "refuse"};
}

struct GridPlan {
  std::map<std::string, std::string> model_runs;  // by name: run folder of the base model
  std::vector<std::string> models, tasks, languages;
  int seeds = 1, first_seed = 1;  // of the main part: how many, and the first
  Json keys = Json::object();
  std::vector<double> rates;  // of the search, ascending; empty: there is none
  int search_seeds = 0;
  SearchEdges edges = SearchEdges::warn;
  std::vector<double> strengths;  // of soft steering, ascending; empty: no steering at all
  std::vector<GridVariant> variants;

  int last_seed() const { return first_seed + seeds - 1; }
  const GridVariant& variant(const std::string& name) const;
};

/// The seeds of the search begin here, so that none is a seed of the main part.
inline constexpr int kSearchSeed = 1001;

/// Error, naming the source: an unknown or missing key, a name that occurs twice or cannot be a
/// file name, a variant whose rate is neither given nor searched, edges that are refused where no
/// rate lies between two others.
GridPlan grid_plan(const Json& json, const std::string& where);

/// One piece of work. Some runs write more than one record: those of the base model and of sft also
/// have Routing Steering of their models.
struct GridRun {
  std::string part = {};  // search, base, main
  std::string model, task, lang;
  std::string variant = "base";
  int seed = 0;     // 0: the run has no seed
  double rate = 0;  // of the search; the main part takes the chosen one

  /// "olmoe/facts/es/ramoe/3", or "olmoe/facts/es/ramoe/0.0005/1001" in the search; for the base
  /// model "olmoe/facts/es/base", or "olmoe/facts/es/base/strengths" if strengths are searched.
  std::string id() const;
  /// "olmoe/facts/es"
  std::string cell() const { return model + "/" + task + "/" + lang; }
};

/// All runs of the search and of the main part (base models among them), in the canonical order:
/// cell by cell, then variants, rates, seeds.
std::vector<GridRun> search_runs(const GridPlan& plan);
std::vector<GridRun> main_runs(const GridPlan& plan);
/// The ids of the records that a run writes, its own last.
std::vector<std::string> record_ids(const GridPlan& plan, const GridRun& run);
/// The ids of the records of all runs, the search before the main part.
std::vector<std::string> all_record_ids(const GridPlan& plan);
/// Whether a run of sft also tries Routing Steering on its model.
bool steers(const GridPlan& plan, const GridRun& run);

/// Shard `index` (from 1) of `count`.
struct Shard {
  int index = 1, count = 1;
};
/// "2/4". Error: anything else, or not 1 <= index <= count.
Shard parse_shard(const std::string& text);
/// The runs of a shard in the order in which they are done: by seed, and shuffled within a seed.
/// Early times then predict later ones, and the shards share the long runs equally.
std::vector<GridRun> shard_of(std::vector<GridRun> runs, Shard shard);

/// The number as JSON writes it, for ids and keys: "0.0005".
std::string number_text(double value);

/// What was chosen from the search, by "model/task/variant".
struct GridChoices {
  std::map<std::string, double> rates, strengths;  // strengths: of "base" and "sft"
  Json rates_json = Json::array(), strengths_json = Json::array();  // with the values behind them
};
/// `records`: those of the search, by id. Error: records that the choice needs are missing.
GridChoices choose(const GridPlan& plan, const std::map<std::string, Json>& records);

/// A chosen rate at the edge of the search.
struct EdgeRate {
  std::string model, task, variant;
  double rate = 0;
  bool lowest = false;  // else the highest

  /// "olmoe/facts/sft: 0.0045, the highest rate of the search"
  std::string text() const;
};
/// Those among what was chosen (GridChoices::rates_json, or "chosen" of collected results, older
/// ones too). A search of one rate has no edge.
std::vector<EdgeRate> rates_at_edge(const GridPlan& plan, const Json& chosen);
/// One line of warning about them; empty if there are none.
std::string edge_warning(const GridPlan& plan, const Json& chosen);
/// Error if the plan refuses edges and a chosen rate lies at one: names all of these.
void check_edges(const GridPlan& plan, const Json& chosen, const std::string& where);

/// The key with the largest value; the smaller key of a tie (within 1e-9). Error: no values.
double best_of(const std::map<double, double>& value_by_key);

}  // namespace ramoe
