// ramoe divergence: routing divergence by layer and language, and the alignment zone read off it.
#include "ch07_divergence/divergence.h"

#include <cmath>
#include <cstdio>
#include <iostream>

#include "app/stages.h"
#include "support/error.h"

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

/// The training pairs of a language and task, learning and validation part: what later stages may
/// see.
std::vector<ExamplePair> adapt_pairs(const ParallelData& data, const std::string& lang,
                                     const std::string& task) {
  std::vector<ExamplePair> pairs = data.pairs(lang, task, Split::adapt_train);
  const std::vector<ExamplePair> more = data.pairs(lang, task, Split::adapt_valid);
  pairs.insert(pairs.end(), more.begin(), more.end());
  return pairs;
}

/// Everything measured for one language and one kind of text.
struct Measured {
  std::vector<double> divergence;  // (L)
  double gap = 0;                  // English accuracy minus target accuracy on the same items
};

Measured measure_task(BaseRun& base, const std::string& lang, const std::string& task,
                      const AnswerOptions& options) {
  CachedEncoder encoder(*base.tokenizer);
  std::vector<std::vector<int>> english_prompts, target_prompts;
  std::vector<Example> english_side, target_side;
  for (const ExamplePair& pair : adapt_pairs(*base.data, lang, task)) {
    english_prompts.push_back(base.prompts.prompt(encoder, pair.english.question));
    target_prompts.push_back(base.prompts.prompt(encoder, pair.target.question));
    english_side.push_back(pair.english);
    target_side.push_back(pair.target);
  }
  const auto score = [&](const std::vector<Example>& examples) {
    return accuracy(answer_questions(*base.model, base.prompts, examples, options));
  };
  return {mean_divergence(sequence_routing(*base.model, english_prompts, {}, options.watch),
                          sequence_routing(*base.model, target_prompts, {}, options.watch)),
          score(english_side) - score(target_side)};
}

/// Every text that is routed or answered, each language's English sides too.
std::size_t texts_of(const ParallelData& data, int names) {
  std::size_t texts = 0;
  for (const std::string& lang : data.targets()) {
    texts += 2 * data.general_text(lang, names).size();
    for (const std::string& task : data.tasks_by_name())
      texts += 4 * adapt_pairs(data, lang, task).size();
  }
  return texts;
}

std::vector<double> measure_general(BaseRun& base, const std::string& lang, int names,
                                    const Watch& watch) {
  CachedEncoder encoder(*base.tokenizer);
  std::vector<std::vector<int>> english_lines, target_lines;
  for (const TextPair& line : base.data->general_text(lang, names)) {
    english_lines.push_back(base.prompts.text(encoder, line.english));
    target_lines.push_back(base.prompts.text(encoder, line.target));
  }
  return mean_divergence(sequence_routing(*base.model, english_lines, {}, watch),
                         sequence_routing(*base.model, target_lines, {}, watch));
}

double mean_over(const std::vector<double>& divergence, Zone zone, bool inside) {
  double sum = 0;
  int count = 0;
  for (int l = 0; l < static_cast<int>(divergence.size()); ++l)
    if (zone.contains(l) == inside) sum += divergence[std::size_t(l)], ++count;
  return count ? sum / count : std::nan("");
}

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
  const Workers workers(options.run.threads);
  BaseRun base = load_base(options.base, options.answers.stop);
  DivergenceOptions o = options;
  RunFolder folder(o.run.run, run_facts("divergence", fields_of(o), o.seed, base.facts()),
                   o.run.existing());
  TextProgress progress("divergence", texts_of(*base.data, o.names));
  o.answers.watch = progress.watch();
  const int L = base.model->config().moe_layer_count();
  std::map<std::string, std::vector<double>> by_language;
  Json by_task = Json::object(), gaps = Json::array(), texts = Json::object();
  std::vector<double> mean(std::size_t(L), 0.0), gap_values;
  std::vector<std::vector<double>> task_curves;
  const std::vector<std::string> targets = base.data->targets();
  for (const std::string& lang : targets) {
    std::vector<double>& curve = by_language[lang] =
        measure_general(base, lang, o.names, o.answers.watch);
    for (std::size_t l = 0; l < mean.size(); ++l) mean[l] += curve[l] / double(targets.size());
    texts[lang] = base.data->general_text(lang, o.names).size();
    for (const std::string& task : base.data->tasks_by_name()) {
      const Measured m = measure_task(base, lang, task, o.answers);
      by_task[task][lang] = m.divergence;
      gaps.push_back({{"lang", lang}, {"task", task}, {"gap", m.gap}});
      task_curves.push_back(m.divergence);
      gap_values.push_back(m.gap);
    }
  }
  progress.finish();
  const Zone zone = find_zone(o.zone, mean);
  std::vector<double> inside, outside;
  for (const std::vector<double>& curve : task_curves) {
    inside.push_back(mean_over(curve, zone, true));
    outside.push_back(mean_over(curve, zone, false));
  }
  Json languages = Json::object();
  for (const std::string& lang : targets) languages[lang] = by_language[lang];
  folder.write_results({{"by_language", languages},
                        {"mean", mean},
                        {"texts", texts},
                        {"by_task", by_task},
                        {"gaps", gaps},
                        {"zone", {{"first", zone.first}, {"last", zone.last}}},
                        {"zone_rule", name_of(o.zone.rule)},
                        {"u_shaped", is_u_shaped(mean, zone)},
                        {"correlation",
                         {{"zone", number_or_null(correlation(inside, gap_values))},
                          {"outside", number_or_null(correlation(outside, gap_values))},
                          {"points", gap_values.size()}}}});
  print_curve(by_language, mean, zone);
  folder.close();
}

int run_divergence(const Arguments& arguments) {
  return run_stage<DivergenceOptions>(
      arguments, "divergence", [](const DivergenceOptions& o, const FieldList& fields) {
        if (o.zone.rule == ZoneRule::curve) note_unused(fields, {"zone_begin", "zone_end"}, "zone=curve");
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
