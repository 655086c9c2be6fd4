// ramoe experiment merge: the results of several folders or files, in one folder.
#include <filesystem>
#include <iostream>
#include <set>

#include "app/experiment_folder.h"
#include "app/experiment_run.h"
#include "ch12_experiments/grid_results.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// One source of a merge: the folder of an experiment, or the files that --collect wrote.
struct Source {
  std::string path;
  Json facts;
  std::map<std::string, Json> records;  // by id
  bool is_folder = true;

  int seeds() const { return facts["plan"].value("seeds", 0); }
};

/// The records of <plan>.jsonl beside <plan>.json.
std::map<std::string, Json> collected_records(const std::string& path) {
  const std::string lines_path = std::filesystem::path(path).replace_extension(".jsonl").string();
  std::map<std::string, Json> records;
  for (Json& record : read_record_lines(lines_path)) {
    const std::string id = record["id"].get<std::string>();
    records.emplace(id, std::move(record));
  }
  return records;
}

Source read_source(const std::string& path) {
  const auto still = hold_still(path);
  Source source{path, {}, {}, !path.ends_with(".json")};
  const std::string file = source.is_folder ? path + "/experiment.json" : path;
  source.facts = source.is_folder ? read_facts(path) : read_json(path);
  check_facts(source.facts, file);
  if (source.is_folder)
    source.records = read_records(path, all_record_ids(grid_plan(source.facts["plan"], file)));
  else
    source.records = collected_records(path);
  // What the stages found comes from the files of the folder, or from the collected facts.
  source.facts["stages"] = stages_of(source.is_folder ? path : "", source.facts);
  return source;
}

/// The source with the most seeds. Error: another source must not be mixed with it.
const Source& check_alike(const std::vector<Source>& sources) {
  const Source* best = &sources[0];
  for (const Source& other : sources) {
    const bool fewer = other.seeds() <= best->seeds();
    const Source &less = fewer ? other : *best, &more = fewer ? *best : other;
    const std::string different =
        facts_differences({less.facts, "in " + less.path}, {more.facts, "in " + more.path}, true);
    check(different.empty(), "results of ", best->path, " and ", other.path, " must not be mixed (",
          different, "). Nothing was merged.");
    best = &more;
  }
  return *best;
}

/// Everything but the time must be the same in all sources.
Json without_seconds(Json record) {
  record.erase("seconds");
  return record;
}

void check_same(const Json& a, const Json& b, const std::string& what, const Source& first,
                const Source& second) {
  check(a == b, what, " of ", first.path, " and of ", second.path,
        " contradict each other, though the same code and data give the same bits; one of them is "
        "damaged. Nothing was merged.");
}

/// The first source of each record, by id. Error: two sources contradict each other.
std::map<std::string, const Source*> unite_records(const std::vector<Source>& sources,
                                                   const std::set<std::string>& ids) {
  std::map<std::string, const Source*> where;
  for (const Source& source : sources)
    for (const auto& [id, record] : source.records) {
      if (!ids.contains(id)) continue;
      const auto [known, is_new] = where.emplace(id, &source);
      if (!is_new)
        check_same(without_seconds(known->second->records.at(id)), without_seconds(record), id,
                   *known->second, source);
    }
  return where;
}

/// What the stages of all sources found, by model and stage. Error: two sources contradict each
/// other.
Json unite_stages(const std::vector<Source>& sources) {
  Json all = Json::object();
  std::map<std::string, const Source*> where;
  for (const Source& source : sources)
    for (const auto& [model, stages] : source.facts["stages"].items())
      for (const auto& [name, found] : stages.items()) {
        const std::string key = "stage " + model + "/" + name;
        const auto [known, is_new] = where.emplace(key, &source);
        if (!is_new) check_same(all[model][name], found, key, *known->second, source);
        all[model][name] = found;
      }
  return all;
}

/// Copies the run folders of stages that `into` lacks. Stages without one run again when needed.
void copy_stages(const Source& source, const std::string& into, const GridPlan& plan) {
  for (const std::string& model : plan.models)
    for (const char* name : stage_names) {
      const std::string place = "/stages/" + model + "/" + name;
      const std::string from = source.path + place, to = into + place;
      if (!source.is_folder || !std::filesystem::exists(from + "/results.json") ||
          std::filesystem::exists(to + "/results.json"))
        continue;
      make_folder(to);
      FileLock lock(into + "/stages/" + model + "/lock");
      lock.lock();
      check_run_place(to, name);
      for (const auto& entry : std::filesystem::directory_iterator(from))
        if (const std::string file = entry.path().filename().string();
            entry.is_regular_file() && file != "results.json" && file != "run.lock")
          write_file(to + "/" + file, read_file(entry.path().string()));
      // Written last: it marks the stage as finished.
      write_file(to + "/results.json", read_file(from + "/results.json"));
    }
}

}  // namespace

int merge_experiments(const Arguments& arguments) {
  std::string into;
  std::vector<std::string> from;
  for (const std::string& argument : arguments)
    if (argument == "--help" || argument == "-h") {
      std::cout << "ramoe experiment merge --into=FOLDER A B ...\n\nCopies the results of A, B, "
                   "... into FOLDER: folders of experiments, or <plan>.json with\n<plan>.jsonl "
                   "beside it, as --collect writes them.\n";
      return 0;
    } else if (argument.starts_with("--into=")) {
      into = argument.substr(7);
    } else {
      check(!argument.starts_with("-"), argument,
            " was not understood; expected `ramoe experiment merge --into=FOLDER A B ...`.");
      from.push_back(argument);
    }
  check(!into.empty() && !from.empty(),
        "expected `ramoe experiment merge --into=FOLDER A B ...`: where to, and of what.");
  std::vector<Source> sources;
  if (std::filesystem::exists(into + "/experiment.json")) sources.push_back(read_source(into));
  for (const std::string& path : from) sources.push_back(read_source(path));
  const Source& best = check_alike(sources);
  const GridPlan plan = grid_plan(best.facts["plan"], best.path + ": plan");
  const std::vector<std::string> ids = all_record_ids(plan);
  const auto records = unite_records(sources, {ids.begin(), ids.end()});
  Json facts = best.facts;
  for (const char* key : {"chosen", "chosen_strengths", "cost", "finished"}) facts.erase(key);
  facts["stages"] = unite_stages(sources);

  const ExperimentFolder target(into, facts, false, {"merge", "", "a merge"});
  for (const Source& source : sources) copy_stages(source, into, plan);
  std::size_t fresh = 0;
  for (const auto& [id, source] : records)
    if (source->path != into) {
      target.write(source->records.at(id));
      ++fresh;
    }
  const Json summary = target.write_summary(plan);
  std::cout << into << ": " << fresh << " new records, " << records.size() << " of " << ids.size()
            << " in all" << (summary["finished"].get<bool>() ? "; the grid is finished\n" : "\n");
  return 0;
}

}  // namespace ramoe
