// ramoe demo: the whole paper in small. Pre-train, draw the divergence curve, classify, find
// experts, fine-tune with SFT and with RA-MoE over several seeds, compare, and put the results in
// words.
#include <atomic>
#include <iostream>
#include <mutex>

#include "app/demo_forecast.h"
#include "app/reports.h"
#include "ch12_experiments/comparison.h"
#include "ch12_experiments/evaluation.h"
#include "report/report.h"
#include "runs/interrupt.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {
namespace {

struct DemoOptions {
  RunOptions run{"runs/demo"};
  std::string tier = "small", data = "data";
  Family model_type = Family::olmoe;
  std::vector<std::string> tasks = {"facts", "follow"}, languages;
  TaskForm form;
  int seeds = 3;
  int steps = 0, finetune_steps = 0;
  double lambda = 1;
  Precision precision = Precision::fp32;

  void list(FieldList& f) {
    run.list(f);
    f.add("tier", &tier, "small: minutes, the real demo; smoke: seconds, only shows that all works",
          {.choices = {"small", "smoke"}});
    f.add("data", &data, "folder of the language packs");
    f.add("model_type", &model_type, "router family of the base model");
    f.add("tasks", &tasks, "tasks; sums takes far longer to learn (make base-models)");
    f.add("answers", &form.answers, "language of the answers (ramoe pretrain --help)");
    f.add("numbers", &form.numbers, "how questions write numbers");
    f.add("languages", &languages,
          "English and targets, by code or name of a pack; empty: the seven, of smoke en,es,sw");
    f.also("languages", language_aliases());
    f.add("seeds", &seeds, "fine-tuning seeds per language and method", {1, 1000});
    f.add("steps", &steps, "pre-training steps; 0: the tier's", {0, 1e7});
    f.add("finetune_steps", &finetune_steps, "fine-tuning steps; 0: the tier's", {0, 1e6});
    f.add("lambda", &lambda, "weight of the alignment loss", {0, 1e6});
    f.add("precision", &precision, "of the matrix products while training (ramoe pretrain --help)");
  }
};

/// Fine-tuning seeds 1 to this number.
int seed_count(const DemoOptions& o) {
  return o.tier == "smoke" ? 1 : o.seeds;
}

/// The options of every stage, in subfolders of the demo's folder.
struct DemoPlan {
  PretrainOptions pretrain;
  DivergenceOptions divergence;
  TaxonomyOptions taxonomy;
  ExpertsOptions experts;
  std::vector<FinetuneOptions> finetune;
};

DemoPlan plan(const DemoOptions& o) {
  const bool smoke = o.tier == "smoke";
  DemoPlan p;
  const auto place = [&](RunOptions& run, const std::string& name) {
    run = o.run;
    run.overwrite = false;
    run.run = o.run.run + "/" + name;
  };
  place(p.pretrain.run, "base");
  p.pretrain.model.model_type = o.model_type;
  p.pretrain.model.set_family_defaults();
  p.pretrain.corpus.data = o.data;
  p.pretrain.corpus.tasks = o.tasks;
  p.pretrain.corpus.form = o.form;
  p.pretrain.mixture.qa_share = 0.7;
  p.pretrain.mixture.lexicon_share = 0.25;
  p.pretrain.mixture.names_share = 0.05;
  p.pretrain.mixture.sums_share = 1;
  p.pretrain.train.steps = o.steps > 0 ? o.steps : smoke ? 30 : 2300;
  p.pretrain.train.batch = smoke ? 16 : 64;
  p.pretrain.train.precision = o.precision;
  if (smoke) p.pretrain.corpus.languages = {"en", "es", "sw"};
  if (!o.languages.empty()) p.pretrain.corpus.languages = o.languages;
  place(p.divergence.run, "divergence");
  place(p.taxonomy.run, "taxonomy");
  place(p.experts.run, "experts");
  const std::string base = p.pretrain.run.run;
  p.divergence.base = p.taxonomy.base = p.experts.base = base;
  for (const std::string& lang : p.pretrain.corpus.languages)
    for (int seed = 1; lang != english && seed <= seed_count(o); ++seed)
      for (const char* method : {"sft", "ramoe"}) {
        FinetuneOptions f;
        place(f.run, cat("finetune-", lang, "-", method, "-", seed));
        f.run.threads = 1;
        f.base = base;
        f.divergence_run = p.divergence.run.run;
        f.taxonomy_run = p.taxonomy.run.run;
        f.experts_run = p.experts.run.run;
        f.language = lang;
        f.method = from_name<Method>(method, "method");
        f.seed = static_cast<std::uint64_t>(seed);
        f.keep_model = f.method == Method::ramoe && seed == 1;  // for the routing of a pair
        f.train.steps = o.finetune_steps > 0 ? o.finetune_steps : smoke ? 6 : 100;
        f.train.log_every = smoke ? 1 : 10;
        f.train.precision = o.precision;
        f.alignment.lambda = o.lambda;
        p.finetune.push_back(f);
      }
  return p;
}

/// All fine-tuning runs, one thread each, side by side.
void finetune_all(const DemoPlan& plan, const FinetuneInputs& inputs, int threads) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  std::int64_t done = 0;
  Progress progress("fine-tuning runs", static_cast<std::int64_t>(plan.finetune.size()));
  const auto work = [&] {
    const StopScope scope(interrupt_flag());
    for (std::size_t i; (i = next++) < plan.finetune.size() && !interrupt_requested();) try {
        const FinetuneOptions& options = plan.finetune[i];
        run_or_keep("finetune", options, options.seed, inputs.base.facts(),
                    [&](const FinetuneOptions& o) {
                      Model<float> model(inputs.base.model->config());
                      model.copy_values(*inputs.base.model);
                      finetune_stage(o, inputs, model, true, interrupt_requested);
                    });
        const std::lock_guard lock(mutex);
        progress.update(++done, options.language + " " + name_of(options.method));
      } catch (const Interrupted&) {
        return;
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = plan.finetune.size();
      }
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);
  stop_point();
  progress.finish();
}

RunResults collect(const DemoOptions& o, const DemoPlan& plan, FinetuneInputs& inputs) {
  const Corpus corpus = load_corpus(plan.pretrain.corpus);
  RunResults r;
  r.model = model_facts(inputs.base.model->config());
  for (const LanguagePack& pack : corpus.packs()) {
    r.languages.push_back(pack.code);
    r.language_names.emplace_back(pack.code, pack.english_name);
    r.web_share.emplace_back(pack.code, pack.web_share);
  }
  r.tasks = o.tasks;
  for (int seed = 1; seed <= seed_count(o); ++seed) r.seeds.push_back(seed);
  r.base_accuracy = on_device(o.run.device, *inputs.base.model, [&](auto& model) {
    return evaluate(model, inputs.base.prompts, corpus,
                    {r.languages, corpus.tasks_by_name(), Split::test, plan.divergence.answers},
                    inputs.english_correct);
  });
  r.pretrain = loss_curve(plan.pretrain.run.run);
  r.divergence = stage_results<DivergenceResults>(plan.divergence.run.run);
  r.taxonomy = stage_results<std::vector<TaxonomyRow>>(plan.taxonomy.run.run);
  r.experts = stage_results<std::vector<ExpertResults>>(plan.experts.run.run);
  std::vector<RunScores> runs;
  for (const FinetuneOptions& f : plan.finetune) {
    runs.push_back(stage_results<RunScores>(f.run.run));
    r.finetune.push_back(finetune_curve(f.run.run, f));
    if (!f.keep_model) continue;
    const auto tuned = load_model(find_model_folder(f.run.run));
    for (RoutingTrace& trace : routing_traces(inputs, *tuned, f, o.tasks))
      r.routing.push_back(std::move(trace));
  }
  compare_methods(r, runs);
  r.run = {{"command", "demo"},
           {"finished", utc_now()},
           {"build", read_run(plan.pretrain.run.run, "pretrain").record.value("build", Json())}};
  return r;
}

void say(const std::string& title) {
  std::cout << "\n== " << title << "\n" << std::flush;
}

/// The run folder and command of every stage.
std::vector<std::pair<std::string, std::string>> stage_folders(const DemoPlan& p) {
  std::vector<std::pair<std::string, std::string>> all = {{p.pretrain.run.run, "pretrain"},
                                                          {p.divergence.run.run, "divergence"},
                                                          {p.taxonomy.run.run, "taxonomy"},
                                                          {p.experts.run.run, "experts"}};
  for (const FinetuneOptions& f : p.finetune) all.emplace_back(f.run.run, "finetune");
  return all;
}

/// Error, before anything is changed, if the demo or one of its stages cannot have its folder.
void check_places(const DemoOptions& o, const DemoPlan& p) {
  o.run.check_place("demo");
  for (const auto& [folder, command] : stage_folders(p)) check_run_place(folder, command);
}

/// What the demo will do, in rows of text that a training step learns from or that are answered.
DemoWork work_of(const DemoOptions& o, const DemoPlan& p) {
  // For each language and task, counted in training rows of equal time: the texts of the stages
  // before fine-tuning, and those of a test after it. An untrained model ends its answers early.
  const double share = o.tier == "smoke" ? 0.3 : 1, tasks = double(o.tasks.size());
  const double languages = double(p.pretrain.corpus.languages.size());
  DemoWork work{.model = p.pretrain.model, .train = p.pretrain.train, .folder = o.run.run};
  work.rows = double(work.train.steps) * work.train.batch + 1700 * share * languages * tasks;
  for (const FinetuneOptions& f : p.finetune) {
    work.rows_of_run = double(f.train.steps) * f.train.batch + 800 * share * tasks;
    work.runs += 1;
    work.kept_models += f.keep_model ? 1 : 0;
  }
  return work;
}

void run_all(DemoOptions o, const DemoPlan& p) {
  const Json corpus = {{"corpus", load_corpus(p.pretrain.corpus).checksum()}};
  // The demo's own folder only records the request; the stages have folders inside it.
  OnExisting existing = o.run.existing();
  if (existing == OnExisting::refuse && std::filesystem::exists(o.run.run + "/run.json"))
    existing = OnExisting::resume;
  RunFolder folder(o.run.run, run_facts("demo", fields_of(o), 1, corpus), existing);
  // Remove all of them first: what a kill then leaves belongs to this demo and can be resumed.
  if (o.run.overwrite)
    for (const auto& [stage, command] : stage_folders(p)) remove_run(stage);
  const int threads = [&] { return Workers(o.run.threads).threads(); }();
  DemoWork work = work_of(o, p);
  work.again = folder.resumed();
  std::cout << forecast(work, o.run.device, threads) << std::flush;
  say("pre-training a base model on several languages by web share");
  run_or_keep("pretrain", p.pretrain, p.pretrain.seed, corpus, pretrain_stage);
  say("routing divergence from English by layer (chapter 7)");
  const Json facts = load_base(p.pretrain.run.run).facts();
  run_or_keep("divergence", p.divergence, p.divergence.seed, facts, divergence_stage);
  say("stage 1: cc / ci / ic / ii (chapter 8)");
  run_or_keep("taxonomy", p.taxonomy, p.pretrain.seed, facts, taxonomy_stage);
  say("stage 2: task experts of each layer (chapter 9)");
  run_or_keep("experts", p.experts, p.pretrain.seed, facts, experts_stage);
  say("stage 3: SFT and RA-MoE (chapters 10 to 12)");
  FinetuneInputs inputs = [&] {
    const Workers workers(o.run);
    return load_finetune_inputs(p.finetune.front());
  }();
  finetune_all(p, inputs, threads);
  const Workers workers(o.run);
  const RunResults results = collect(o, p, inputs);
  folder.write_results(to_json(results));
  write_report(folder.file("report.html"), results);
  say("accuracy on the test split");
  std::cout << accuracy_table_text(results) << "\n";
  for (const std::string& sentence : results.words) std::cout << sentence << "\n";
  folder.close();
}

}  // namespace

int run_demo(const Arguments& arguments) {
  DemoOptions o;
  FieldList fields = fields_of(o);
  if (!read_arguments(fields, arguments, "demo")) return 0;
  if (!o.languages.empty()) o.languages = language_codes(o.data, o.languages);
  if (o.tier == "smoke") note_unused(fields, {"seeds"}, "tier=smoke");
  const DemoPlan p = plan(o);
  check(!p.finetune.empty(),
        "the demo needs a target language beside English, such as --languages=en,sw.");
  check_places(o, p);
  try {
    run_all(o, p);
  } catch (const Interrupted&) {
    throw Interrupted("interrupted; what is done is kept. " +
                      RunOptions::how_to_go_on(o.run.overwrite));
  }
  std::cout << "\nThe report is " << o.run.run << "/report.html, the numbers are " << o.run.run
            << "/results.json.\n";
  return 0;
}

}  // namespace ramoe
