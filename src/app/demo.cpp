// ramoe demo: the whole paper in small. Pre-train, draw the divergence curve, ask for headroom,
// classify, find experts, fine-tune by three methods over several seeds, compare, and put the
// results in words.
#include <atomic>
#include <iostream>
#include <mutex>

#include "app/demo_forecast.h"
#include "app/demo_plan.h"
#include "app/reports.h"
#include "ch12_experiments/comparison.h"
#include "ch12_experiments/evaluation.h"
#include "report/report.h"
#include "runs/interrupt.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {
namespace {

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
        const auto& [method, options] = plan.finetune[i];
        run_or_keep("finetune", options, options.seed, inputs.base.facts(),
                    [&](const FinetuneOptions& o) {
                      Model<float> model(inputs.base.model->config());
                      model.copy_values(*inputs.base.model);
                      finetune_stage(o, inputs, model, true, interrupt_requested);
                    });
        const std::lock_guard lock(mutex);
        progress.update(++done, options.language + " " + method);
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
  r.tasks = o.tasks_or_default();
  for (int seed = 1; seed <= o.seed_count(); ++seed) r.seeds.push_back(seed);
  r.base_accuracy = on_device(o.run.device, *inputs.base.model, [&](auto& model) {
    return evaluate(model, inputs.base.prompts, corpus,
                    {r.languages, corpus.tasks_by_name(), Split::test, plan.divergence.answers},
                    inputs.english_correct);
  });
  r.pretrain = loss_curve(plan.pretrain.run.run);
  r.divergence = stage_results<DivergenceResults>(plan.divergence.run.run);
  for (const HeadroomOptions& h : plan.headroom) {
    const std::string file = h.run.run + "/results.json";
    r.headroom.push_back(headroom_from(read_json(file), file));
  }
  r.taxonomy = stage_results<std::vector<TaxonomyRow>>(plan.taxonomy.run.run);
  r.experts = stage_results<std::vector<ExpertResults>>(plan.experts.run.run);
  std::vector<RunScores> runs;
  for (const auto& [method, f] : plan.finetune) {
    runs.push_back(stage_results<RunScores>(f.run.run));
    r.finetune.push_back(finetune_curve(f.run.run, f));
    runs.back().method = r.finetune.back().method = method;
    if (!f.keep_model) continue;
    const auto tuned = load_model(find_model_folder(f.run.run));
    for (RoutingTrace& trace : routing_traces(inputs, *tuned, f, r.tasks))
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

/// Error, before anything is changed, if the demo or one of its stages cannot have its folder.
void check_places(const DemoOptions& o, const DemoPlan& p) {
  o.run.check_place("demo");
  for (const auto& [folder, command] : stage_folders(p)) check_run_place(folder, command);
}

/// What the demo will do, in rows of text that a training step learns from or that are answered.
DemoWork work_of(const DemoOptions& o, const DemoPlan& p) {
  // For each language and task, counted in training rows of equal time: the texts of the stages
  // before fine-tuning, and those of a test after it. An untrained model ends its answers early.
  const double share = o.smoke() ? 0.3 : 1, tasks = double(o.tasks_or_default().size());
  const double languages = double(p.pretrain.corpus.languages.size());
  DemoWork work{.model = p.pretrain.model, .train = p.pretrain.train, .folder = o.run.run};
  work.rows = double(work.train.steps) * work.train.batch + 1700 * share * languages * tasks;
  for (const auto& [method, f] : p.finetune) {
    work.rows_of_run = double(f.train.steps) * f.train.batch + 300 * share * tasks;
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
  say("headroom: is routing what the languages lack (chapter 7, ours)");
  for (const HeadroomOptions& h : p.headroom)
    run_or_keep("headroom", h, p.pretrain.seed, facts, headroom_stage);
  say("stage 1: cc / ci / ic / ii (chapter 8)");
  run_or_keep("taxonomy", p.taxonomy, p.pretrain.seed, facts, taxonomy_stage);
  say("stage 2: task experts of each layer (chapter 9)");
  run_or_keep("experts", p.experts, p.pretrain.seed, facts, experts_stage);
  say("stage 3: SFT, RA-MoE, and an extension: aligned at the last token (chapters 10 to 12)");
  FinetuneInputs inputs = [&] {
    const Workers workers(o.run);
    return load_finetune_inputs(p.finetune.front().options);
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
  if (o.smoke()) note_unused(fields, {"seeds"}, "tier=smoke");
  const DemoPlan p = demo_plan(o);
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
