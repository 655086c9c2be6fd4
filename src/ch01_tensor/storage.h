// Chapter 1.1 - where values live: the type of a pointer says it
//
//   double     host memory; the definitions, one thread: --device=reference
//   float      host memory; vectors and threads (src/fast): --device=cpu
//   GpuFloat   memory of a GPU; kernels (cuda/): --device=cuda
//
// Every operation is declared once, as a template over T, in its chapter:
//
//   template <class T> void softmax_forward(T* p, const T* z, int N, int E);
//
// and defined once for each type: `template <> void softmax_forward(double* p, ...)` is in the
// chapter, the version for float in src/fast, the one for GpuFloat in cuda/. The type of the
// pointer selects the version: there is no `if (device)` and no table of functions. A GPU's value
// can be pointed to but not read, so a host loop over GPU memory does not compile.
//
// Indices and flags live in the same memory as the values: Index<T> and Flag<T> are int and
// unsigned char, or their GPU forms. Tests: tests/ch01_tensor/storage_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace ramoe {

/// A value in a GPU's memory: it can be pointed to, never read.
template <class Value>
class Gpu {
  Value value;
};
using GpuFloat = Gpu<float>;
using GpuInt = Gpu<int>;
using GpuByte = Gpu<unsigned char>;

/// Error, with what to do, unless there is a GPU that can be used. Defined in cuda/, as are the
/// functions below.
void check_gpu();
// Memory of the GPU, used in the order of its stream.
void* gpu_allocate(std::size_t bytes);
void gpu_free(void* memory);
/// Bytes that may still be taken, with what this thread's operations have taken as scratch.
std::size_t gpu_memory_free();
void gpu_copy_in(void* to, const void* from, std::size_t bytes);
void gpu_copy_out(void* to, const void* from, std::size_t bytes);  // waits until all is done
void gpu_copy(void* to, const void* from, std::size_t bytes);      // within its memory
void gpu_clear(void* memory, std::size_t bytes);

/// What std::vector is to the host: memory that knows its size, zero at first.
template <class Value>
class GpuVector {
 public:
  explicit GpuVector(std::size_t count = 0) { resize(count); }
  ~GpuVector() { gpu_free(data_); }
  GpuVector(GpuVector&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  GpuVector& operator=(GpuVector&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  /// If the size changes, the old values are lost.
  void resize(std::size_t count) {
    if (count == size_) return;
    gpu_free(std::exchange(data_, nullptr));
    size_ = count;
    if (count == 0) return;
    data_ = static_cast<Value*>(gpu_allocate(count * sizeof(Value)));
    gpu_clear(data_, count * sizeof(Value));
  }
  Value* data() { return data_; }
  const Value* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  Value* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The types that belong to values of type T: the host's number of the same precision, the indices
/// and flags in the same memory, and the vector that owns such memory.
template <class T>
struct Lives {
  static constexpr bool on_gpu = false;
  using Number = T;
  using Index = int;
  using Flag = unsigned char;
  template <class Value>
  using Vector = std::vector<Value>;
};
template <>
struct Lives<GpuFloat> {
  static constexpr bool on_gpu = true;
  using Number = float;
  using Index = GpuInt;
  using Flag = GpuByte;
  template <class Value>
  using Vector = GpuVector<Value>;
};
template <class T>
using Number = typename Lives<T>::Number;
template <class T>
using Index = typename Lives<T>::Index;
template <class T>
using Flag = typename Lives<T>::Flag;
/// Memory that parameters, the optimiser's moments and the key/value cache own.
template <class T>
using Storage = typename Lives<T>::template Vector<T>;
/// The same for other values in the same memory.
template <class T, class Value>
using StorageOf = typename Lives<T>::template Vector<Value>;
/// A value of another type, in the same memory as the values of T.
template <class T, class Value>
using Beside = std::conditional_t<Lives<T>::on_gpu, Gpu<Value>, Value>;

/// A number that differs from batch to batch, such as how many rows are scored. A recorded step of
/// a GPU repeats the arguments of its kernels (chapter 1.8), so there it lies in the GPU's memory.
template <class T>
using Count = std::conditional_t<Lives<T>::on_gpu, const GpuInt*, int>;

/// A number in BF16, beside the values of T: the upper half of an fp32, so 8 bits of mantissa.
template <class T>
using Bf16Of = Beside<T, std::uint16_t>;

/// Copies `n` values from the host to where they live, or back.
template <class Value>
void copy_in(Value* to, const Value* from, std::size_t n) {
  if (n > 0) std::memcpy(to, from, n * sizeof(Value));
}
template <class Value>
void copy_in(Gpu<Value>* to, const Value* from, std::size_t n) {
  gpu_copy_in(to, from, n * sizeof(Value));
}
template <class Value>
void copy_out(Value* to, const Value* from, std::size_t n) {
  if (n > 0) std::memcpy(to, from, n * sizeof(Value));
}
template <class Value>
void copy_out(Value* to, const Gpu<Value>* from, std::size_t n) {
  gpu_copy_out(to, from, n * sizeof(Value));
}

/// Copies `n` values within the memory where they live.
template <class Value>
void copy_within(Value* to, const Value* from, std::size_t n) {
  if (n > 0) std::memcpy(to, from, n * sizeof(Value));
}
template <class Value>
void copy_within(Gpu<Value>* to, const Gpu<Value>* from, std::size_t n) {
  gpu_copy(to, from, n * sizeof(Value));
}

/// `n` zeros.
template <class Value>
void clear(Value* at, std::size_t n) {
  std::fill_n(at, n, Value(0));
}
template <class Value>
void clear(Gpu<Value>* at, std::size_t n) {
  gpu_clear(at, n * sizeof(Value));
}

}  // namespace ramoe

/// Expands of(T) for every type that a model may have. It instantiates the templates that are
/// compiled in source files, so that a new type needs no change in any chapter.
#ifdef RAMOE_CUDA
#define RAMOE_FOR_EACH_TYPE(of) of(float) of(double) of(ramoe::GpuFloat)
#else
#define RAMOE_FOR_EACH_TYPE(of) of(float) of(double)
#endif
