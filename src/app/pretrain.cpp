// ramoe pretrain: a base model from the language mixture.
#include <iostream>

#include "app/stages.h"
#include "ch05_training/interrupt.h"
#include "ch05_training/metrics.h"
#include "ch05_training/progress.h"
#include "ch06_languages/batches.h"
#include "ch06_languages/bpe_train.h"
#include "ch06_languages/tokenizer_json.h"
#include "support/error.h"

namespace ramoe {

PretrainOptions::PretrainOptions() {
  model.initializer_range = 0.07;  // about 0.6 / sqrt(C) at C = 64; 0.02 learns far slower there
  train.steps = 20000;
}

void PretrainOptions::list(FieldList& f) {
  run.list(f);
  f.add("seed", &seed, "seed of the initial weights and the order of batches");
  f.add("tokenizer_documents", &tokenizer_documents,
        "documents of the mixture that the tokenizer is trained on", {0, 1e8});
  f.add("question_targets", &question_targets,
        "whether questions are learnt as text too, not their answers alone");
  corpus.list(f);
  mixture.list(f);
  model.list(f);
  train.list(f);
}

namespace {

Json metrics_line(int step, const StepReport& report) {
  return {{"step", step},
          {"loss", report.loss},
          {"balance", report.balance},
          {"z_loss", report.z_loss},
          {"extra", report.extra},
          {"gradient_norm", report.gradient_norm},
          {"rate", report.rate},
          {"tokens", report.tokens}};
}

}  // namespace

void pretrain_stage(PretrainOptions o) {
  const Workers workers(o.run.threads);
  const Corpus corpus = load_corpus(o.corpus);
  const Mixture mixture(corpus, o.mixture);
  o.model.validate();
  RunFolder folder(o.run.run,
                   run_facts("pretrain", fields_of(o), o.seed, {{"corpus", corpus.checksum()}}),
                   o.run.existing());
  const std::string model_folder = folder.file("model"),
                    state = folder.file("training.safetensors");
  std::cerr << "training the tokenizer\n";
  const Tokenizer tokenizer =
      train_bpe(tokenizer_lines(mixture, o.tokenizer_documents), o.model.vocab_size);
  make_folder(model_folder);
  save_tokenizer(tokenizer, model_folder);
  ModelConfig config = o.model;
  config.vocab_size = tokenizer.vocab_size();  // less than asked for on little text
  config.bos_token_id = tokenizer.bos();
  config.eos_token_id = tokenizer.eos();
  config.pad_token_id = tokenizer.pad();

  Model<float> model(config, o.seed);
  Trainer trainer(model, o.train);
  if (folder.resumed() && std::filesystem::exists(state)) trainer.load_checkpoint(state);
  MixtureBatches batches(mixture, tokenizer, o.train.batch, o.train.accumulate, o.question_targets,
                         o.seed);
  MetricsFile metrics(folder.file("metrics.jsonl"),
                      trainer.steps_done() > 0 ? trainer.steps_done() : -1);
  Interrupt interrupt;
  double tokens_per_step = 0;
  Progress progress("pretrain", o.train.steps, trainer.steps_done());
  while (trainer.steps_done() < o.train.steps && !interrupt.requested()) {
    const std::int64_t at = std::int64_t{trainer.steps_done()} * o.train.accumulate;
    const StepReport report = trainer.step([&](int micro) { return batches.batch(at + micro); });
    const int step = trainer.steps_done();
    tokens_per_step = double(report.tokens);
    if (step % o.train.log_every == 0 || step == o.train.steps)
      metrics.append(metrics_line(step, report));
    char note[32];
    std::snprintf(note, sizeof note, "loss %.3f", report.loss);
    progress.update(step, note);
    if (step % o.train.save_every == 0 && step < o.train.steps) trainer.save_checkpoint(state);
  }
  trainer.save_checkpoint(state);
  if (trainer.steps_done() < o.train.steps) {
    folder.close("interrupted");
    fail("interrupted after step ", trainer.steps_done(), " of ", o.train.steps,
         "; everything is saved. Go on with: ramoe pretrain ... --run=", o.run.run,
         " --resume=true");
  }
  progress.finish();
  save_model(model, model_folder);
  const ParameterCount count = count_parameters(config);
  folder.write_results({{"steps", trainer.steps_done()},
                        {"parameters", count.total},
                        {"active_parameters", count.active},
                        {"tokens_per_step", tokens_per_step}});
  folder.close();
}

int run_pretrain(const Arguments& arguments) {
  return run_stage<PretrainOptions>(arguments, "pretrain", [](const PretrainOptions& options) {
    pretrain_stage(options);
    std::cout << "The base model is in " << options.run.run << "/model.\n";
  });
}

}  // namespace ramoe
