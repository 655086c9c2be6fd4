// ramoe experiment: the grid of runs that a comparison of methods rests on (docs/grid.md).
#include <atomic>
#include <iostream>
#include <mutex>

#include "app/experiment_folder.h"
#include "app/experiment_run.h"
#include "runs/interrupt.h"
#include "runs/progress.h"
#include "support/error.h"
#include "support/platform.h"

namespace ramoe {

namespace {

enum class Part { all, search, main };
constexpr auto names(Part) {
  return std::array{"all", "search", "main"};
}

struct ExperimentOptions {
  std::string plan, run, shard = "1/1", collect;
  Part part = Part::all;
  int threads = 0, limit = 0;
  Device device = Device::cpu;
  GemmEngine gemm = GemmEngine::own;
  bool overwrite = false, partial = false;

  void list(FieldList& f) {
    f.add("plan", &plan, "plan of the grid, such as data/grids/main.json; may be given first");
    f.add("run", &run, "folder of the experiment; empty: runs/<name of the plan>");
    f.add("threads", &threads, "runs side by side; 0: as many as the machine has threads",
          {0, 1024});
    f.add("device", &device, "as the plan's key device, which says on what its runs compute");
    f.add("gemm", &gemm, "as the plan's key gemm, which says who computes products on a GPU");
    f.add("shard", &shard, "i/n: only the i-th of n equal shares of the runs");
    f.add("part", &part, "search: learning rates and strengths; main: what rests on them");
    f.add("limit", &limit, "most runs of this call; 0: all", {0, 1e9});
    f.add("overwrite", &overwrite, "remove the results that the folder holds");
    f.add("collect", &collect,
          "run nothing; write the results to this folder as <plan>.json, "
          "<plan>.jsonl");
    f.add("partial", &partial, "collect also from a grid that is not finished");
  }
};

std::string plan_name(const std::string& path) {
  return std::filesystem::path(path).stem().string();
}

/// Plan, facts and folder of an experiment; its models are loaded when needed.
class Experiment {
 public:
  Experiment(const ExperimentOptions& options, const Json& json)
      : o_(options), plan_(grid_plan(json, o_.plan)), shard_(parse_shard(o_.shard)) {
    check_experiment_place(o_.run);
    for (const GridVariant& variant : plan_.variants)
      options_[variant.name] =
          variant_options(plan_, variant, o_.plan + ": variant " + variant.name);
    options_["base"] = options_[plan_.variants[0].name];
    facts_ = experiment_facts(plan_, json);
    const Workers workers(o_.threads);
    threads_ = workers.threads();
    const std::string cpu = processor_name();
    facts_["machine"] = {{"cpu", cpu.empty() ? "unknown" : cpu}, {"threads", threads_}};
    folder_.emplace(o_.run, facts_, o_.overwrite, shard_worker(shard_));
  }

  void say_cost() const;
  /// Runs the rest of a part. Error: interrupted.
  void run_part(const std::string& name, const std::vector<GridRun>& all);
  void search() { run_part("search", search_runs(plan_)); }
  void choose_from_search();
  /// Says which chosen rates lie at the edge of the search. Error if the plan refuses them. Nothing
  /// before the whole search is done.
  void judge_edges(const Json& summary) const;
  void main() { run_part("main", main_runs(plan_)); }
  Json close() { return folder_->write_summary(plan_); }
  bool at_limit() const { return o_.limit > 0 && ran_ >= o_.limit; }

 private:
  void load_models();
  bool has_stages(const std::string& model, const FinetuneOptions& o, bool make);
  GridRunOptions options_of(const GridRun& run) const;
  void work(const std::vector<GridRun>& runs, Progress& progress, std::int64_t done);

  ExperimentOptions o_;
  GridPlan plan_;
  Shard shard_;
  Json facts_;
  std::map<std::string, FinetuneOptions> options_;  // by variant
  std::optional<ExperimentFolder> folder_;
  std::map<std::string, std::unique_ptr<GridModel>> models_;
  GridChoices choices_;
  int threads_ = 1, ran_ = 0;
};

void Experiment::say_cost() const {
  double seconds = 0;
  int timed = 0, left = 0;
  std::cout << plan_.models.size() << " models x " << plan_.tasks.size() << " tasks x "
            << plan_.languages.size() << " languages, " << plan_.variants.size() << " variants, "
            << plan_.seeds << " seeds; " << threads_ << " at a time";
  if (shard_.count > 1) std::cout << "; shard " << o_.shard;
  std::cout << "\n";
  for (const Part part : {Part::search, Part::main}) {
    const auto all = part == Part::search ? search_runs(plan_) : main_runs(plan_);
    const std::vector<GridRun> mine = shard_of(all, shard_);
    const int done = runs_done(o_.run, mine);
    std::cout << name_of(part) << ": " << mine.size() << " runs, " << done << " of them done\n";
    if (o_.part == Part::all || o_.part == part) left += static_cast<int>(mine.size()) - done;
    for (const GridRun& run : mine) {
      if (!folder_->has(run.id())) continue;
      for (const std::string& id : record_ids(plan_, run))
        seconds += read_record(o_.run, id).value("seconds", 0.0);
      ++timed;
    }
  }
  if (timed > 0 && left > 0)
    std::cout << "about " << duration_text(seconds / timed * left / threads_) << " left, from "
              << timed << " runs of " << duration_text(seconds) << " of one core\n";
  std::cout << std::flush;
}

/// Whether all stages of a model exist; with `make`, missing ones are made.
bool Experiment::has_stages(const std::string& model, const FinetuneOptions& o, bool make) {
  const Json facts = facts_["bases"][model];
  const std::uint64_t seed = load_base(o.base).record.seed;
  const auto has = [&](auto options, const char* name, std::uint64_t stage_seed,
                       const auto& stage) {
    options.run.run = folder_->stage(model, name);
    options.run.threads = o_.threads;
    options.run.device = o.run.device;
    options.run.gemm = o.run.gemm;
    options.base = o.base;
    options.answers = o.answers;
    // Overwrite another run in this folder: it was made from a base model at another place.
    options.run.overwrite =
        !is_finished(options.run.run, run_facts(name, fields_of(options), stage_seed, facts));
    if (!options.run.overwrite || !make) return !options.run.overwrite;
    std::cout << "== " << model << ": " << name << "\n" << std::flush;
    stage(options);
    // Records that were merged from collected ones depend on what the stages of that grid found.
    const Json known = read_facts(o_.run).value("stages", Json::object());
    check(!known.contains(model) || !known[model].contains(name) ||
              known[model][name] == read_json(options.run.run + "/results.json"),
          options.run.run, " found other things than the stage that the records in ", o_.run,
          " rest on, though code and data are the same; was the program built in another way? Use "
          "another --run=FOLDER.");
    return true;
  };
  return has(DivergenceOptions{}, "divergence", DivergenceOptions{}.seed, divergence_stage) &&
         has(TaxonomyOptions{}, "taxonomy", seed, taxonomy_stage) &&
         has(ExpertsOptions{}, "experts", seed, experts_stage);
}

void Experiment::load_models() {
  if (!models_.empty()) return;
  for (const std::string& model : plan_.models) {
    FinetuneOptions o = options_.at("base");
    set_model(o, plan_, model, o_.run);
    // Processes that share the folder wait here for the first one. No process makes the stages
    // again while others read what they found.
    make_folder(o_.run + "/stages/" + model);
    FileLock lock(o_.run + "/stages/" + model + "/lock");
    lock.share();
    if (!has_stages(model, o, false)) {
      lock.lock();
      has_stages(model, o, true);
      lock.share();
    }
    const Workers workers(o_.threads);
    models_[model] = std::make_unique<GridModel>(o, plan_.languages);
  }
}

GridRunOptions Experiment::options_of(const GridRun& run) const {
  GridRunOptions options{options_.at(run.variant), {}, false, 0};
  FinetuneOptions& o = options.finetune;
  o.language = run.lang;
  o.train_tasks = {run.task};
  o.seed = static_cast<std::uint64_t>(run.seed);
  const std::string key = run.model + "/" + run.task + "/" + run.variant;
  if (run.part == "search") {
    o.train.learning_rate = run.rate;
    if (run.variant == "base" || steers(plan_, run)) options.strengths = plan_.strengths;
  } else {
    if (run.part == "main") o.train.learning_rate = choices_.rates.at(key);
    options.steer = record_ids(plan_, run).size() > 1;
    if (options.steer) options.strength = choices_.strengths.at(key);
  }
  return options;
}

void Experiment::work(const std::vector<GridRun>& runs, Progress& progress, std::int64_t done) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto one = [&](const GridRun& run) {
    const std::vector<std::string> ids = record_ids(plan_, run);
    std::vector<Json> records;
    try {
      records = run_of_grid(*models_.at(run.model), run, options_of(run), interrupt_requested);
    } catch (const Error& reason) {
      fail("run ", run.id(), ": ", reason.what());
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
      records[i]["id"] = ids.at(i);
      folder_->write(records[i]);
    }
    const std::lock_guard guard(mutex);
    if (!records.empty()) ++ran_, progress.update(++done, run.id());
  };
  const auto each = [&] {
    const StopScope scope(interrupt_flag());
    for (std::size_t i; (i = next++) < runs.size() && !interrupt_requested();) try {
        one(runs[i]);
      } catch (const Interrupted&) {
        return;
      } catch (...) {
        const std::lock_guard guard(mutex);
        if (!error) error = std::current_exception();
        next = runs.size();
      }
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads_; ++t) workers.emplace_back(each);
  each();
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);
}

void Experiment::run_part(const std::string& name, const std::vector<GridRun>& all) {
  std::vector<GridRun> runs;
  const std::vector<GridRun> mine = shard_of(all, shard_);
  for (const GridRun& run : mine)
    if (!folder_->has(run.id())) runs.push_back(run);
  const std::int64_t done = static_cast<std::int64_t>(mine.size() - runs.size());
  if (o_.limit > 0) runs.resize(std::min(runs.size(), std::size_t(std::max(0, o_.limit - ran_))));
  if (runs.empty()) return;
  load_models();
  Progress progress(name + " runs", done + static_cast<std::int64_t>(runs.size()), done);
  work(runs, progress, done);
  if (!interrupt_requested()) return progress.finish();
  throw Interrupted(cat("interrupted; ", runs_done(o_.run, mine), " of ", mine.size(), " ", name,
                        " runs are done and kept. ", RunOptions::how_to_go_on(o_.overwrite)));
}

void Experiment::choose_from_search() {
  const std::vector<GridRun> search = search_runs(plan_);
  const int done = runs_done(o_.run, search), all = static_cast<int>(search.size());
  check(done == all, o_.run, ": ", all - done, " of ", all,
        " runs of the search are missing, and the main part rests on them. Run `ramoe experiment ",
        o_.plan, " --run=", o_.run,
        " --part=search`, every shard of it, and `ramoe experiment "
        "merge` where the shards have folders of their own.");
  std::vector<std::string> ids;
  for (const GridRun& run : search) ids.push_back(run.id());
  choices_ = choose(plan_, read_records(o_.run, ids));
  for (const Json& entry : choices_.rates_json)
    std::cout << "learning rate of " << entry["model"].get<std::string>() << "/"
              << entry["task"].get<std::string>() << "/" << entry["variant"].get<std::string>()
              << ": " << entry["learning_rate"].dump() << "\n";
  std::cout << std::flush;
}

void Experiment::judge_edges(const Json& summary) const {
  const Json& chosen = summary.at("chosen");
  const std::vector<EdgeRate> edges = rates_at_edge(plan_, chosen);
  if (edges.empty()) return;
  check_edges(plan_, chosen, o_.plan);
  std::cout << "WARNING: " << edge_warning(plan_, chosen) << "\n";
  for (const EdgeRate& edge : edges) std::cout << "  " << edge.text() << "\n";
  std::cout << std::flush;
}

/// Error if <plan>.json or .jsonl exists and is something else, such as the plan itself.
void check_collected_place(const std::string& name) {
  const std::string file = name + ".json", remedy = "; collect into another folder.";
  if (!std::filesystem::exists(file)) {
    check(!std::filesystem::exists(file + "l"), file, "l is there without ", file, remedy);
    return;
  }
  const Json old = read_json(file);
  check(old.is_object() && old.contains("plan") && old.contains("code"), file,
        " was not made by --collect and would be written over", remedy);
}

/// Writes <plan>.json and <plan>.jsonl from the folder of a grid.
void collect(const ExperimentOptions& o, const Json& json) {
  const std::string name = o.collect + "/" + plan_name(o.plan);
  check_collected_place(name);
  const auto still = hold_still(o.run);
  const Json facts = read_facts(o.run);
  Json here = facts;
  here["plan"] = json;
  const std::string different = facts_differences({facts, "there"}, {here, "here"}, false);
  check(different.empty(), o.run, " was not made by ", o.plan, " (", different,
        "); give the plan that it was made by.");
  const GridPlan plan = grid_plan(json, o.plan);
  const std::vector<std::string> ids = all_record_ids(plan);
  const std::map<std::string, Json> records = read_records(o.run, ids);
  std::string lines;
  for (const std::string& id : ids)
    if (records.contains(id)) lines += records.at(id).dump() + "\n";
  check(o.partial || records.size() == ids.size(), o.run, " holds ", records.size(), " of ",
        ids.size(),
        " records; run the experiment to its end, or collect what there is with --partial=true.");
  make_folder(o.collect);
  write_json(name + ".json", summary_of(o.run, here, plan, records));
  write_file(name + ".jsonl", lines);
  if (const auto routing = kept_routing(o.run, facts))
    write_json(name + "_routing.json", to_json(*routing));
  std::cout << records.size() << " of " << ids.size() << " records in " << name
            << ".jsonl, the facts in " << name << ".json\n";
}

/// Runs the rest of a plan. A copy of the plan is written once this process has the folder.
void run_grid(const ExperimentOptions& o, const Json& plan, const std::string& copy = "") try {
  Experiment experiment(o, plan);
  if (!copy.empty()) write_json(copy, plan);
  experiment.say_cost();
  if (o.part != Part::main) experiment.search();
  experiment.judge_edges(experiment.close());
  if (o.part != Part::search && !experiment.at_limit()) {
    experiment.choose_from_search();
    experiment.main();
  }
  const Json summary = experiment.close();
  std::cout << o.run << ": " << summary["cost"]["runs"] << " runs are done, "
            << duration_text(summary["cost"]["core_seconds"].get<double>()) << " of one core; "
            << (summary["finished"].get<bool>() ? "the grid is finished\n"
                                                : "the grid is not finished yet\n");
} catch (const Interrupted& interrupted) {
  throw_on(interrupted,
           "interrupted; what is done is kept. " + RunOptions::how_to_go_on(o.overwrite));
}

}  // namespace

void run_plan(const Json& plan, const std::string& path, const std::string& run, int threads,
              bool overwrite) {
  ExperimentOptions o;
  o.plan = path, o.run = run, o.threads = threads, o.overwrite = overwrite;
  run_grid(o, plan, path);
  o.collect = run + "/collected";
  collect(o, plan);
}

int run_experiment(const Arguments& arguments) {
  if (!arguments.empty() && arguments[0] == "merge")
    return merge_experiments({arguments.begin() + 1, arguments.end()});
  ExperimentOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "experiment", {"plan", false})) return 0;
  check(!o.plan.empty(), "no plan was named; give one such as data/grids/main.json.");
  if (o.run.empty()) o.run = "runs/" + plan_name(o.plan);
  const Json json = plan_on(o.device, o.gemm, read_json(o.plan));
  if (!o.collect.empty()) {
    collect(o, json);
    return 0;
  }
  run_grid(o, json);
  return 0;
}

}  // namespace ramoe
