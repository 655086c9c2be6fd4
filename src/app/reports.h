// App - what reports show of runs, for `ramoe demo`, `report` and `results`
#pragma once

#include <filesystem>
#include <string>

#include "app/stages.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The English name of the language if the data has language packs, else its code.
std::string language_name(const ParallelData& data, const std::string& lang);
Json model_facts(const ModelConfig& config);
/// The results.json of a run.
template <class Results>
Results stage_results(const std::string& folder) {
  const std::string file = folder + "/results.json";
  return results_from<Results>(read_json(file), file);
}
/// The curves in metrics.jsonl of a run.
LossCurve loss_curve(const std::string& folder);
FinetuneCurve finetune_curve(const std::string& folder, const FinetuneOptions& options);
/// The routing of one test pair of each task, before and after (routing_trace.h).
std::vector<RoutingTrace> routing_traces(const FinetuneInputs& inputs, Model<float>& tuned,
                                         const FinetuneOptions& options,
                                         const std::vector<std::string>& tasks);

/// What the files of this program hold and others hardly do: all its pages name the paper.
inline constexpr const char *page_mark = "2605.28306", *evidence_mark = "\"claims\"";
bool has_mark(const std::filesystem::path& path, const std::string& mark);
/// Error if there is a file without the mark, because it would be lost.
void check_replaceable(const std::filesystem::path& path, const std::string& mark = page_mark);

/// Writes the report of a finished grid's folder to a file, and evidence.json beside it. Error:
/// runs are missing, or there is an evidence.json that is not from this program.
int report_grid(const std::string& folder, const std::string& file);

}  // namespace ramoe
