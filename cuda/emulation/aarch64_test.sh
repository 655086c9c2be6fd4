#!/bin/sh
# The tests of the emulation with the memory check, built for aarch64 and run under qemu, from the
# root of the repository. Needs g++-aarch64-linux-gnu, qemu-user and GoogleTest's sources.
set -e
out=${1:-build/aarch64}
gtest=/usr/src/googletest/googletest
compile="aarch64-linux-gnu-g++ -std=gnu++20 -O1 -g1 -I$gtest/include -I$gtest -Isrc -I. -Itests
  -DRAMOE_CUDA_EMULATION"
mkdir -p "$out"
watched="-x c++ -fsanitize=thread -DRAMOE_MEMORY_CHECK -Wno-tsan"
for source in "$gtest"/src/gtest-all.cc "$gtest"/src/gtest_main.cc cuda/emulation/*.cpp \
  src/support/names.cpp; do
  $compile -c "$source" -o "$out/$(basename "$source").o"
done
for source in cuda/ch01_tensor/storage.cu cuda/ch01_tensor/arena.cu cuda/ch01_tensor/replay.cu \
  cuda/support/device.cu tests/cuda/emulation_test.cpp tests/cuda/emulation_words_test.cpp \
  tests/cuda/memory_check_test.cpp; do
  $compile $watched -c "$source" -o "$out/$(basename "$source").o"
done
aarch64-linux-gnu-g++ -o "$out/emulation_test" "$out"/*.o -lpthread
export RAMOE_ADDR2LINE=aarch64-linux-gnu-addr2line
qemu-aarch64 -L /usr/aarch64-linux-gnu "$out/emulation_test" --gtest_brief=1
