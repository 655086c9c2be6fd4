#include "ch02_autograd/tape.h"

#include <algorithm>
#include <utility>

#include "ch01_tensor/vector_ops.h"

namespace ramoe {

template <class T>
int Tape<T>::add_node(std::size_t count) {
  nodes_.push_back({nullptr, count, false, nullptr});
  return static_cast<int>(nodes_.size()) - 1;
}

template <class T>
typename Tape<T>::Nodes Tape<T>::nodes_of(const Tensor<T>* outs, int count) {
  Nodes nodes;
  for (const Tensor<T>* out = outs; out != outs + count; ++out) {
    if (out->node < 0) continue;
    check(nodes.first < 0 || out->node == nodes.last + 1,
          "the outputs of an operation must be made one after another.");
    if (nodes.first < 0) nodes.first = out->node;
    nodes.last = out->node;
  }
  return nodes;
}

template <class T>
Tensor<T> Tape<T>::leaf(Parameter<T>& parameter) {
  if (!parameter.bf16.empty()) {
    check(!recording_, parameter.name,
          " is kept as BF16, from which a model only answers; expected fp32 weights, or a tape "
          "that records nothing.");
    T* wide = keep<T>(parameter.bf16.size());
    widen(wide, parameter.bf16.data(), parameter.bf16.size());
    return constant(wide, parameter.shape);
  }
  if (!parameter.trainable || !recording_) return constant(parameter.value.data(), parameter.shape);
  parameter.gradient.resize(parameter.value.size());
  const Tensor<T> x = leaf(parameter.value.data(), parameter.gradient.data(), parameter.shape);
  nodes_.back().spent = &parameter.gradient_spent;
  return x;
}

template <class T>
Tensor<T> Tape<T>::leaf(T* data, T* gradient, const Shape& shape) {
  if (!recording_) return constant(data, shape);
  nodes_.push_back({gradient, shape.count(), true, nullptr});
  return {data, shape, static_cast<int>(nodes_.size()) - 1};
}

template <class T>
Tensor<T> Tape<T>::reshape(const Tensor<T>& x, const Shape& shape) const {
  check(x.count() == shape.count(), "cannot reshape ", x.shape, " to ", shape,
        ": the counts differ.");
  return {x.data, shape, x.node};
}

template <class T>
T* Tape<T>::take_gradient(std::size_t count) {
  // The smallest free block that fits and is not much too large; of a tie the last one freed, which
  // is most likely still in the cache.
  std::size_t best = free_.size();
  for (std::size_t i = free_.size(); i-- > 0;)
    if (free_[i].count >= count && free_[i].count <= 2 * count + 64 &&
        (best == free_.size() || free_[i].count < free_[best].count))
      best = i;
  T* memory;
  if (best < free_.size()) {
    memory = free_[best].memory;
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
  } else {
    memory = arena_.template take<T>(count);
  }
  return memory;
}

template <class T>
T* Tape<T>::grad(const Tensor<T>& tensor) {
  if (tensor.node < 0) return nullptr;
  bool fresh;
  T* gradient = grad(tensor, fresh);
  if (fresh) clear(gradient, tensor.count());
  return gradient;
}

template <class T>
T* Tape<T>::grad(const Tensor<T>& tensor, bool& fresh) {
  fresh = false;
  if (tensor.node < 0) return nullptr;
  Node& node = nodes_[static_cast<std::size_t>(tensor.node)];
  if (node.gradient == nullptr) {
    node.gradient = take_gradient(node.count);
    fresh = true;
  } else if (node.spent != nullptr && *node.spent) {
    *node.spent = false;
    fresh = true;
  }
  return node.gradient;
}

template <class T>
bool Tape<T>::hand_over(const Tensor<T>& out, const Tensor<T>& to) {
  if (to.node < 0) return false;
  Node& from = nodes_[static_cast<std::size_t>(out.node)];
  Node& node = nodes_[static_cast<std::size_t>(to.node)];
  if (from.leaf || node.gradient != nullptr || node.count != from.count) return false;
  std::swap(from.gradient, node.gradient);
  return true;
}

template <class T>
void Tape<T>::backward(const Tensor<T>& loss) {
  check(loss.count() == 1, "backward starts from one value; the loss has shape ", loss.shape, ".");
  check(loss.node >= 0,
        "the loss does not depend on any trainable parameter, or was computed in "
        "no-grad mode; there is nothing to differentiate.");
  bool fresh;
  T* dloss = grad(loss, fresh);
  add_value(dloss, 1, 1, !fresh);
  for (std::size_t s = steps_.size(); s-- > 0;) {
    const Step& step = steps_[s];
    Node *first = &nodes_[std::size_t(step.outs.first)],
         *end = &nodes_[std::size_t(step.outs.last)] + 1;
    const auto has_gradient = [](const Node& out) { return out.gradient != nullptr; };
    if (std::none_of(first, end, has_gradient)) continue;  // the loss does not depend on them
    step.play(step.closure);
    for (Node* out = first; out != end; ++out) {
      if (out->leaf || out->gradient == nullptr) continue;  // null if it was handed over
      free_.push_back({out->gradient, out->count});
      out->gradient = nullptr;
    }
  }
  steps_.clear();
}

template <class T>
void Tape<T>::reset() {
  nodes_.clear();
  steps_.clear();
  free_.clear();
  arena_.reset();
  carried_.reset();
  host_.reset();
}

#define RAMOE_TAPE(T) template class Tape<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_TAPE)
#undef RAMOE_TAPE

}  // namespace ramoe
