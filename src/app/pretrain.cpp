// ramoe pretrain: a base model from the language mixture.
#include <algorithm>
#include <iostream>

#include "app/stages.h"
#include "app/training_files.h"
#include "ch05_training/memory.h"
#include "ch06_languages/batches.h"
#include "ch06_languages/bpe_train.h"
#include "formats/checksum_list.h"
#include "formats/tokenizer_json.h"
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

constexpr const char* kLower =
    "lower hidden_size, num_hidden_layers, num_experts, "
    "moe_intermediate_size, vocab_size or batch";

/// Error if batches of `tokens` tokens a row do not fit into memory.
template <class T>
void check_training(const PretrainOptions& o, const ModelConfig& config, int tokens,
                    const std::string& what) {
  const double all = static_cast<double>(count_parameters(config).total);
  check_memory_for<T>(training_bytes(config, o.train.batch, tokens, all, memory_of<T>), what,
                      kLower);
}

/// Error at once if these sizes cannot fit with any texts. It counts a small vocabulary, because
/// the texts may not fill a large one, and rows of 8 tokens, because few rows are shorter.
template <class T>
void check_pretrain_sizes(const PretrainOptions& o) {
  constexpr int kTokens = 8, kVocabulary = 4096;
  ModelConfig config = o.model;
  config.vocab_size = std::min(config.vocab_size, kVocabulary);
  check_training<T>(o, config, kTokens, "training");
}

/// The same check once the tokenizer and the first rows exist. `config` has the tokenizer's
/// vocabulary.
template <class T>
void check_pretrain_batches(const PretrainOptions& o, const Mixture& mixture,
                            const Tokenizer& tokenizer, const ModelConfig& config) {
  MixtureBatches batches(mixture, tokenizer, o.train.batch, o.train.accumulate, o.question_targets,
                         o.seed);
  int longest = 0;
  for (std::int64_t i = 0; i < std::int64_t{8} * o.train.accumulate; ++i)  // of eight steps
    longest = std::max(longest, batches.batch(i).tokens.T);
  check_training<T>(
      o, config, longest,
      cat("training with batches of ", o.train.batch, " rows of ", longest, " tokens"));
}

/// Names the given keys that have no effect with the other keys.
void note_unused_pretrain(const PretrainOptions& o, const FieldList& fields) {
  const auto has = [&](const char* task) { return contains(o.corpus.tasks, task); };
  if (!has("sums")) note_unused(fields, {"sums_share", "max_sum"}, "no task sums");
  if (!has("facts")) note_unused(fields, {"facts_share"}, "no task facts");
  if (!has("follow"))
    note_unused(fields,
                {"follow_share", "follow_base", "follow_adapt", "follow_valid", "follow_test",
                 "longest_list"},
                "no task follow");
  if (!o.model.shared_expert())
    note_unused(fields, {"shared_expert_intermediate_size"},
                "model_type=" + name_of(o.model.model_type));
  if (o.model.moe_layer_count() == o.model.num_hidden_layers)
    note_unused(fields, {"intermediate_size"}, "every layer has experts");
  note_unused(fields, {"bos_token_id", "eos_token_id", "pad_token_id"},
              "the tokenizer that is trained has its own");
}

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
  check_pretrain_sizes<T>(o);
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

  check_pretrain_batches<T>(o, mixture, tokenizer, config);
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
  files.say_replays();
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
