// libFuzzer's entry, built once for each reader: RAMOE_READER is one of readers.h.
// `make fuzz` builds and runs them.
#include "fuzz/readers.h"
#include "support/scratch.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // In memory where the system has such a place.
  static const bool memory = std::filesystem::exists("/dev/shm");
  static const ramoe::ScratchFolder folder(memory ? std::filesystem::path("/dev/shm")
                                                  : std::filesystem::temp_directory_path());
  ramoe::RAMOE_READER(folder.path(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
