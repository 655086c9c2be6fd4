#include "ch11_baselines/method.h"

#include "support/error.h"

namespace ramoe {
namespace {

class Sft : public Method {
 public:
  std::string name() const override { return "sft"; }
};

class RaMoe : public Method {
 public:
  std::string name() const override { return "ramoe"; }
  std::unique_ptr<ExtraLoss<float>> extra_loss(Model<float>& model,
                                               const MethodContext& c) const override {
    return std::make_unique<AlignmentTerm>(model, c.alignment, c.stages, c.examples, c.steps,
                                           c.seed);
  }
};

class Rise : public Method {
 public:
  std::string name() const override { return "rise"; }
  void prepare(Model<float>& model, const MethodContext& c) const override {
    train_only_experts(model,
                       rise_experts(rise_scores(c.usage(), c.language), c.config.rise_share));
  }
};

class Sara : public Method {
 public:
  std::string name() const override { return "sara"; }
  std::unique_ptr<ExtraLoss<float>> extra_loss(Model<float>& model,
                                               const MethodContext& c) const override {
    AlignmentConfig js;
    js.lambda = c.config.sara_weight;
    js.divergence = "js";
    js.support = "all";
    js.examples = "all";
    js.span = "both";
    return std::make_unique<AlignmentTerm>(model, js, c.stages, c.examples, c.steps, c.seed);
  }
};

template <class... Methods>
std::vector<std::unique_ptr<Method>> all_of() {
  std::vector<std::unique_ptr<Method>> methods;
  (methods.push_back(std::make_unique<Methods>()), ...);
  return methods;
}
std::vector<std::unique_ptr<Method>> all_methods() {
  return all_of<Sft, RaMoe, Rise, Sara>();
}

}  // namespace

void MethodConfig::list(FieldList& f) {
  f.add("rise_share", &rise_share, "rise: share of all experts that is trained", {0.001, 1});
  f.add("sara_weight", &sara_weight, "sara: weight of its divergence", {0, 1e6});
}

void Method::prepare(Model<float>& model, const MethodContext&) const {
  for (const auto& parameter : model.parameters()) {
    parameter->trainable = true;
    parameter->trained_blocks.clear();
  }
}

std::unique_ptr<ExtraLoss<float>> Method::extra_loss(Model<float>&, const MethodContext&) const {
  return nullptr;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& method : all_methods()) names.push_back(method->name());
  return names;
}

std::unique_ptr<Method> make_method(const std::string& name) {
  for (auto& method : all_methods())
    if (method->name() == name) return std::move(method);
  std::string known;
  for (const std::string& other : method_names()) known += (known.empty() ? "" : ", ") + other;
  const std::string nearest = nearest_word(name, method_names());
  fail("method \"", name, "\" is unknown; there are ", known,
       nearest.empty() ? "." : "; did you mean " + nearest + "?");
}

}  // namespace ramoe
