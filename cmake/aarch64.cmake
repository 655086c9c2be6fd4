# For aarch64 Linux from another machine, tried out under qemu: the preset `aarch64`.
# Debian: g++-aarch64-linux-gnu, qemu-user and googletest (GoogleTest's sources).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(RAMOE_TRIPLE aarch64-linux-gnu)
set(CMAKE_C_COMPILER ${RAMOE_TRIPLE}-gcc)
set(CMAKE_CXX_COMPILER ${RAMOE_TRIPLE}-g++)
# Programs start as if they were the machine's own, and ctest starts tests so.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/${RAMOE_TRIPLE})
