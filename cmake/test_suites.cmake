# ctest entries for a test program: one for each suite, so that what a suite sets up is set up once
# and a process is started for some 200 suites and not for each of over 1,000 tests. A test that
# fails is named in its suite's output. Suites are read from the sources; tests that are found there
# in no suite, as those of a macro, run together in the entry `<program>.Others`.
function(add_test_suites program sources)
  set(suites "")
  foreach(source IN LISTS sources)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} lines REGEX "^(TYPED_)?TEST(_F|_P)?\\(")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[A-Z_]+\\(([A-Za-z0-9_]+).*" "\\1" suite "${line}")
      list(APPEND suites ${suite})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES suites)
  set(found "")
  foreach(suite IN LISTS suites)
    set(filter "${suite}.*:*/${suite}.*:${suite}/*:*/${suite}/*")
    string(APPEND found ":${filter}")
    add_test(NAME ${program}.${suite} COMMAND ${program} --gtest_filter=${filter})
    set_tests_properties(${program}.${suite} PROPERTIES TIMEOUT 900
      FAIL_REGULAR_EXPRESSION "Running 0 tests")
    if("${program}.${suite}" IN_LIST RAMOE_SLOW_SUITES)
      set_tests_properties(${program}.${suite} PROPERTIES LABELS slow_under_qemu)
    endif()
  endforeach()
  add_test(NAME ${program}.Others COMMAND ${program} --gtest_filter=-${found})
  set_tests_properties(${program}.Others PROPERTIES TIMEOUT 900)
endfunction()
