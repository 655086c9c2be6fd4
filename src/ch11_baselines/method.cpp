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
  std::unique_ptr<ExtraLoss> extra_loss(Model<float>& model,
                                        const MethodContext& c) const override {
    return std::make_unique<AlignmentTerm>(model, c.alignment, c.stages, c.examples, c.steps,
                                           c.seed);
  }
};

}  // namespace

void Method::prepare(Model<float>& model) const {
  for (const auto& parameter : model.parameters()) parameter->trainable = true;
}

std::unique_ptr<ExtraLoss> Method::extra_loss(Model<float>&, const MethodContext&) const {
  return nullptr;
}

std::vector<std::string> method_names() {
  return {"sft", "ramoe"};
}

std::unique_ptr<Method> make_method(const std::string& name) {
  if (name == "sft") return std::make_unique<Sft>();
  if (name == "ramoe") return std::make_unique<RaMoe>();
  const std::string nearest = nearest_word(name, method_names());
  fail("method \"", name, "\" is unknown; there are sft and ramoe",
       nearest.empty() ? "." : "; did you mean " + nearest + "?");
}

}  // namespace ramoe
