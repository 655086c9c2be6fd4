# The kernels of cuda/: compiled by nvcc for a GPU (RAMOE_CUDA), or by the C++ compiler for the
# emulation. Without either the program says that CUDA is off, and only the tests emulate.
file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*/*.cu)
ramoe_use_reference(cuda_sources)
file(GLOB emulation_sources CONFIGURE_DEPENDS cuda/emulation/*.cpp)

# 80 also as PTX, which newer GPUs compile for themselves; 90a for Hopper's own instructions.
set(RAMOE_CUDA_ARCHITECTURES "80;90a-real" CACHE STRING "what nvcc compiles for")
set(cuda_wanted ${RAMOE_CUDA})
if(cuda_wanted STREQUAL "AUTO")
  set(cuda_wanted OFF)
  if(EXISTS /dev/nvidiactl AND NOT RAMOE_CUDA_EMULATION)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
      set(cuda_wanted ON)
    endif()
  endif()
endif()
if(cuda_wanted AND RAMOE_CUDA_EMULATION)
  message(FATAL_ERROR "RAMOE_CUDA and RAMOE_CUDA_EMULATION: expected one of them")
endif()
# Its switch between fibres is written for ELF, and its handler of faults reads Linux's registers.
if(RAMOE_CUDA_EMULATION AND NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "RAMOE_CUDA_EMULATION on ${CMAKE_SYSTEM_NAME}: the emulation needs Linux. "
    "Use it in a container (docs/setup.md), or leave it off.")
endif()
if(cuda_wanted)
  message(STATUS "CUDA: on, built by nvcc")
elseif(RAMOE_CUDA_EMULATION)
  message(STATUS "CUDA: emulated on the processor")
else()
  message(STATUS "CUDA: off (-DRAMOE_CUDA=ON builds it where nvcc is)")
endif()

# Kernels count in int and unsigned, and CUDA's words are macros here.
set(emulation_flags -x c++ -Wno-unknown-pragmas)

function(ramoe_compile_as_cpp sources)
  set_source_files_properties(${sources} PROPERTIES LANGUAGE CXX SKIP_UNITY_BUILD_INCLUSION ON
    COMPILE_OPTIONS "${emulation_flags}")
endfunction()

target_include_directories(ramoe_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(cuda_wanted)
  enable_language(CUDA)
  # CMake before 3.26 does not know that nvcc has C++20: the flag is given below.
  set_target_properties(ramoe_core PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED OFF
    CUDA_ARCHITECTURES "${RAMOE_CUDA_ARCHITECTURES}")
  find_package(CUDAToolkit REQUIRED)
  set_source_files_properties(${cuda_sources} PROPERTIES COMPILE_OPTIONS
    "-std=c++20;--expt-relaxed-constexpr;-Werror;all-warnings;-Xcompiler;-Wall,-Wextra;-O3;-lineinfo")
  target_sources(ramoe_core PRIVATE ${cuda_sources})
  target_compile_definitions(ramoe_core PUBLIC RAMOE_CUDA)
  target_link_libraries(ramoe_core PUBLIC CUDA::cudart_static CUDA::cublas)

  # Times on a GPU: kernels beside cuBLAS and a copy, a training step beside PyTorch's.
  set(bench_sources tests/bench/cuda_bench.cu tests/bench/cuda_bench_gemm.cu
    tests/bench/cuda_bench_memory.cu)
  set_source_files_properties(${bench_sources} PROPERTIES COMPILE_OPTIONS
    "-std=c++20;--expt-relaxed-constexpr;-Werror;all-warnings;-Xcompiler;-Wall,-Wextra;-O3")
  add_executable(cuda_bench EXCLUDE_FROM_ALL ${bench_sources})
  target_include_directories(cuda_bench PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(cuda_bench PRIVATE ramoe_core)
  set_target_properties(cuda_bench PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED OFF
    CUDA_ARCHITECTURES "${RAMOE_CUDA_ARCHITECTURES}")
  add_executable(cuda_peer EXCLUDE_FROM_ALL tests/bench/our_peer.cpp src/bench/bench_models.cpp
    src/bench/bench_kernels.cpp)
  target_link_libraries(cuda_peer PRIVATE ramoe_core)
elseif(RAMOE_CUDA_EMULATION)
  ramoe_compile_as_cpp("${cuda_sources}")
  set_source_files_properties(${emulation_sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(ramoe_core PRIVATE ${cuda_sources} ${emulation_sources})
  target_compile_definitions(ramoe_core PUBLIC RAMOE_CUDA)
endif()

# tests/cuda: on a GPU, or emulated. If the program has no CUDA, what trains is compiled for the
# values of a GPU here (tests/support/gpu_types.cpp).
#
# Emulated, a second program runs the same tests with every access of the kernels to memory checked:
# their sources, and the tests that have kernels, are compiled with -fsanitize=thread, whose calls
# are cuda/emulation's own; ThreadSanitizer itself is not linked.
#
# The two labs of CUDA (cmake/labs.cmake) are emulated with the memory check, and their tests run
# with that program's; ramoe_watched holds what they need of the kernels.
function(ramoe_cuda_tests)
  file(GLOB tests CONFIGURE_DEPENDS tests/cuda/*_test.cpp tests/labs/lab*_cuda_*_test.cpp)
  set(of_emulation ${tests})
  list(FILTER of_emulation INCLUDE REGEX "/(emulation|emulation_words|memory_check|memory_check_correct|traffic|lab[0-9]+_cuda_[a-z]+)_test\\.cpp$")
  list(REMOVE_ITEM tests ${of_emulation})
  if(cuda_wanted)
    ramoe_cuda_test(cuda_test "${tests}" "")
    add_test_suites(cuda_test "${tests}")
    return()
  endif()
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    message(STATUS "CUDA: its emulation needs Linux; tests/cuda and the labs of CUDA are left out")
    return()
  endif()

  set_source_files_properties(${of_emulation} PROPERTIES COMPILE_OPTIONS -Wno-unknown-pragmas)
  # Compiled once for both programs.
  # Of the operations' tests the list of cases is checked; the others would take minutes.
  set(cases ${CMAKE_SOURCE_DIR}/tests/cuda/op_cases_test.cpp)
  list(REMOVE_ITEM tests ${cases})
  set(shared ${cases})
  if(NOT RAMOE_CUDA_EMULATION)
    ramoe_compile_as_cpp("${cuda_sources}")
    list(APPEND shared tests/support/gpu_types.cpp)
  endif()
  ramoe_cuda_objects(cuda_test_parts "${shared}")
  ramoe_cuda_objects(cuda_emulation "${emulation_sources}")
  set(check_of_memory ${of_emulation})
  list(FILTER check_of_memory INCLUDE REGEX "memory_check|traffic|/lab[0-9]+_cuda_")
  set(not_checked ${of_emulation})
  list(REMOVE_ITEM not_checked ${check_of_memory})
  ramoe_cuda_objects(cuda_kernels "${cuda_sources};${tests};${not_checked}")
  ramoe_cuda_test(cuda_test "" "cuda_test_parts;cuda_emulation;cuda_kernels")
  add_test_suites(cuda_test "${cases};${tests};${not_checked}")
  if(NOT RAMOE_SANITIZE)
    ramoe_cuda_objects(cuda_watched_kernels "${cuda_sources}")
    ramoe_cuda_objects(cuda_watched_tests "${of_emulation}")
    ramoe_watch_memory(cuda_watched_kernels)
    ramoe_watch_memory(cuda_watched_tests)
    ramoe_cuda_test(cuda_check_test ""
      "cuda_test_parts;cuda_emulation;cuda_watched_tests;cuda_watched_kernels")
    add_test_suites(cuda_check_test "${cases};${of_emulation}")
    if(RAMOE_LIBRARY)
      add_library(ramoe_watched INTERFACE)
      target_link_libraries(ramoe_watched INTERFACE ${RAMOE_LIBRARY}/libramoe_watched.a)
    else()
      add_library(ramoe_watched STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:cuda_emulation>
        $<TARGET_OBJECTS:cuda_watched_kernels>)
      set_target_properties(ramoe_watched PROPERTIES LINKER_LANGUAGE CXX)
    endif()
  endif()
endfunction()

# Lines of the kernels are wanted in messages; the preset `debug` has more than lines.
set(ramoe_lines $<$<NOT:$<CONFIG:Debug>>:-g1>)

function(ramoe_watch_memory target)
  target_compile_options(${target} PRIVATE ${ramoe_lines} -fsanitize=thread
    $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  target_compile_definitions(${target} PRIVATE RAMOE_CUDA_EMULATION RAMOE_MEMORY_CHECK)
endfunction()

function(ramoe_cuda_objects name sources)
  add_library(${name} OBJECT ${sources})
  target_compile_definitions(${name} PRIVATE RAMOE_CUDA_EMULATION
    RAMOE_SOURCE_DIR="${RAMOE_TESTED_TREE}")
  target_compile_options(${name} PRIVATE ${ramoe_lines})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ramoe_core GTest::gtest)
endfunction()

function(ramoe_cuda_test name sources objects)
  add_executable(${name} ${sources})
  foreach(object IN LISTS objects)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:${object}>)
  endforeach()
  target_compile_definitions(${name} PRIVATE RAMOE_SOURCE_DIR="${RAMOE_TESTED_TREE}")
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ramoe_core GTest::gtest GTest::gtest_main)
  if(objects)
    # Some of these objects stand in ramoe_core too, for other values or unchecked; these come first.
    target_link_options(${name} PRIVATE -Wl,-z,muldefs)
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  endif()
endfunction()
