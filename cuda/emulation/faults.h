// CUDA emulation - the processor's faults as messages: addresses without memory, the wrong memory
//
// A fault in a kernel becomes an error of the launch: the handler lets the fibre go on in a
// function that complains and never returns to the kernel. A fault of the host at memory of the GPU
// ends the program, as it would on a GPU, with a message that says where.
#pragma once

namespace emulation {

/// From now on. What was there handles all other faults.
void watch_faults();
/// This thread's handler needs a stack of its own: the fibre's may be full.
void watch_faults_of_this_thread();

}  // namespace emulation
