// App - what reports show of runs: used by `ramoe demo`, `report` and `results`.
#pragma once

#include <filesystem>
#include <string>

#include "app/stages.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The language's English name where the data has language packs, else its code.
std::string language_name(const ParallelData& data, const std::string& lang);
Json model_facts(const ModelConfig& config);
/// A run's results.json.
template <class Results>
Results stage_results(const std::string& folder) {
  const std::string file = folder + "/results.json";
  return results_from<Results>(read_json(file), file);
}
/// Of a run's metrics.jsonl.
LossCurve loss_curve(const std::string& folder);
FinetuneCurve finetune_curve(const std::string& folder, const FinetuneOptions& options);
/// The routing of one pair of each task before and after (routing_trace.h), of the test split.
std::vector<RoutingTrace> routing_traces(const FinetuneInputs& inputs, Model<float>& tuned,
                                         const FinetuneOptions& options,
                                         const std::vector<std::string>& tasks);

/// Error if a file is there that lacks the mark of those made here: it would be lost. All our pages
/// name the paper.
void check_replaceable(const std::filesystem::path& path, const std::string& mark = "2605.28306");

/// The report of a finished grid's folder, in a file, and evidence.json beside it. Error: runs are
/// missing, or an evidence.json there is none of this program's.
int report_grid(const std::string& folder, const std::string& file);

}  // namespace ramoe
