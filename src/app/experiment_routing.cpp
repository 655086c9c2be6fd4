#include <iostream>

#include "app/experiment_folder.h"
#include "app/experiment_run.h"
#include "app/reports.h"
#include "ch01_tensor/gemm.h"
#include "support/error.h"

namespace ramoe {

FinetuneOptions variant_options(const GridPlan& plan, const GridVariant& variant,
                                const std::string& where) {
  FinetuneOptions o;
  FieldList fields = fields_of(o);
  for (const Json* keys : {&plan.keys, &variant.keys}) {
    for (const char* key : {"run", "threads", "resume", "overwrite", "base", "divergence_run",
                            "taxonomy_run", "experts_run", "language", "method", "train_tasks",
                            "seed", "keep_model", "learning_rate"})
      check(!keys->contains(key), where, ": keys: ", key,
            " is set by the grid itself, run by run; leave it out.");
    fields.read_json(*keys, where + ": keys");
  }
  o.method = variant.method;
  try {
    o.check_keys();
  } catch (const Error& error) {
    fail(where, ": ", error.what());
  }
  return o;
}

void set_model(FinetuneOptions& o, const GridPlan& plan, const std::string& model,
               const std::string& folder) {
  o.base = plan.model_runs.at(model);
  o.divergence_run = stage_folder(folder, model, "divergence");
  o.taxonomy_run = stage_folder(folder, model, "taxonomy");
  o.experts_run = stage_folder(folder, model, "experts");
  o.train_tasks = plan.tasks;
}

Json experiment_facts(const GridPlan& plan, const Json& plan_json) {
  Json facts = {{"plan", plan_json}, {"code", code_checksum}, {"build", build_facts(gemm_isa())}};
  for (const auto& [name, path] : plan.model_runs) {
    const BaseRun base = load_base(path);
    facts["data"][name] = base.data->checksum();
    facts["bases"][name] = base.facts();
    for (const std::string& task : plan.tasks) base.data->require_task(task);
    for (const std::string& lang : plan.languages) base.data->require_language(lang);
  }
  return facts;
}

namespace {

/// Checksum of the facts that the traces depend on; with other facts they are made again.
std::string facts_checksum(const Json& facts) {
  std::string text;
  for (const char* key : {"plan", "code", "build", "data", "bases"}) text += facts[key].dump();
  return checksum(text);
}

/// Why the models of a grid cannot be trained again here; empty if they can.
std::string obstacle(const std::string& folder, const GridResults& grid) {
  for (const std::string& model : grid.plan().models)
    for (const char* name : stage_names)
      if (const std::string file = stage_folder(folder, model, name) + "/run.json";
          !std::filesystem::exists(file))
        return file + " is missing";
  try {
    const Json here = experiment_facts(grid.plan(), grid.facts().at("plan"));
    return facts_differences({grid.facts(), "there"}, {here, "here"}, false);
  } catch (const Error& error) {
    return error.what();
  }
}

/// Trains RA-MoE of a cell again, and traces how it routes a pair.
RoutingTrace trace_of(const std::string& folder, const FinetuneInputs& inputs,
                      const FinetuneOptions& o, const Json& record) {
  Model<float> tuned(inputs.base.model->config());
  tuned.copy_values(*inputs.base.model);
  finetune_stage(o, inputs, tuned, true, [] { return false; });
  const Json score = read_json(o.run.run + "/results.json").at("test").at(0);
  check(score.at("accuracy") == record.at("test").at("accuracy"), folder, ": ",
        record.at("id").get<std::string>(), " trained again has accuracy ",
        score.at("accuracy").dump(), " on test, its record says ",
        record.at("test").at("accuracy").dump(),
        "; was the record or a stage of the folder changed? Run the experiment again with "
        "--overwrite=true.");
  return routing_traces(inputs, tuned, o, o.train_tasks).at(0);
}

}  // namespace

std::optional<GridRouting> kept_routing(const std::string& folder, const Json& facts) {
  const std::string file = folder + "/routing.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const auto kept = results_from<GridRouting>(read_json(file), file);
  return kept.of == facts_checksum(facts) ? std::optional(kept) : std::nullopt;
}

std::optional<GridRouting> grid_routing(const std::string& folder, const GridResults& grid) {
  if (auto kept = kept_routing(folder, grid.facts())) return kept;
  const GridPlan& plan = grid.plan();
  if (const std::string reason = obstacle(folder, grid); !reason.empty()) {
    std::cerr << "no pair is traced, since its model cannot be trained again here: " << reason
              << "\n";
    return std::nullopt;
  }
  const std::string &model = plan.models.at(0), &lang = plan.languages.at(0);
  FinetuneOptions o = variant_options(plan, plan.variant("ramoe"), grid.where());
  set_model(o, plan, model, folder);
  o.language = lang;
  o.seed = static_cast<std::uint64_t>(plan.first_seed);
  o.keep_model = false;
  o.run.run = folder + "/routing-run";
  o.run.overwrite = true;
  const FinetuneInputs inputs = load_finetune_inputs(o);
  GridRouting routing = {facts_checksum(grid.facts()), {}, {}};
  routing.language_names.emplace_back(english, language_name(*inputs.base.data, english));
  for (const std::string& name : plan.languages)
    routing.language_names.emplace_back(name, language_name(*inputs.base.data, name));
  for (const std::string& task : plan.tasks) {
    const Json& record = grid.record(cat(model, "/", task, "/", lang, "/ramoe/", plan.first_seed));
    o.train_tasks = {task};
    o.train.learning_rate = record.at("learning_rate").get<double>();
    routing.traces.push_back(trace_of(folder, inputs, o, record));
  }
  remove_run(o.run.run);
  write_json(folder + "/routing.json", to_json(routing));
  return routing;
}

}  // namespace ramoe
