# For aarch64 Linux from another machine, tried out under qemu: the preset `aarch64`.
# Debian: g++-aarch64-linux-gnu, qemu-user and googletest (GoogleTest's sources).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(RAMOE_TRIPLE aarch64-linux-gnu)
set(CMAKE_C_COMPILER ${RAMOE_TRIPLE}-gcc)
set(CMAKE_CXX_COMPILER ${RAMOE_TRIPLE}-g++)
# Programs start as if they were the machine's own, and ctest starts tests so. qemu keeps a note of
# every page that is reserved: arenas of the machine's size would take most of the time.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-E;RAMOE_ARENA_GB=1;-L;/usr/${RAMOE_TRIPLE})

# What `make test-arm` leaves out, with the label slow_under_qemu; it runs on every other machine.
set(RAMOE_SLOW_SUITES
  support_test.House support_test.Paths support_test.OpCount  # read the sources: the same anywhere
  ch04_moe_test.ModelConfig         # breaks every key of a configuration: text, no arithmetic
  ch05_training_test.Memory         # steps of large batches: not done after three minutes
  fast_test.GemmBf16)               # products of ARM are those of fp32, and Gemm tests these
