// ramoe lesion: a copy of a base model whose routers are damaged on purpose.
#include "ch07_divergence/lesion.h"

#include <cmath>
#include <cstdio>

#include "app/model_folder.h"
#include "app/stages.h"
#include "ch07_divergence/language_gaps.h"
#include "ch12_experiments/evaluation.h"
#include "formats/checksum_list.h"
#include "runs/progress.h"
#include "support/error.h"
#include "support/json_keys.h"

namespace ramoe {

template <class Keys>
static void list(Keys& keys, const LayerLesion::Along& a) {
  keys("mean", a.mean, "deviation", a.deviation);
}

template <class Keys>
static void list(Keys& keys, const LayerLesion& l) {
  keys("layer", l.layer, "scale", l.scale, "prompts", l.prompts, "answers", l.answers, "english",
       l.english, "u", l.u);
}

namespace {

struct LesionOptions {
  RunOptions run{"runs/lesion"};
  std::string base = "runs/base";
  std::vector<std::string> tasks, languages;
  LesionConfig lesion;
  ZoneConfig zone;
  int names = 3;
  AnswerOptions answers;

  void list(FieldList& f) {
    run.list(f);
    f.add("base", &base, "run folder of the base model, by `ramoe pretrain`");
    f.also("base", model_aliases());
    f.add("tasks", &tasks,
          "tasks whose prompts show the direction; empty: all of the base model's");
    f.also("tasks", {"task"});
    f.add("languages", &languages,
          "target languages that are harmed; empty: all of the base model's");
    f.also("languages", language_aliases());
    lesion.list(f);
    zone.list(f);
    f.add("names", &names, "emoji names per line of the general parallel text", {1, 16});
    answers.list(f);
  }
};

/// Languages by code, both lists filled in and checked. Error: the data lack one.
void resolve_names(LesionOptions& o, const ParallelData& data) {
  for (std::string& lang : o.languages) {
    lang = data.language_code(lang);
    check(lang != english, "a lesion leaves English whole; expected --languages without English.");
  }
  for (const std::string& task : o.tasks) data.require_task(task);
  if (o.languages.empty()) o.languages = data.targets();
  if (o.tasks.empty()) o.tasks = data.tasks_by_name();
}

std::vector<TrainingSequence> sequences_of(const BaseRun& base, const LesionOptions& o,
                                           const std::vector<std::string>& languages) {
  CachedEncoder encoder(*base.tokenizer);
  std::vector<TrainingSequence> sequences;
  for (const std::string& lang : languages)
    for (const std::string& task : o.tasks)
      for (const Example& e : base.data->examples(lang, task, Split::adapt_train))
        sequences.push_back(base.prompts.example(encoder, e.question, e.answer));
  return sequences;
}

/// Accuracies on adapt_valid before and after, by language and task.
struct Accuracies {
  std::vector<Score> before, after;

  /// Their mean over the tasks.
  static double of(const std::vector<Score>& scores, const std::string& lang) {
    double sum = 0, tasks = 0;
    for (const Score& score : scores)
      if (score.lang == lang && score.n > 0) sum += score.accuracy, ++tasks;
    return tasks > 0 ? sum / tasks : std::nan("");
  }
};

Json to_json(const Accuracies& accuracies) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < accuracies.before.size(); ++i) {
    const Score &before = accuracies.before[i], &after = accuracies.after[i];
    rows.push_back({{"lang", before.lang},
                    {"task", before.task},
                    {"n", before.n},
                    {"before", number_or_null(before.accuracy)},
                    {"after", number_or_null(after.accuracy)}});
  }
  return rows;
}

void print_lesion(const std::vector<LayerLesion>& layers, const Accuracies& accuracies,
                  const std::vector<std::string>& languages, const LesionOptions& o) {
  if (o.lesion.form == LesionForm::language) {
    std::printf("d.h by kind of token, mean and deviation; 1 is moved by the whole strength\n");
    std::printf("%-6s %18s %18s %18s\n", "layer", "target prompts", "target answers", "English");
    for (const LayerLesion& l : layers)
      std::printf("%-6d %9.2f +- %5.2f %9.2f +- %5.2f %9.2f +- %5.2f\n", l.layer, l.prompts.mean,
                  l.prompts.deviation, l.answers.mean, l.answers.deviation, l.english.mean,
                  l.english.deviation);
  }
  std::printf("accuracy on adapt_valid, mean over %zu task%s\n%-6s %10s %10s\n", o.tasks.size(),
              o.tasks.size() == 1 ? "" : "s", "lang", "before", "after");
  for (const std::string& lang : languages)
    std::printf("%-6s %8.1f %% %8.1f %%\n", lang.c_str(),
                100 * Accuracies::of(accuracies.before, lang),
                100 * Accuracies::of(accuracies.after, lang));
}

void lesion_stage(LesionOptions o) {
  const Workers workers(o.run);
  BaseRun base = load_base(o.base, o.answers.stop);
  check(base.record.command != "import", o.base, " is an imported model; expected the run folder "
        "of a base model by `ramoe pretrain`.");
  resolve_names(o, *base.data);
  const std::vector<TrainingSequence> in_english = sequences_of(base, o, {english}),
                                      in_target = sequences_of(base, o, o.languages);
  const bool by_curve = o.zone.rule == ZoneRule::curve;
  const int L = base.config.moe_layer_count();
  Zone zone = by_curve ? Zone{0, L - 1} : zone_from_depth(L, o.zone.begin, o.zone.end);
  RunFolder folder(o.run.run, run_facts("lesion", fields_of(o), o.lesion.seed, base.facts()),
                   o.run.existing());
  std::vector<std::string> asked = {english};
  asked.insert(asked.end(), o.languages.begin(), o.languages.end());
  const EvaluationPlan plan{asked, o.tasks, Split::adapt_valid, o.answers};
  Accuracies accuracies;
  std::vector<LayerLesion> layers;
  on_device(o.run.device, *base.model, [&]<class T>(Model<T>& model) {
    const auto accuracy = [&] { return evaluate(model, base.prompts, *base.data, plan, {}); };
    accuracies.before = accuracy();
    if (by_curve)
      zone = find_zone(o.zone, general_curve(model, base.prompts, *base.data, o.names));
    TextProgress progress("lesion", std::size_t(zone.size()) *
                                        (in_english.size() + in_target.size()));
    layers = damage_routers(model, zone, in_english, in_target, o.lesion, progress.watch());
    progress.finish();
    accuracies.after = accuracy();
    as_floats(model, [&](const Model<float>& floats) {
      for (const std::string& copied :
           save_tuned_model(floats, base.model_folder, folder.file("model"),
                            base.prompts.format().eos, {}))
        folder.file("model/" + copied);
    });
  });
  folder.file(checksum_list_name);
  write_checksum_list(folder.path());
  folder.write_results({{"zone", {{"first", zone.first}, {"last", zone.last}}},
                        {"layers", JsonKeyWriter::written(layers)},
                        {"accuracies", to_json(accuracies)}});
  print_lesion(layers, accuracies, asked, o);
  folder.close();
}

}  // namespace

int run_lesion(const Arguments& arguments) {
  return run_stage<LesionOptions>(
      arguments, "lesion", [](const LesionOptions& o, const FieldList& fields) {
        if (o.zone.rule == ZoneRule::curve)
          note_unused(fields, {"zone_begin", "zone_end"}, "zone=curve");
        else
          note_unused(fields, {"names"}, "zone=depth");
        if (o.lesion.form == LesionForm::noise)
          note_unused(fields, {"guard", "span"}, "form=noise");
        else
          note_unused(fields, {"seed"}, "form=language");
        lesion_stage(o);
        say_end(cat("The damaged model is in ", o.run.run, "/model."),
                command_line("headroom", {"--base=" + o.run.run,
                                          "--run=" + beside(o.run.run, "headroom")}));
      });
}

}  // namespace ramoe
