// Chapter 1.2 - shapes, tensors and parameters
//
// A tensor is a row-major view: a pointer and a shape. Activations live in an arena for one step;
// parameters own their memory, value and gradient side by side for the optimiser.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "ch01_tensor/storage.h"
#include "support/error.h"

namespace ramoe {

/// Up to four extents, e.g. (N,C). The empty shape is a scalar.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int> extents) {
    check(extents.size() <= 4, "a shape has at most 4 extents; ", extents.size(), " were given.");
    for (const int extent : extents) {
      check(extent >= 0, "an extent of a shape is negative: ", extent, ".");
      extents_[static_cast<std::size_t>(rank_++)] = extent;
    }
  }
  int rank() const { return rank_; }
  int operator[](int i) const { return extents_[static_cast<std::size_t>(i)]; }
  std::size_t count() const {
    std::size_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= static_cast<std::size_t>((*this)[i]);
    return product;
  }
  bool operator==(const Shape&) const = default;
  /// "(2,3)"
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '(';
    for (int i = 0; i < shape.rank_; ++i) out << (i ? "," : "") << shape[i];
    return out << ')';
  }

 private:
  std::array<int, 4> extents_{};
  int rank_ = 0;
};

/// A view of values. `node` is the tensor's place on a tape; negative: no gradient flows to it.
template <class T>
struct Tensor {
  T* data = nullptr;
  Shape shape;
  int node = -1;

  int rows() const { return shape[0]; }
  int columns() const { return shape[1]; }
  std::size_t count() const { return shape.count(); }
};

/// Start of row n of a row-major matrix with C columns.
template <class T>
T* row(T* matrix, int n, int C) {
  return matrix + static_cast<std::size_t>(n) * static_cast<std::size_t>(C);
}

/// A trained tensor: its value and gradient, and whether the optimiser may change it. The gradient
/// is empty until it is first needed, so a model that only answers has no memory for gradients.
template <class T>
struct Parameter {
  Parameter(std::string name_, Shape shape_)
      : name(std::move(name_)), shape(shape_), value(shape_.count()) {}
  /// One that is kept as BF16: half the memory, and never trained.
  static Parameter kept_as_bf16(std::string name_, Shape shape_) {
    Parameter parameter(std::move(name_), Shape{0});
    parameter.shape = shape_;
    parameter.bf16.resize(shape_.count());
    parameter.trainable = false;
    return parameter;
  }
  /// The gradient, to be added to: zero at first, and zero again once the optimiser has used it.
  T* want_gradient() {
    if (gradient_spent) clear(gradient.data(), gradient.size());
    gradient_spent = false;
    gradient.resize(value.size());
    return gradient.data();
  }
  std::string name;
  Shape shape;
  Storage<T> value, gradient;
  /// The values instead of `value`, if the parameter is kept as BF16. Tape::leaf() widens them.
  StorageOf<T, Bf16Of<T>> bf16;
  bool trainable = true;
  /// The optimiser has used the gradient: its old values count as zero. The tape lets the first
  /// writer overwrite them, so that nothing has to be cleared (chapter 2.2).
  bool gradient_spent = false;
  /// Which of the shape[0] blocks (such as experts) the optimiser changes; empty: all of them.
  std::vector<unsigned char> trained_blocks;
};

/// Error unless the tensor has the shape; `what` names it in the message.
template <class T>
void expect_shape(const Tensor<T>& tensor, const Shape& wanted, const char* what) {
  check(tensor.shape == wanted, what, " has shape ", tensor.shape, "; expected ", wanted, ".");
}

}  // namespace ramoe
