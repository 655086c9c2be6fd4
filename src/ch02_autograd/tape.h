// Chapter 2.2 - the tape
//
// The idea is the one of tape_idea.h: every operation computes its output at once and records a
// closure, its backward. Given the gradient of the output, the closure adds to the gradients of the
// inputs. backward() runs the closures in reverse order.
//
//   Tape<float> tape(arena);
//   Tensor<float> y = linear(tape, x, w);       // forward, recorded
//   tape.backward(loss);                        // Parameter::gradient += dloss/dw
//   tape.reset();                               // everything of this step is gone
//
// A tensor on the tape has a node, which holds its gradient. A tensor that depends on no trainable
// parameter has no node, and nothing is recorded for it.
//
// What saves time and memory (an operation may ignore all this and use only grad() and output()):
//
//   arena        Values and gradients are in an arena that is kept from step to step: 1.1 times as
//                fast (chapter 1.3). Closures are in an arena on the host, also for a GPU's tape.
//   free list    The gradient of an output is read once, by its closure. Its memory then goes to
//                the next gradient, while it is still in the cache.
//   fresh        The first writer of a gradient overwrites it, so that nothing is cleared first.
//   spent        The same for the gradient of a parameter, once the optimiser has used it.
//   hand_over    The gradient of a sum becomes that of its summand, without a copy.
//   output_over  An output takes the memory of an input whose values are no longer read.
//   block        Where nothing is recorded, the memory of a block is given back at its end.
//
// Recording and running the closures take less than 1/10,000 of a training step (`ramoe bench
// --only=memory`, docs/speed.md). Trials that gained nothing are in docs/log.md.
// Tests: tests/ch02_autograd/tape_test.cpp
#pragma once

#include <type_traits>
#include <vector>

#include "ch01_tensor/arena.h"
#include "ch01_tensor/gemm.h"
#include "ch01_tensor/tensor.h"

namespace ramoe {

template <class T>
class Tape {
 public:
  /// The arena must outlive the tape; between resets only the tape may use it.
  explicit Tape(ArenaOf<T>& arena, Precision precision = Precision::fp32)
      : arena_(arena), precision_(precision) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Whether operations are recorded. If false, only forward runs and backward is not possible.
  bool recording() const { return recording_; }

  /// The precision of the matrix products of linear layers and experts, forward and backward.
  Precision precision() const { return precision_; }

  /// A tensor for a parameter. Its gradient is Parameter::gradient if the parameter is trainable.
  /// A parameter that is kept as BF16 is widened into the memory of the block. Error: that while
  /// operations are recorded, since it would never learn.
  Tensor<T> leaf(Parameter<T>& parameter);
  /// An input that wants a gradient (for gradient checks): `gradient` holds count() values.
  Tensor<T> leaf(T* data, T* gradient, const Shape& shape);
  /// An input without gradient.
  Tensor<T> constant(T* data, const Shape& shape) const { return {data, shape, -1}; }
  /// The same values without a gradient: no gradient flows back through x.
  Tensor<T> detach(const Tensor<T>& x) const { return {x.data, x.shape, -1}; }
  /// The same values and gradient under another shape of equal count.
  Tensor<T> reshape(const Tensor<T>& x, const Shape& shape) const;

  /// An uninitialised output. It has a gradient if any input has one.
  template <class... Inputs>
  Tensor<T> output(const Shape& shape, const Inputs&... inputs) {
    const bool wanted = recording_ && ((inputs.node >= 0) || ...);
    return {arena_.template take<T>(shape.count()), shape, wanted ? add_node(shape.count()) : -1};
  }

  /// Memory for other values that backward needs; lives until reset().
  template <class Value>
  Value* keep(std::size_t count) {
    return arena_.template take<Value>(count);
  }
  /// The same on the host, for the data that describes them.
  template <class Value>
  Value* keep_host(std::size_t count) {
    return host_.take<Value>(count);
  }
  /// A number of this batch, where operations read it; lives until reset().
  Count<T> keep_count(int count) {
    if constexpr (Lives<T>::on_gpu) {
      GpuInt* there = keep<GpuInt>(1);
      copy_in(there, &count, 1);
      return there;
    } else {
      return count;
    }
  }

  /// Records the backward of the operation that made `out`: it reads grad(out) and adds to the
  /// gradients of the inputs. Everything it captures must be copyable as bytes.
  template <class Backward>
  void record(const Tensor<T>& out, const Backward& backward) {
    record(&out, 1, backward);
  }
  /// The same for `count` outputs, made one after another. The backward runs if any of them has a
  /// gradient; grad() of the others is then zero.
  template <class Backward>
  void record(const Tensor<T>* outs, int count, const Backward& backward) {
    static_assert(std::is_trivially_copyable_v<Backward> &&
                  std::is_trivially_destructible_v<Backward>);
    const Nodes nodes = nodes_of(outs, count);
    if (nodes.first < 0) return;
    Backward* closure = new (host_.take<Backward>(1)) Backward(backward);
    steps_.push_back({[](const void* c) { (*static_cast<const Backward*>(c))(); }, closure, nodes});
  }

  /// The gradient of a tensor, all zero at the first call; nullptr if none is wanted. Always add to
  /// it.
  T* grad(const Tensor<T>& tensor);

  /// Adds d loss / d x to the gradient of every leaf. Error if loss is not one recorded value.
  void backward(const Tensor<T>& loss);

  /// Forgets everything and resets the arena.
  void reset();

  // ---- What saves time and memory ---------------------------------------------------------------

  /// grad() for an operation that writes the whole gradient. If `fresh`, overwrite the memory: this
  /// saves clearing it and reading it back. Otherwise add to it.
  T* grad(const Tensor<T>& tensor, bool& fresh);
  /// Gives the gradient of `out` to `to` if `to` has none yet; for a closure that no longer needs
  /// it. False: nothing was done, add to grad(to) instead. For tensors of equal count.
  bool hand_over(const Tensor<T>& out, const Tensor<T>& to);
  /// An output in the memory of `x`, whose values are lost: no closure may read them.
  template <class... Inputs>
  Tensor<T> output_over(const Tensor<T>& x, const Inputs&... inputs) {
    const bool wanted = recording_ && ((inputs.node >= 0) || ...);
    return {x.data, x.shape, wanted ? add_node(x.count()) : -1};
  }

  /// The same, if `memory` has data; otherwise output().
  template <class... Inputs>
  Tensor<T> output_in(const Tensor<T>& memory, const Shape& shape, const Inputs&... inputs) {
    return memory.data ? output_over(memory, inputs...) : output(shape, inputs...);
  }

  /// A part of a model, of which only the result is read afterwards. Unless operations are
  /// recorded, the memory that was taken while it lived is given back at its end: outputs, what
  /// was kept, and parameters that were widened. The result is in memory from before, or carried.
  class Block {
   public:
    explicit Block(Tape& tape) : tape_(tape), mark_(tape.arena_.mark()) {}
    ~Block() {
      if (!tape_.recording_) tape_.arena_.release(mark_);
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

   private:
    Tape& tape_;
    typename ArenaOf<T>::Mark mark_;
  };
  /// A copy of values that outlives the block; lives until reset().
  template <class Value>
  Value* carry(const Value* values, std::size_t count) {
    Value* copy = carried_.template take<Value>(count);
    copy_within(copy, values, count);
    return copy;
  }

  std::size_t operations() const { return steps_.size(); }
  ArenaOf<T>& arena() { return arena_; }

  /// While it lives, nothing is recorded.
  class NoGrad {
   public:
    explicit NoGrad(Tape& tape) : tape_(tape), before_(tape.recording_) { tape.recording_ = false; }
    ~NoGrad() { tape_.recording_ = before_; }
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

   private:
    Tape& tape_;
    bool before_;
  };

  /// While it lives, operations use another precision for their matrix products.
  class InPrecision {
   public:
    InPrecision(Tape& tape, Precision precision) : tape_(tape), before_(tape.precision_) {
      tape.precision_ = precision;
    }
    ~InPrecision() { tape_.precision_ = before_; }
    InPrecision(const InPrecision&) = delete;
    InPrecision& operator=(const InPrecision&) = delete;

   private:
    Tape& tape_;
    Precision before_;
  };

 private:
  struct Node {
    T* gradient;  // nullptr until first touched
    std::size_t count;
    bool leaf;
    bool* spent;  // for a parameter: whether its gradient is to be overwritten
  };
  /// The nodes of an operation's outputs, neighbours; first < 0: it has none.
  struct Nodes {
    int first = -1, last = -1;
  };
  struct Step {
    void (*play)(const void* closure);
    const void* closure;
    Nodes outs;
  };
  struct FreeBlock {
    T* memory;
    std::size_t count;
  };
  int add_node(std::size_t count);
  static Nodes nodes_of(const Tensor<T>* outs, int count);
  T* take_gradient(std::size_t count);

  ArenaOf<T>& arena_;
  ArenaOf<T> carried_;  // out of blocks
  Arena host_;          // closures, and the memory of keep_host
  Precision precision_;
  bool recording_ = true;
  std::vector<Node> nodes_;
  std::vector<Step> steps_;
  std::vector<FreeBlock> free_;
};

}  // namespace ramoe
