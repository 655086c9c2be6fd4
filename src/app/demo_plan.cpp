#include "app/demo_plan.h"

#include "support/error.h"

namespace ramoe {

void DemoOptions::list(FieldList& f) {
  run.list(f);
  f.add("tier", &tier, "small: minutes, the real demo; smoke: seconds, only shows that all works");
  f.add("data", &data, "folder of the language packs");
  f.add("model_type", &model_type, "router family of the base model");
  f.add("num_experts", &num_experts, "E, experts of a layer", {1, 4096});
  f.add("num_experts_per_tok", &num_experts_per_tok, "K, experts that a token visits", {1, 4096});
  f.add("moe_intermediate_size", &moe_intermediate_size, "H, width of an expert", {1, 1 << 20});
  f.add("tasks", &tasks, "tasks; empty: sums and facts, of smoke facts");
  f.add("answers", &form.answers, "language of the answers (ramoe pretrain --help)");
  f.add("numbers", &form.numbers, "how questions write numbers");
  f.add("languages", &languages,
        "English and targets, by code or name of a pack; empty: the seven, of smoke en,es,sw");
  f.also("languages", language_aliases());
  f.add("seeds", &seeds, "fine-tuning seeds per language and method", {1, 1000});
  f.add("steps", &steps, "pre-training steps; 0: the tier's", {0, 1e7});
  f.add("finetune_steps", &finetune_steps, "fine-tuning steps; 0: the tier's", {0, 1e6});
  f.add("lambda", &lambda,
        "weight of the alignment loss; of the extension, at the last prompt token, five times that",
        {0, 1e6});
  f.add("precision", &precision, "of the matrix products while training (ramoe pretrain --help)");
}

std::vector<std::string> DemoOptions::tasks_or_default() const {
  if (!tasks.empty()) return tasks;
  return smoke() ? std::vector<std::string>{"facts"} : std::vector<std::string>{"sums", "facts"};
}

namespace {

void set_pretrain(PretrainOptions& p, const DemoOptions& o) {
  p.model.model_type = o.model_type;
  p.model.set_family_defaults();
  p.model.vocab_size = 768;
  p.model.num_hidden_layers = 5;
  p.model.num_experts = o.num_experts;
  p.model.num_experts_per_tok = o.num_experts_per_tok;
  p.model.moe_intermediate_size = o.moe_intermediate_size;
  p.corpus.data = o.data;
  p.corpus.tasks = o.tasks_or_default();
  p.corpus.form = o.form;
  if (o.smoke()) p.corpus.languages = {"en", "es", "sw"};
  if (!o.languages.empty()) p.corpus.languages = o.languages;
  p.mixture.qa_share = 0.7;
  p.mixture.lexicon_share = 0.25;
  p.mixture.names_share = 0.05;
  p.train.steps = o.steps > 0 ? o.steps : o.smoke() ? 30 : 4000;
  p.train.batch = o.smoke() ? 16 : 48;
  p.train.learning_rate = 0.004;
  p.train.balance = 0.001;
  p.train.precision = o.precision;
}

void set_method(FinetuneOptions& f, const std::string& method, const DemoOptions& o) {
  f.method = method == "sft" ? Method::sft : Method::ramoe;
  f.alignment.lambda = o.lambda;
  if (method != "ramoe-last") return;
  f.alignment.span = AlignedTokens::last;
  f.alignment.examples = AlignedExamples::all;
  f.alignment.lambda = 5 * o.lambda;
}

}  // namespace

DemoPlan demo_plan(const DemoOptions& o) {
  DemoPlan p;
  const auto place = [&](RunOptions& run, const std::string& name) {
    run = o.run;
    run.overwrite = false;
    run.run = o.run.run + "/" + name;
  };
  set_pretrain(p.pretrain, o);
  place(p.pretrain.run, "base");
  place(p.divergence.run, "divergence");
  place(p.taxonomy.run, "taxonomy");
  place(p.experts.run, "experts");
  const std::string base = p.pretrain.run.run;
  p.divergence.base = p.taxonomy.base = p.experts.base = base;
  for (const RoutingForm form : {RoutingForm::seq, RoutingForm::last}) {
    HeadroomOptions& h = p.headroom.emplace_back();
    place(h.run, "headroom-" + name_of(form));
    h.base = base;
    h.headroom.form = form;
    if (!o.smoke()) continue;
    h.headroom.items = 8;
    h.zone.rule = ZoneRule::depth;  // the curve again is most of the time there
  }
  for (const std::string& lang : p.pretrain.corpus.languages)
    for (int seed = 1; lang != english && seed <= o.seed_count(); ++seed)
      for (const char* method : {"sft", "ramoe", "ramoe-last"}) {
        FinetuneOptions f;
        place(f.run, cat("finetune-", lang, "-", method, "-", seed));
        f.run.threads = 1;
        f.base = base;
        f.divergence_run = p.divergence.run.run;
        f.taxonomy_run = p.taxonomy.run.run;
        f.experts_run = p.experts.run.run;
        f.language = lang;
        set_method(f, method, o);
        f.seed = static_cast<std::uint64_t>(seed);
        f.keep_model = std::string(method) == "ramoe" && seed == 1;  // for the routing of a pair
        f.train.steps = o.finetune_steps > 0 ? o.finetune_steps : o.smoke() ? 6 : 60;
        f.train.learning_rate = 1e-3;  // of SFT on adapt_valid: docs/decisions.md
        f.train.log_every = o.smoke() ? 1 : 10;
        f.train.precision = o.precision;
        p.finetune.push_back({method, f});
      }
  return p;
}

std::vector<std::pair<std::string, std::string>> stage_folders(const DemoPlan& p) {
  std::vector<std::pair<std::string, std::string>> all = {{p.pretrain.run.run, "pretrain"},
                                                          {p.divergence.run.run, "divergence"}};
  for (const HeadroomOptions& h : p.headroom) all.emplace_back(h.run.run, "headroom");
  all.emplace_back(p.taxonomy.run.run, "taxonomy");
  all.emplace_back(p.experts.run.run, "experts");
  for (const DemoRun& run : p.finetune) all.emplace_back(run.options.run.run, "finetune");
  return all;
}

}  // namespace ramoe
