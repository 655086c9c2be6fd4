// .ci/deps on machines that are made of stand-ins: a folder of scripts, the whole PATH of the
// program, that play compiler, CMake and package managers. What is run and what is told is compared
// word for word, because a person will type it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <regex>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Installing with any manager brings the compiler that the file `brings` describes, and the rest.
const std::string kManager = R"(here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/../log"
case "$*" in *install* | *-S* | *add*) ;; *) exit 0 ;; esac
[ -e "$here/../brings" ] || exit 1
for name in c++ g++ cmake make; do cp "$here/../brings.$name" "$here/$name"; done
touch "$here/../json.hpp" "$here/../gtest.h"
)";

class Deps : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(scratch_.file("bin"));
    for (const char* tool : {"bash", "basename", "cat", "cp", "dirname", "env", "ls", "touch"})
      link(tool);
    put("true", "");
    put("id", "echo 1000");
    put("uname", "echo Linux");
    put("sudo", "exit 1");
  }

  void put(const std::string& name, const std::string& script) { put_at("bin/" + name, script); }
  void put_at(const std::string& path, const std::string& script) {
    write_file(scratch_.file(path), "#!/bin/sh\n" + script + "\n");
    fs::permissions(scratch_.file(path), fs::perms::owner_all);
  }
  void link(const std::string& tool) {
    const std::string line = "command -v " + tool + " >" + scratch_.file("found");
    ASSERT_EQ(std::system(line.c_str()), 0) << tool;
    std::string found = read_file(scratch_.file("found"));
    found.pop_back();
    fs::create_symlink(found, scratch_.file("bin/" + tool));
  }
  /// A compiler that says "gnu clang apple" of itself and finds json.hpp and gtest.h if the files
  /// are there.
  static std::string compiler(const std::string& macros) {
    return "case \"$*\" in *-E*) echo '" + macros +
           "'; exit 0 ;; esac\nread -r _ header\nhere=$(dirname \"$0\")/..\n"
           "case \"$header\" in *json*) [ -e \"$here/json.hpp\" ] ;; "
           "*) [ -e \"$here/gtest.h\" ] ;; esac";
  }
  static std::string gxx(int version) {
    return compiler(std::to_string(version) + " __clang_major__ __apple_build_version__");
  }
  static std::string cmake(const std::string& version) {
    return "echo 'cmake version " + version + "'; echo; echo 'CMake suite'";
  }
  /// What the stand-ins of package managers bring; without it they fail.
  void let_install(const std::string& cxx) {
    for (const char* name : {"brings.c++", "brings.g++"}) put_at(name, cxx);
    put_at("brings.cmake", cmake("3.31.6"));
    put_at("brings.make", "");
    write_file(scratch_.file("brings"), "");
  }
  void put_build_tools() {
    put("c++", gxx(12));
    put("cmake", cmake("3.22.1"));
    put("make", "");
  }
  void touch(const std::string& file) { write_file(scratch_.file(file), ""); }

  /// The exit code of .ci/deps; both its streams go to said().
  int deps(const std::string& parts, const std::string& environment = "") {
    const int status = std::system(("env -i PATH=" + scratch_.file("bin") + " " + environment +
                                    " " RAMOE_SOURCE_DIR "/.ci/deps " + parts + " >" +
                                    scratch_.file("said") + " 2>&1")
                                       .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said() const { return read_file(scratch_.file("said")); }
  std::string log() const {
    return fs::exists(scratch_.file("log")) ? read_file(scratch_.file("log")) : "";
  }
  bool says(const std::string& words) const { return said().find(words) != std::string::npos; }

  ScratchFolder scratch_;
};

struct Manager {
  const char *name, *install, *before = "";
};
const Manager managers[] = {
    {"apt-get",
     "apt-get install -y --no-install-recommends g++ cmake make nlohmann-json3-dev libgtest-dev",
     "apt-get update"},
    {"dnf", "dnf install -y gcc-c++ cmake make json-devel gtest-devel"},
    {"zypper", "zypper --non-interactive install gcc-c++ cmake make nlohmann_json-devel gtest"},
    {"pacman", "pacman -S --needed --noconfirm gcc cmake make nlohmann-json gtest"},
    {"apk", "apk add g++ cmake make nlohmann-json gtest-dev"}};

TEST_F(Deps, WithoutRootTheLineToTypeIsTold) {
  for (const Manager& m : managers) {
    put(m.name, kManager);
    EXPECT_EQ(deps("program tests"), 1);
    std::string line = "sudo " + std::string(m.install);
    if (*m.before != 0) line = "sudo " + std::string(m.before) + " && " + line;
    EXPECT_EQ(said(),
              "missing: a C++20 compiler, g++ 12 or clang 14 or newer, cmake 3.22 or newer, make, "
              "nlohmann-json 3.10 or newer, GoogleTest\ninstall with: " +
                  line + "\nwithout root, or on a cluster: docs/setup.md\n");
    EXPECT_EQ(log(), "") << "nothing is installed";
    fs::remove(scratch_.file("bin/" + std::string(m.name)));
  }
}

TEST_F(Deps, RootInstalls) {
  put("id", "echo 0");
  let_install(gxx(14));
  for (const Manager& m : managers) {
    put(m.name, kManager);
    EXPECT_EQ(deps("program tests"), 0) << said();
    const std::string quiet = *m.before != 0 ? std::string(m.before) + " -qq\n" : "";
    EXPECT_EQ(log(), quiet + m.install + (quiet.empty() ? "\n" : " -qq\n"));
    EXPECT_TRUE(says("installing with: " + std::string(m.install))) << said();
    EXPECT_EQ(deps("program tests"), 0);
    EXPECT_EQ(said(), "") << "all is there";
    for (const char* file :
         {"log", "json.hpp", "gtest.h", "bin/c++", "bin/g++", "bin/cmake", "bin/make"})
      fs::remove(scratch_.file(file));
    fs::remove(scratch_.file("bin/" + std::string(m.name)));
  }
}

TEST_F(Deps, PasswordFreeSudoInstalls) {
  put("sudo", "[ \"$1\" = -n ] || exit 1\nshift\nexec \"$@\"");
  put("dnf", kManager);
  let_install(gxx(12));
  EXPECT_EQ(deps("program"), 0) << said();
  EXPECT_EQ(log(), "dnf install -y gcc-c++ cmake make json-devel\n");
}

TEST_F(Deps, AFailedInstallationIsToldWithItsLine) {
  put("id", "echo 0");
  put("pacman", kManager);
  EXPECT_EQ(deps("program"), 1);
  EXPECT_TRUE(says("that failed\n")) << said();
  EXPECT_TRUE(
      says("install with: sudo pacman -S --needed --noconfirm gcc cmake make nlohmann-json"))
      << said();
}

TEST_F(Deps, AMissingLibraryIsLeftToCMake) {
  put_build_tools();
  put("apt-get", kManager);
  EXPECT_EQ(deps("program tests"), 0);
  EXPECT_EQ(said(),
            "not installed: nlohmann-json 3.10 or newer, GoogleTest; CMake fetches it, or takes it "
            "from DEPS=folder; or: sudo apt-get update && sudo apt-get install -y "
            "--no-install-recommends nlohmann-json3-dev libgtest-dev\n");
  EXPECT_EQ(deps("program tests", "DEPS=somewhere"), 0);
  EXPECT_EQ(said(), "");
  touch("json.hpp");
  EXPECT_EQ(deps("program"), 0);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(log(), "");
}

TEST_F(Deps, HomebrewNeedsNoRoot) {
  put("uname", "echo Darwin");
  put("c++", compiler("4 17 17000013"));
  put("make", "");
  put("brew", kManager);
  let_install(gxx(14));
  EXPECT_EQ(deps("program tests"), 0) << said();
  EXPECT_EQ(log(), "brew install cmake nlohmann-json googletest\n");
}

TEST_F(Deps, AMacWithNothing) {
  put("uname", "echo Darwin");
  EXPECT_EQ(deps("program"), 1);
  EXPECT_TRUE(says("xcode-select --install && brew install gcc cmake make nlohmann-json"))
      << said();
}

TEST_F(Deps, ASystemWithoutAKnownManager) {
  EXPECT_EQ(deps("program"), 1);
  EXPECT_TRUE(says("install with: the package manager of this system\n")) << said();
}

TEST_F(Deps, ANewerCompilerOfAnotherNameIsTaken) {
  put_build_tools();
  touch("json.hpp");
  put("c++", gxx(11));
  put("clang++", compiler("4 13 __apple_build_version__"));
  EXPECT_EQ(deps("compiler"), 1);
  put("clang++-15", compiler("4 15 __apple_build_version__"));
  EXPECT_EQ(deps("compiler"), 0);
  EXPECT_EQ(said(), "clang++-15\n");
  put("g++-13", gxx(13));
  EXPECT_EQ(deps("compiler"), 0);
  EXPECT_EQ(said(), "g++-13\n");
  EXPECT_EQ(deps("program"), 0) << said();
}

TEST_F(Deps, WhereThePackageOfTheCompilerIsTooOldTheNextIsInstalled) {
  put("id", "echo 0");
  put("apt-get", kManager);
  let_install(gxx(11));
  EXPECT_EQ(deps("program"), 1);
  const std::string line = "apt-get install -y --no-install-recommends g++";
  expect_contains(log(), line + " cmake make nlohmann-json3-dev -qq\n");
  expect_contains(log(), line + "-12 -qq\n");
}

TEST_F(Deps, CxxIsObeyed) {
  put_build_tools();
  touch("json.hpp");
  put("apt-get", kManager);
  put("old", gxx(11));
  put("apple", compiler("4 14 14000029"));
  put("ccache", "exec \"$@\"");
  EXPECT_EQ(deps("program", "CXX=c++"), 0) << said();
  EXPECT_EQ(deps("program", "CXX='ccache c++'"), 0) << said();
  for (const char* name : {"old", "apple", "absent"}) {
    EXPECT_EQ(deps("program", std::string("CXX=") + name), 1);
    EXPECT_TRUE(says(cat("(CXX=", name, " is none)"))) << said();
    EXPECT_FALSE(says("apt-get")) << "another package would not help: " << said();
  }
}

TEST_F(Deps, AnOldCMakeIsMissing) {
  put_build_tools();
  touch("json.hpp");
  for (const auto& [version, code] : {std::pair{"3.18.4", 1}, {"2.99", 1}, {"4.0.2", 0}}) {
    put("cmake", cmake(version));
    EXPECT_EQ(deps("program"), code) << version << " " << said();
  }
  put("cmake", cmake("3.21.9"));
  EXPECT_EQ(deps("program"), 1);
  EXPECT_TRUE(says("missing: cmake 3.22 or newer\n")) << said();
}

// The container has ninja, so that .ci/deps does not bring the make that is called there.
TEST(Container, InstallsMake) {
  const std::string file = read_file(RAMOE_SOURCE_DIR "/.devcontainer/Dockerfile");
  EXPECT_TRUE(std::regex_search(file, std::regex("apt-get install[^&]* make[ \\n]"))) << file;
}

TEST_F(Deps, NinjaWillDo) {
  put_build_tools();
  touch("json.hpp");
  fs::remove(scratch_.file("bin/make"));
  EXPECT_EQ(deps("program"), 1);
  put("ninja", "");
  EXPECT_EQ(deps("program"), 0) << said();
}

}  // namespace
}  // namespace ramoe
