// App - the device of a command: chosen once, by the type of its values (chapter 1.1)
//
//   with_device(options.device, [&]<class T>() { stage<T>(options); });
//
// Files hold floats. A model that only computes is read from them straight into Model<T>
// (DeviceModel); one that is trained, copied or saved is read as Model<float> and copied.
// Tests: tests/app/device_test.cpp
#pragma once

#include <variant>

#include "formats/model_files.h"
#include "support/choices.h"
#include "support/error.h"

namespace ramoe {

/// cpu: float, vectors and threads. reference: double, the definitions of the chapters, one thread.
enum class Device { cpu, reference, cuda };
constexpr auto names(Device) {
  return std::array{"cpu", "reference", "cuda"};
}

inline constexpr const char* device_help =
    "what computes: the processor with float; the definitions in double on one thread, slowly; or "
    "a GPU";

inline constexpr const char* weights_help =
    "how weights are kept: fp32, or all but norms and biases as bf16 in half the memory, which "
    "changes no answer of a model whose files have BF16, and rounds others";

/// Error unless this program and this machine have the device.
inline void check_device(Device device) {
  if (device != Device::cuda) return;
#ifdef RAMOE_CUDA
  check_gpu();
#else
  fail("device = cuda: this program was built without CUDA; expected cpu or reference. To build it "
       "with CUDA, see docs/cuda.md.");
#endif
}

inline constexpr const char* gemm_help =
    "who computes the products on a GPU: the kernels of this project or NVIDIA's library";

/// For all products on the GPU from now on. Error: cublas on another device.
inline void choose_gemm(Device device, GemmEngine gemm) {
  check(gemm == GemmEngine::own || device == Device::cuda, "gemm = ", name_of(gemm),
        " with device = ", name_of(device), ": expected own, or device = cuda.");
#ifdef RAMOE_CUDA
  if (device == Device::cuda) set_gemm_engine(gemm);
#endif
}

/// Calls act<T>(), where T is the value type of the device, and returns its result.
template <class Act>
decltype(auto) with_device(Device device, const Act& act) {
  check_device(device);
#ifdef RAMOE_CUDA
  if (device == Device::cuda) return act.template operator()<GpuFloat>();
#endif
  return device == Device::reference ? act.template operator()<double>()
                                     : act.template operator()<float>();
}

/// Calls act(model) on the device and returns its result. If the values there are not floats, act
/// gets a copy of the model.
template <class Act>
decltype(auto) on_device(Device device, Model<float>& model, const Act& act) {
  return with_device(device, [&]<class T>() -> decltype(auto) {
    if constexpr (std::is_same_v<T, float>) {
      return act(model);
    } else {
      Model<T> copy(model.config());
      copy.copy_values(model);
      return act(copy);
    }
  });
}

/// A model that lives on a device: read from its files straight into its values there. A host that
/// computes on a GPU never holds the model, only one parameter at a time.
class DeviceModel {
 public:
  /// Error: as for load_model and with_device.
  DeviceModel(Device device, const std::string& folder, const ModelConfig& config,
              Precision weights = Precision::fp32) {
    with_device(device, [&]<class T>() { model_ = load_model<T>(folder, config, weights); });
  }
  /// Calls act(model) and returns its result.
  template <class Act>
  decltype(auto) with(const Act& act) {
    return std::visit([&](auto& model) -> decltype(auto) { return act(*model); }, model_);
  }

 private:
  template <class T>
  using Owned = std::unique_ptr<Model<T>>;
#ifdef RAMOE_CUDA
  std::variant<Owned<float>, Owned<double>, Owned<GpuFloat>> model_;
#else
  std::variant<Owned<float>, Owned<double>> model_;
#endif
};

/// Calls act(model) with floats, as files hold them. If the values are of another type, act gets a
/// copy rounded to floats, whose values are copied back.
template <class T, class Act>
void as_floats(Model<T>& model, const Act& act) {
  if constexpr (std::is_same_v<T, float>) {
    act(model);
  } else {
    Model<float> copy(model.config());
    copy.copy_values(model);
    act(copy);
    model.copy_values(copy);
  }
}

}  // namespace ramoe
