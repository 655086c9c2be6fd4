// ramoe pretrain: a base model from the language mixture.
#include <iostream>

#include "app/pretrain_checks.h"
#include "app/stages.h"
#include "app/training_files.h"
#include "ch06_languages/batches.h"
#include "ch06_languages/bpe_train.h"
#include "formats/checksum_list.h"
#include "formats/tokenizer_json.h"
#include "runs/interrupt.h"
#include "runs/progress.h"
#include "support/error.h"

namespace ramoe {

PretrainOptions::PretrainOptions() {
  model.initializer_range = 0.07;  // about 0.6 / sqrt(C) at C = 64; 0.02 learns much slower there
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

template <class T>
void pretrain_on(PretrainOptions o) {
  const Workers workers(o.run);
  const Corpus corpus = load_corpus(o.corpus);
  const Mixture mixture(corpus, o.mixture);
  o.model.validate();
  check_pretrain_sizes(o);
  RunFolder folder(o.run.run,
                   run_facts("pretrain", fields_of(o), o.seed, {{"corpus", corpus.checksum()}}),
                   o.run.existing());
  if (folder.kept()) {
    std::cerr << o.run.run << ": finished before, kept; --overwrite=true trains it anew\n";
    return;
  }
  const std::string model_folder = folder.file("model");
  std::cerr << "training the tokenizer\n";
  const Tokenizer tokenizer =
      train_bpe(tokenizer_lines(mixture, o.tokenizer_documents), o.model.vocab_size);
  make_folder(model_folder);
  save_tokenizer(tokenizer, model_folder);
  ModelConfig config = o.model;
  config.vocab_size = tokenizer.vocab_size();  // less than requested if there is little text
  config.bos_token_id = tokenizer.bos();
  config.eos_token_id = tokenizer.eos();
  config.pad_token_id = tokenizer.pad();

  check_pretrain_batches(o, mixture, tokenizer, config);
  Model<T> model(config, o.seed);
  Trainer<T> trainer(model, o.train);
  TrainingFiles<T> files(folder, trainer, o.train);
  MixtureBatches batches(mixture, tokenizer, o.train.batch, o.train.accumulate, o.question_targets,
                         o.seed);
  Progress progress("pretrain", o.train.steps, trainer.steps_done());
  const auto one_step = [&] {
    const std::int64_t at = std::int64_t{trainer.steps_done()} * o.train.accumulate;
    const StepReport report = trainer.step([&](int micro) { return batches.batch(at + micro); });
    const int step = trainer.steps_done();
    char note[32];
    std::snprintf(note, sizeof note, "loss %.3f", report.loss);
    progress.update(step, note);
    files.after_step(metrics_line(step, report));
  };
  try {
    while (trainer.steps_done() < o.train.steps) one_step();
  } catch (const Interrupted&) {  // the step that was at work is left out
  }
  files.save();
  if (trainer.steps_done() < o.train.steps) {
    folder.close("interrupted");
    throw Interrupted(cat("interrupted after step ", trainer.steps_done(), " of ", o.train.steps,
                          "; everything is saved. Go on with: ", resuming("pretrain", o.run.run)));
  }
  progress.finish();
  as_floats(model, [&](const Model<float>& floats) { save_model(floats, model_folder); });
  folder.file(checksum_list_name);
  write_checksum_list(folder.path());
  const ParameterCount count = count_parameters(config);
  folder.write_results({{"steps", trainer.steps_done()},
                        {"parameters", count.total},
                        {"active_parameters", count.active},
                        {"tokens_per_step", number_or_null(trainer.tokens_per_step())}});
  folder.close();
}

}  // namespace

void pretrain_stage(PretrainOptions o) {
  with_device(o.run.device, [&]<class T>() { pretrain_on<T>(std::move(o)); });
}

int run_pretrain(const Arguments& arguments) {
  const auto stage = [](PretrainOptions o, const FieldList& fields) {
    note_unused_pretrain(o, fields);
    o.corpus.languages = language_codes(o.corpus.data, o.corpus.languages);
    try {
      pretrain_stage(o);
    } catch (const Interrupted& interrupted) {
      throw_on(interrupted, "interrupted; what was trained is saved. Go on with: " +
                                resuming("pretrain", o.run.run));
    }
    say_end(cat("The base model is in ", o.run.run, "/model."),
            command_line("divergence",
                         {"--base=" + o.run.run, "--run=" + beside(o.run.run, "divergence")}));
  };
  return run_stage<PretrainOptions>(arguments, "pretrain", stage);
}

}  // namespace ramoe
