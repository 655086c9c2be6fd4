#include "ch11_baselines/method.h"

namespace ramoe {

void MethodConfig::list(FieldList& f) {
  f.add("rise_share", &rise_share, "rise: share of all experts that is trained", {0.001, 1});
  f.add("sara_weight", &sara_weight, "sara: weight of its divergence", {0, 1e6});
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

namespace {
template <class T>
std::unique_ptr<ExtraLoss<T>> prepared(Model<T>& model, const MethodRun& run,
                                       const MethodInputs& inputs) {
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
               model.config().bos_token_id, run.seed) {}

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
