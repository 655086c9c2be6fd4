// ramoe divergence: routing divergence by layer and language, and the alignment zone.
#include <cstdio>

#include "app/reports.h"
#include "ch07_divergence/language_gaps.h"
#include "runs/progress.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {

void DivergenceOptions::list(FieldList& f) {
  run.list(f);
  f.add("base", &base, "run folder of the base model");
  f.also("base", model_aliases());
  zone.list(f);
  f.add("names", &names, "emoji names per line of the general parallel text", {1, 16});
  answers.list(f);
  f.add("seed", &seed, "kept with the run; divergence draws nothing");
}

namespace {

void print_curve(const std::map<std::string, std::vector<double>>& by_language,
                 const std::vector<double>& mean, Zone zone) {
  std::printf("%-8s", "layer");
  for (std::size_t l = 0; l < mean.size(); ++l) std::printf("%7zu", l);
  for (const auto& [lang, curve] : by_language) {
    std::printf("\n%-8s", lang.c_str());
    for (const double value : curve) std::printf("%7.3f", value);
  }
  std::printf("\n%-8s", "mean");
  for (const double value : mean) std::printf("%7.3f", value);
  std::printf("\nalignment zone: layers %d to %d\n", zone.first, zone.last);
}

}  // namespace

void divergence_stage(const DivergenceOptions& options) {
  const Workers workers(options.run);
  BaseRun base = open_base(options.base, options.answers.stop);
  DeviceModel weights = load_weights(base, options.run.device, options.run.weights);
  DivergenceOptions o = options;
  RunFolder folder(o.run.run, run_facts("divergence", fields_of(o), o.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("divergence", texts_to_measure(*base.data, o.names));
  o.answers.watch = progress.watch();
  const LanguageGaps found = weights.with([&](auto& model) {
    return measure_gaps(model, base.prompts, *base.data, o.names, o.answers);
  });
  progress.finish();
  const Zone zone = find_zone(o.zone, found.mean);
  const ZoneCorrelation correlation = gap_correlation(found.tasks, zone);
  DivergenceResults results;
  results.by_language = {found.general.begin(), found.general.end()};
  results.mean = found.mean;
  results.texts = {found.texts.begin(), found.texts.end()};
  for (const TaskGap& task : found.tasks) {
    at_named(at_named(results.by_task, task.task), task.lang) = task.divergence;
    results.gaps.push_back({task.lang, task.task, task.gap});
  }
  results.zone = zone;
  results.zone_rule = name_of(o.zone.rule);
  results.u_shaped = is_u_shaped(found.mean, zone);
  results.correlation = {correlation.zone, correlation.outside,
                         static_cast<int>(correlation.points)};
  folder.write_results(to_json(results));
  print_curve(found.general, found.mean, zone);
  folder.close();
}

Zone read_zone(const std::string& divergence_run) {
  const std::string path = require_file(divergence_run, "results.json", "divergence");
  const Json divergence = read_json(path);
  const auto zone = JsonAt<Json>{path, "", divergence, "; run `ramoe divergence` again."}["zone"];
  return {zone["first"].whole(0), zone["last"].whole(0)};
}

int run_divergence(const Arguments& arguments) {
  return run_stage<DivergenceOptions>(
      arguments, "divergence", [](const DivergenceOptions& o, const FieldList& fields) {
        if (o.zone.rule == ZoneRule::curve)
          note_unused(fields, {"zone_begin", "zone_end"}, "zone=curve");
        note_unused(fields, {"seed"}, "divergence draws nothing");
        divergence_stage(o);
        Arguments next = {"--base=" + o.base, "--run=" + beside(o.run.run, "taxonomy")};
        for (const std::string& flag : flags_given(fields, keys_of<AnswerOptions>()))
          next.push_back(flag);
        say_end(cat("Curves, zone and gaps are in ", o.run.run, "/results.json."),
                command_line("taxonomy", next));
      });
}

}  // namespace ramoe
