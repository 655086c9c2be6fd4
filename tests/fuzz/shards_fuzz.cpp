// libFuzzer's entry for try_shards; `make fuzz` builds and runs it.
#include "fuzz/fuzz_folder.h"
#include "fuzz/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const ramoe::FuzzFolder folder;
  ramoe::try_shards(folder.path(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
