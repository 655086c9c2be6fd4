#include "ch11_baselines/method.h"

namespace ramoe {

void MethodConfig::list(FieldList& f) {
  f.add("pool", &pool,
        "ramoe and self_training: parallel prompts without answers, drawn from the pairs that "
        "train_pairs leaves over; 0, all or how many");
  f.add("rise_share", &rise_share, "rise: share of all experts that is trained", {0.001, 1});
  f.add("sara_weight", &sara_weight, "sara: weight of its divergence", {0, 1e6});
}

void check_method(const MethodRun& run) {
  const bool pooled = pool_size(run.keys.pool) > 0;
  const bool ramoe = run.method == Method::ramoe, self = run.method == Method::self_training;
  check(!pooled || ramoe || self, "pool = ", run.keys.pool, " with method = ", name_of(run.method),
        ": this method does not read prompts without answers; leave pool out, "
        "or take method = ramoe or self_training.");
  check(!self || pooled, "method = self_training with pool = ", run.keys.pool,
        ": there is no prompt for the base model to answer; expected pool = all or a number, and "
        "train_pairs that leave some pairs over.");
  check(!pooled || !ramoe ||
            (run.alignment.span != AlignedTokens::answer &&
             run.alignment.span != AlignedTokens::both),
        "pool = ", run.keys.pool, " with span = ", name_of(run.alignment.span),
        ": the prompts of a pool have no answers; expected span = prompt, last or tokens.");
  if (ramoe) check_alignment(run.alignment);
}

template <class T>
void choose_trained(Model<T>& model, const MethodRun& run, const MethodInputs& inputs) {
  if (run.method == Method::rise) {
    const RiseScores scores = rise_scores(inputs.usage(), run.language);
    return train_only_experts(model, rise_experts(scores, run.keys.rise_share));
  }
  for (const auto& parameter : model.parameters()) {
    parameter->trainable = true;
    parameter->trained_blocks.clear();
  }
}

template <class T>
std::unique_ptr<ExtraLoss<T>> extra_loss(Model<T>& model, const MethodRun& run,
                                         const MethodInputs& inputs) {
  AlignmentConfig config = run.alignment;
  if (run.method == Method::sara) {
    config = {};
    config.lambda = run.keys.sara_weight;
    config.divergence = AlignmentForm::js;
    config.support = AlignedExperts::all;
    config.examples = AlignedExamples::all;
    config.span = AlignedTokens::both;
  } else if (run.method != Method::ramoe) {
    return nullptr;
  }
  return std::make_unique<AlignmentTerm<T>>(model, config, inputs.stages, inputs.examples,
                                            run.train.steps, run.seed);
}

BesideRows beside_rows(const MethodRun& run, const std::vector<FinetuneExample>& examples) {
  BesideRows beside;
  if (pool_size(run.keys.pool) == 0) return beside;
  if (run.method == Method::self_training) {
    for (const FinetuneExample& example : examples)
      if (!example.labelled) beside.sequences.push_back(example.self);
  } else if (run.alignment.lambda > 0) {
    beside.aligned = true;
    const std::vector<bool> aligned = aligned_examples(run.alignment.examples, examples, run.seed);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (!aligned[i]) continue;
      beside.sequences.push_back(examples[i].target);
      beside.sequences.back().tokens.resize(std::size_t(examples[i].target.prompt));
      beside.sequences.back().example = static_cast<int>(i);
    }
  }
  return beside;
}

namespace {
template <class T>
std::unique_ptr<ExtraLoss<T>> prepared(Model<T>& model, const MethodRun& run,
                                       const MethodInputs& inputs) {
  check_method(run);
  choose_trained(model, run, inputs);
  return extra_loss(model, run, inputs);
}
}  // namespace

template <class T>
MethodTraining<T>::MethodTraining(Model<T>& model, const MethodRun& run, const MethodInputs& inputs)
    : config_(run.train),
      extra_(prepared(model, run, inputs)),
      trainer_(model, run.train),
      batches_(inputs.examples, run.train.batch, run.train.accumulate, model.config().pad_token_id,
               model.config().bos_token_id, run.seed, beside_rows(run, inputs.examples)) {}

template <class T>
bool MethodTraining<T>::run(const std::function<bool(int step, const StepReport&)>& after_step) {
  finetune(trainer_, batches_, config_, extra_.get(), after_step);
  return trainer_.steps_done() == config_.steps;
}

#define RAMOE_INSTANTIATE(T)                                                      \
  template void choose_trained(Model<T>&, const MethodRun&, const MethodInputs&); \
  template std::unique_ptr<ExtraLoss<T>> extra_loss(Model<T>&, const MethodRun&,  \
                                                    const MethodInputs&);         \
  template class MethodTraining<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
