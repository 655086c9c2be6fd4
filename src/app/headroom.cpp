// ramoe headroom: whether routing is what holds the target languages back, before any fine-tuning.
#include <cstdio>
#include <iostream>
#include <set>

#include "app/reports.h"
#include "app/stages.h"
#include "ch06_languages/switched.h"
#include "ch07_divergence/language_gaps.h"
#include "ch12_experiments/headroom_results.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {

void HeadroomOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  f.add("tasks", &tasks, "tasks; empty: all of the base model's");
  f.also("tasks", {"task"});
  f.add("languages", &languages, "target languages; empty: all of the base model's");
  f.also("languages", language_aliases());
  f.add("split", &split,
        "which pairs; not test: what to try is chosen by headroom, and whoever chooses on test "
        "has nothing left to judge the choice by",
        {.choices = {"adapt_train", "adapt_valid", "test"}});
  headroom.list(f);
  zone.list(f);
  f.add("names", &names, "emoji names per line of the general parallel text", {1, 16});
  f.add("switched", &switched,
        "also ask English frames with target names, and the other way (built-in tasks alone)");
}

namespace {

/// One task and language with its pairs.
struct CellPairs {
  std::string lang, task;
  std::vector<ExamplePair> pairs;
};

/// The cells in the order of the table; a task that a language lacks is reported and left out.
std::vector<CellPairs> cells_of(const HeadroomOptions& o, const ParallelData& data) {
  std::vector<CellPairs> cells;
  for (const std::string& task : o.tasks.empty() ? data.tasks_by_name() : o.tasks)
    for (const std::string& lang : o.languages.empty() ? data.targets() : o.languages) {
      CellPairs cell{lang, task, data.pairs(lang, task, o.split)};
      if (o.headroom.items > 0 && cell.pairs.size() > std::size_t(o.headroom.items))
        cell.pairs.resize(std::size_t(o.headroom.items));
      if (cell.pairs.empty()) {
        std::cerr << task << " has no pairs of " << lang << " in " << name_of(o.split)
                  << "; left out\n";
        continue;
      }
      check(cell.pairs.size() > 1 || o.headroom.control == RoutingControl::mean, task, " has ",
            cell.pairs.size(), " pair of ", lang, " in ", name_of(o.split),
            ", and headroom compares it with another one; expected at least 2, or --control=mean.");
      cells.push_back(std::move(cell));
    }
  check(!cells.empty(), "there is no pair to measure headroom with in ", name_of(o.split),
        "; expected another --split, --tasks or --languages.");
  return cells;
}

/// Languages by code, and both lists checked. Error: the data lack one; English is no target.
void resolve_names(HeadroomOptions& o, const ParallelData& data) {
  for (std::string& lang : o.languages) {
    lang = data.language_code(lang);
    check(lang != english, "headroom compares target languages with English; expected --languages ",
          "without English.");
  }
  for (const std::string& task : o.tasks) data.require_task(task);
}

/// The corpus if the tasks are built in and switched questions are wanted; else nullptr.
const Corpus* switched_corpus(const HeadroomOptions& o, const ParallelData& data) {
  return o.switched ? dynamic_cast<const Corpus*>(&data) : nullptr;
}

bool needs_zone(const HeadroomOptions& o) {
  return o.headroom.layers != ForcedLayers::all;
}
bool needs_curve(const HeadroomOptions& o) {
  return needs_zone(o) && o.zone.rule == ZoneRule::curve;
}

std::size_t texts_to_read(const HeadroomOptions& o, const ParallelData& data,
                          const std::vector<CellPairs>& cells) {
  std::size_t texts = needs_curve(o) ? general_texts(data, o.names) : 0;
  std::set<std::string> english_items;
  for (const CellPairs& cell : cells) {
    for (const ExamplePair& pair : cell.pairs) english_items.insert(pair.english.id);
    texts += cell.pairs.size() * (switched_corpus(o, data) ? 5 : 3);
  }
  return texts + english_items.size();
}

/// The share of switched questions that are right.
template <class T>
double switched_accuracy(RoutingOracle<T>& oracle, const Corpus& corpus, const CellPairs& cell,
                         bool english_frame) {
  std::vector<Example> examples;
  for (const ExamplePair& pair : cell.pairs)
    examples.push_back(english_frame
                           ? switched_example(corpus, pair.english.id, english, cell.lang)
                           : switched_example(corpus, pair.english.id, cell.lang, english));
  std::vector<double> right;
  for (const bool one : oracle.right(examples)) right.push_back(one);
  return mean(right);
}

template <class T>
HeadroomResults measure(Model<T>& model, const HeadroomOptions& o, const BaseRun& base,
                        const std::vector<CellPairs>& cells, const Watch& watch) {
  const int L = model.config().moe_layer_count();
  Zone zone{0, L - 1};
  if (needs_curve(o))
    zone = find_zone(o.zone, general_curve(model, base.prompts, *base.data, o.names, watch));
  else if (needs_zone(o))
    zone = zone_from_depth(L, o.zone.begin, o.zone.end);
  const std::vector<bool> forced = forced_layers(o.headroom.layers, zone, L);
  RoutingOracle<T> oracle(model, base.prompts, o.headroom, forced, watch);
  HeadroomResults results;
  std::vector<std::vector<OracleItem>> items;
  for (const CellPairs& cell : cells) {
    items.push_back(oracle.measure(cell.pairs));
    results.cells.push_back(headroom_cell(cell.lang, cell.task, items.back()));
    if (const Corpus* corpus = switched_corpus(o, *base.data)) {
      results.cells.back().english_frame = switched_accuracy(oracle, *corpus, cell, true);
      results.cells.back().target_frame = switched_accuracy(oracle, *corpus, cell, false);
    }
  }
  results.model = o.base;
  results.form = name_of(o.headroom.form);
  results.layers = name_of(o.headroom.layers);
  results.control = name_of(o.headroom.control);
  results.split = name_of(o.split);
  for (int l = 0; l < L; ++l)
    if (forced[std::size_t(l)]) results.forced.push_back(l);
  if (o.headroom.form == RoutingForm::seq) results.farthest = oracle.farthest();
  for (const std::string& lang : base.data->targets())
    results.language_names.emplace_back(lang, language_name(*base.data, lang));
  weigh_headroom(results, items);
  return results;
}

/// Accuracies of switched questions by task, or why there are none.
void print_switched(const HeadroomOptions& o, const HeadroomResults& results,
                    const ParallelData& data) {
  if (!switched_corpus(o, data)) {
    if (o.switched)
      std::printf("Frames and names cannot be told apart in imported data: not measured.\n");
    return;
  }
  std::vector<std::string> tasks;
  for (const HeadroomCell& cell : results.cells) add_once(tasks, cell.task);
  for (const std::string& task : tasks) {
    std::vector<double> in_english, base, english_frame, target_frame;
    for (const HeadroomCell& cell : results.cells) {
      if (cell.task != task) continue;
      in_english.push_back(cell.english);
      base.push_back(cell.base);
      english_frame.push_back(cell.english_frame);
      target_frame.push_back(cell.target_frame);
    }
    std::printf(
        "%-8s English %.1f %%, with target names %.1f %%; target language %.1f %%, with "
        "English names %.1f %%\n",
        task.c_str(), 100 * mean(in_english), 100 * mean(english_frame), 100 * mean(base),
        100 * mean(target_frame));
  }
}

}  // namespace

void headroom_stage(HeadroomOptions o) {
  const Workers workers(o.run);
  BaseRun base = open_base(o.base);
  resolve_names(o, *base.data);
  const std::vector<CellPairs> cells = cells_of(o, *base.data);
  DeviceModel weights = load_weights(base, o.run.device, o.run.weights);
  RunFolder folder(o.run.run, run_facts("headroom", fields_of(o), base.record.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("headroom", texts_to_read(o, *base.data, cells));
  const HeadroomResults results =
      weights.with([&](auto& model) { return measure(model, o, base, cells, progress.watch()); });
  progress.finish();
  folder.write_results(to_json(results));
  std::printf("%s", headroom_table_text(results).c_str());
  print_switched(o, results, *base.data);
  if (o.headroom.form == RoutingForm::seq && results.farthest > o.headroom.match.tolerance)
    std::printf("The mean routing came within %.2g of the English one, not %.2g: see --rounds.\n",
                results.farthest, o.headroom.match.tolerance);
  std::printf("%s\n", results.words.c_str());
  folder.close();
}

int run_headroom(const Arguments& arguments) {
  return run_stage<HeadroomOptions>(
      arguments, "headroom", [](const HeadroomOptions& o, const FieldList& fields) {
        if (!needs_zone(o))
          note_unused(fields, {"zone", "zone_begin", "zone_end", "names"}, "layers=all");
        else if (o.zone.rule == ZoneRule::curve)
          note_unused(fields, {"zone_begin", "zone_end"}, "zone=curve");
        else
          note_unused(fields, {"names"}, "zone=depth");
        if (o.headroom.form != RoutingForm::seq)
          note_unused(fields, {"rounds", "tolerance"}, "form=" + name_of(o.headroom.form));
        headroom_stage(o);
        say_end(cat("All numbers are in ", o.run.run, "/results.json."),
                command_line("report", {o.run.run}));
      });
}

}  // namespace ramoe
