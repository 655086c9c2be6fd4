# nlohmann_json, and GoogleTest for the tests. Each is taken from the folder RAMOE_DEPS if it is
# there, or found where it is installed, or fetched; docs/setup.md says what the folder may hold.
set(RAMOE_DEPS "" CACHE PATH "a folder with json.hpp and GoogleTest, for a machine without network")
set(RAMOE_JSON_URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.hpp
  CACHE STRING "where nlohmann_json is fetched from")
set(RAMOE_GTEST_URL https://github.com/google/googletest/archive/refs/tags/release-1.12.1.tar.gz
  CACHE STRING "where GoogleTest is fetched from")
mark_as_advanced(RAMOE_JSON_URL RAMOE_GTEST_URL)
set(json_sha256 9bea4c8066ef4a1c206b2be5a36302f8926f7fdc6087af5d20b417d0cf103ea6)
set(gtest_sha256 81964fe578e9bd7c94dfdb09c8e4d6e6759e19967e397dbea48d1c10e45d0df2)
set(least_json 3.10)

if(RAMOE_DEPS)
  if(NOT IS_DIRECTORY "${RAMOE_DEPS}")
    message(FATAL_ERROR "RAMOE_DEPS=${RAMOE_DEPS} is not a folder.")
  endif()
  list(PREPEND CMAKE_PREFIX_PATH "${RAMOE_DEPS}")
endif()

# Downloads `url` as `file`. Not FetchContent's own download: without a network that tries for a
# minute and a half and ends in sixty lines.
function(ramoe_fetch library url sha256 file)
  if(EXISTS "${file}")
    return()
  endif()
  message(STATUS "${library} is not installed here; fetching ${url}")
  file(DOWNLOAD "${url}" "${file}.part" STATUS status INACTIVITY_TIMEOUT 20)
  list(GET status 0 code)
  list(GET status 1 failure)
  if(code EQUAL 0)
    set(failure "")
    file(SHA256 "${file}.part" found)
    if(NOT found STREQUAL sha256)
      set(failure "its SHA-256 is ${found}, expected ${sha256}")
    endif()
  endif()
  if(NOT failure)
    file(RENAME "${file}.part" "${file}")
    return()
  endif()
  file(REMOVE "${file}.part")
  message(FATAL_ERROR " ${library} is not installed, and ${url}\n"
    " could not be fetched: ${failure}.\n"
    " One of these helps (more in docs/setup.md):\n"
    "   install it: ./.ci/deps program tests  names the command\n"
    "   try again where the network reaches that address\n"
    "   fetch that file elsewhere, put it into a folder, and: make DEPS=folder ...\n"
    "   (without make: cmake -DRAMOE_DEPS=folder)")
endfunction()

# "3.11" of a folder with nlohmann/json.hpp, in one file or in many.
function(json_version folder out)
  foreach(file json.hpp detail/abi_macros.hpp)
    if(EXISTS "${folder}/nlohmann/${file}")
      file(STRINGS "${folder}/nlohmann/${file}" lines
        REGEX "^#define NLOHMANN_JSON_VERSION_M(AJ|IN)OR +[0-9]+" LIMIT_COUNT 2)
      string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
      string(REPLACE ";" "." numbers "${numbers}")
      if(numbers)
        set(${out} ${numbers} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  set(${out} 0 PARENT_SCOPE)
endfunction()

# --- nlohmann_json: its one header is enough ---

set(json_here ${CMAKE_BINARY_DIR}/_deps/json)
set(json_folder NOTFOUND)  # find_path skips what is set, be it empty
if(RAMOE_DEPS)
  find_path(json_folder nlohmann/json.hpp PATHS "${RAMOE_DEPS}" NO_DEFAULT_PATH NO_CACHE
    PATH_SUFFIXES include single_include json/single_include json/include)
  if(NOT json_folder AND EXISTS "${RAMOE_DEPS}/json.hpp")
    configure_file("${RAMOE_DEPS}/json.hpp" ${json_here}/nlohmann/json.hpp COPYONLY)
    set(json_folder ${json_here})
  endif()
endif()
if(NOT json_folder)
  find_package(nlohmann_json ${least_json} QUIET)
endif()
if(NOT TARGET nlohmann_json::nlohmann_json)
  if(NOT json_folder)
    find_path(json_folder nlohmann/json.hpp NO_CACHE)
  endif()
  if(json_folder)
    json_version("${json_folder}" version)
    if(version VERSION_LESS least_json)
      message(STATUS "${json_folder}/nlohmann/json.hpp is ${version}; ${least_json} is needed")
      set(json_folder NOTFOUND)
    endif()
  endif()
  if(NOT json_folder)
    ramoe_fetch("nlohmann_json ${least_json}" "${RAMOE_JSON_URL}" ${json_sha256}
      ${json_here}/nlohmann/json.hpp)
    set(json_folder ${json_here})
  endif()
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
  target_include_directories(nlohmann_json::nlohmann_json INTERFACE "${json_folder}")
endif()

# --- GoogleTest: an installation, its sources, or its archive ---

if(RAMOE_TESTS)
  set(gtest_sources "")
  set(gtest_archive "")
  if(RAMOE_DEPS)
    file(GLOB gtest_sources "${RAMOE_DEPS}/googletest*/CMakeLists.txt")
    file(GLOB gtest_archive "${RAMOE_DEPS}/googletest*.tar.gz" "${RAMOE_DEPS}/release-1*.tar.gz"
      "${RAMOE_DEPS}/v1.*.tar.gz")
  elseif(CMAKE_CROSSCOMPILING)  # no package is for the other machine: Debian's sources are
    file(GLOB gtest_sources /usr/src/googletest/CMakeLists.txt)
  endif()
  if(NOT gtest_sources AND NOT gtest_archive)
    find_package(GTest QUIET)
    if(NOT TARGET GTest::gtest)
      set(gtest_archive ${CMAKE_BINARY_DIR}/_deps/googletest-1.12.1.tar.gz)
      ramoe_fetch(GoogleTest "${RAMOE_GTEST_URL}" ${gtest_sha256} ${gtest_archive})
    endif()
  endif()
endif()
if(RAMOE_TESTS AND NOT TARGET GTest::gtest)
  if(POLICY CMP0135)
    cmake_policy(SET CMP0135 NEW)
  endif()
  include(FetchContent)
  set(BUILD_GMOCK OFF CACHE INTERNAL "")
  set(INSTALL_GTEST OFF CACHE INTERNAL "")
  set(CMAKE_POLICY_VERSION_MINIMUM 3.22)  # it asks for 3.5, which CMake 4 warns of
  if(gtest_sources)
    list(GET gtest_sources 0 gtest_sources)
    get_filename_component(FETCHCONTENT_SOURCE_DIR_GOOGLETEST "${gtest_sources}" DIRECTORY)
    FetchContent_Declare(googletest)
  else()
    list(GET gtest_archive 0 gtest_archive)
    FetchContent_Declare(googletest URL "${gtest_archive}")
  endif()
  FetchContent_MakeAvailable(googletest)
  # The tests' warnings are not for its headers.
  foreach(target gtest gtest_main)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${folders}")
  endforeach()
endif()
