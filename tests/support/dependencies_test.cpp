// cmake/dependencies.cmake: where nlohmann_json comes from, and what is said if it comes from
// nowhere; cmake/cuda.cmake without Linux. Each test configures a project of a few lines, without a
// compiler.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

class Dependencies : public testing::Test {
 protected:
  void SetUp() override {
    put("CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.22)\nproject(x LANGUAGES NONE)\n"
        "set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)\n"
        "set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\n"
        "include(" RAMOE_SOURCE_DIR
        "/cmake/dependencies.cmake)\n"
        "get_target_property(place nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)\n"
        "message(STATUS \"json from ${place}\")\n");
  }
  void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(scratch_.file(path)).parent_path());
    write_file(scratch_.file(path), text);
  }
  /// The exit code of CMake, which finds nothing that is installed; what it says goes to said().
  int configure(const std::string& options) {
    const int status =
        std::system(("cd " + scratch_.path() +
                     " && rm -rf b && cmake -S . -B b -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON"
                     " -DRAMOE_JSON_URL=file://" +
                     scratch_.file("fetched.hpp") + " " + options + " >said 2>&1")
                        .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said() const { return read_file(scratch_.file("said")); }

  ScratchFolder scratch_;
};

constexpr const char* header =
    "#define NLOHMANN_JSON_VERSION_MAJOR 3   // major\n#define NLOHMANN_JSON_VERSION_MINOR ";

TEST_F(Dependencies, AFolderWithTheOneHeaderIsEnough) {
  put("my deps/json.hpp", "the header");
  ASSERT_EQ(configure("'-DRAMOE_DEPS=my deps'"), 0) << said();
  expect_contains(said(), "json from " + scratch_.file("b/_deps/json"));
  EXPECT_EQ(read_file(scratch_.file("b/_deps/json/nlohmann/json.hpp")), "the header");
}

TEST_F(Dependencies, AFolderMayBeAnInstallation) {
  for (const char* place : {"one", "two/include", "three/single_include"}) {
    put(std::string(place) + "/nlohmann/json.hpp", std::string(header) + "10");
    const std::string name = std::string(place).substr(0, std::string(place).find('/'));
    ASSERT_EQ(configure("-DRAMOE_DEPS=" + name), 0) << said();
    expect_contains(said(), "json from " + scratch_.file(place));
  }
}

TEST_F(Dependencies, AnInstalledHeaderIsTakenIfItIsNewEnough) {
  put("old/include/nlohmann/json.hpp", std::string(header) + "9");
  EXPECT_NE(configure("-DCMAKE_PREFIX_PATH=" + scratch_.file("old")), 0);
  expect_contains(said(), "json.hpp is 3.9; 3.10 is needed");
  put("new/include/nlohmann/json.hpp", "#include <nlohmann/detail/abi_macros.hpp>");
  put("new/include/nlohmann/detail/abi_macros.hpp", std::string(header) + "11");
  EXPECT_EQ(configure("-DCMAKE_PREFIX_PATH=" + scratch_.file("new")), 0) << said();
  expect_contains(said(), "json from " + scratch_.file("new/include"));
}

TEST_F(Dependencies, WhatIsFetchedHasItsChecksum) {
  put("fetched.hpp", "something else");
  EXPECT_NE(configure(""), 0);
  expect_contains(said(), "could not be fetched: its SHA-256 is ");
  EXPECT_FALSE(fs::exists(scratch_.file("b/_deps/json/nlohmann/json.hpp")));
}

TEST_F(Dependencies, WithoutAnySourceTheThreeWaysAreTold) {
  EXPECT_NE(configure(""), 0);
  for (const char* part :
       {"nlohmann_json 3.10 is not installed, and file:///", "./.ci/deps",
        "try again where the network reaches", "make DEPS=folder", "docs/setup.md"})
    expect_contains(said(), part);
  EXPECT_NE(configure("-DRAMOE_DEPS=nowhere"), 0);
  expect_contains(said(), "/nowhere is not a folder.");
}

// A Mac builds the program and all other tests.
TEST_F(Dependencies, TheEmulationOfCudaIsLeftOutWhereThereIsNoLinux) {
  put("CMakeLists.txt",
      "cmake_minimum_required(VERSION 3.22)\nproject(x LANGUAGES NONE)\n"
      "set(CMAKE_SYSTEM_NAME Darwin)\nadd_library(ramoe_flags INTERFACE)\n"
      "function(ramoe_use_reference)\nendfunction()\n"
      "include(" RAMOE_SOURCE_DIR "/cmake/cuda.cmake)\nramoe_cuda_tests()\n");
  ASSERT_EQ(configure("-DRAMOE_CUDA=OFF"), 0) << said();
  expect_contains(said(), "emulation needs Linux; tests/cuda and the labs of CUDA are left out");
  EXPECT_NE(configure("-DRAMOE_CUDA=OFF -DRAMOE_CUDA_EMULATION=ON"), 0);
  expect_contains(said(), "RAMOE_CUDA_EMULATION on Darwin: the emulation needs Linux.");
}

}  // namespace
}  // namespace ramoe
