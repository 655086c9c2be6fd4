# A checksum over the sources that can change a result of `ramoe experiment`, as a C++ source.
#
#   cmake -DROOT=<repository> -DOUT=<file> -P cmake/code_checksum.cmake
#
# Comments, blank lines and white space at the ends of lines do not count. Nothing of git is needed.
# Left out are sources that compute nothing: run folders, progress, memory estimates, pages; and
# what no run of an experiment calls: `ramoe headroom` and `ramoe lesion`.
file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/src/support/* ${ROOT}/src/fast/*
  ${ROOT}/src/formats/* ${ROOT}/src/ch0*/* ${ROOT}/src/ch10*/* ${ROOT}/src/ch11*/* ${ROOT}/src/ch12_experiments/evaluation.*
  ${ROOT}/src/app/base_run.* ${ROOT}/src/app/model_folder.* ${ROOT}/src/app/stages.h
  ${ROOT}/src/app/divergence.cpp
  ${ROOT}/src/app/taxonomy.cpp ${ROOT}/src/app/finetune.cpp ${ROOT}/src/app/experiment_run.*)
list(FILTER sources EXCLUDE REGEX "ch05_training/memory\\.|ch06_languages/switched\\.")
list(FILTER sources EXCLUDE REGEX "ch07_divergence/(forced_routing|headroom|lesion)\\.")
list(SORT sources)
set(all "")
foreach(source IN LISTS sources)
  file(READ "${ROOT}/${source}" text)
  string(REGEX REPLACE "[ \t]*//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "[ \t\r]*\n[ \t\r\n]*\n" "\n" text "${text}")
  string(APPEND all "${source}\n${text}\n")
endforeach()
string(SHA256 checksum "${all}")
string(SUBSTRING "${checksum}" 0 16 checksum)
set(content "namespace ramoe {\nextern const char* const code_checksum;\n\
const char* const code_checksum = \"${checksum}\";\n}  // namespace ramoe\n")
set(before "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" before)
endif()
if(NOT before STREQUAL content)
  file(WRITE "${OUT}" "${content}")
endif()
message(STATUS "checksum of the code: ${checksum}")
