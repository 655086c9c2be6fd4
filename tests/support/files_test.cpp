#include "support/files.h"
#include "support/json.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class Files : public testing::Test {
 protected:
  void put(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  void put_beside(const std::string& text) { std::ofstream(path_ + ".tmp") << text; }
  void expect_only(const std::string& text) {
    EXPECT_EQ(read_file(path_), text);
    EXPECT_FALSE(std::filesystem::exists(path_ + temporary_suffix));
  }
  std::string json_error(const std::string& text) {
    put(text);
    return error_of([&] { read_json(path_); });
  }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("file");
};

/// The wait status of a child that runs `act` and exits with 7 if that throws an Error.
template <class Act>
int status_of_child(const Act& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      act();
    } catch (const Error&) {
      ::_exit(7);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(Files, WritesAndReadsBytes) {
  const std::string bytes("a\0\r\n\xff", 5);
  write_file(path_, bytes);
  expect_only(bytes);
  put_beside("a file of somebody else's");
  write_file(path_, "");
  expect_only("");
  EXPECT_EQ(read_file(path_ + ".tmp"), "a file of somebody else's");
  write_file(path_, [](const WriteBytes& write) {
    for (int i = 0; i < 3; ++i) write("xy", 2);
  });
  expect_only("xyxyxy");
}

TEST_F(Files, FailingProducerLeavesTheOldFile) {
  put("old");
  const std::string error = error_of([&] {
    write_file(path_, [](const WriteBytes& write) {
      write("new", 3);
      fail("the producer broke");
    });
  });
  EXPECT_EQ(error, "the producer broke");
  expect_only("old");
}

TEST_F(Files, FullDiskLeavesTheOldFile) {
  put("old");
  const int status = status_of_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    write_file(path_, std::string(5000, 'x'));
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  expect_only("old");
}

TEST_F(Files, KilledInTheMiddleLeavesTheOldFile) {
  write_file(path_, std::string(1 << 20, 'o'));
  const int status = status_of_child([&] {
    write_file(path_, [](const WriteBytes& write) {
      const std::string piece(1 << 16, 'n');
      for (int i = 0; i < 16; ++i) {
        if (i == 8) ::kill(::getpid(), SIGKILL);
        write(piece.data(), piece.size());
      }
    });
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(path_), std::string(1 << 20, 'o'));
  write_file(path_, "next");  // the part that was left beside is in nobody's way
  expect_only("next");
}

TEST_F(Files, PlacesThatCannotBeWritten) {
  expect_contains(error_of([&] { write_file(scratch_.file("no/file"), "x"); }), "no/file");
  std::filesystem::create_directory(path_);
  expect_contains(error_of([&] { write_file(path_, "x"); }), path_);
  EXPECT_FALSE(std::filesystem::exists(path_ + temporary_suffix));
}

TEST_F(Files, FolderWithoutPermission) {
  put("old");
  using std::filesystem::perms;
  std::filesystem::permissions(scratch_.path(), perms::owner_read | perms::owner_exec |
                                                    perms::others_read | perms::others_exec);
  const int status = status_of_child([&] {
    constexpr uid_t nobody = 65534;  // root may write everywhere
    if (::geteuid() == 0 && ::seteuid(nobody) != 0) ::_exit(1);
    write_file(path_, "x");
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  expect_only("old");
}

TEST_F(Files, ReadingWhatIsNotThere) {
  expect_contains(error_of([&] { read_file(path_); }), path_ + " cannot be read: No such file");
  expect_contains(error_of([&] { read_file(scratch_.path()); }), "is a folder");
}

TEST_F(Files, JsonRoundTripKeepsOrder) {
  const Json value = {{"z", 1}, {"a", {1.5, nullptr, "ü"}}};
  write_json(path_, value);
  EXPECT_EQ(read_json(path_), value);
  EXPECT_EQ(read_json(path_).begin().key(), "z");
  EXPECT_EQ(read_file(path_).back(), '\n');
}

TEST_F(Files, JsonErrorsGiveLineAndColumn) {
  expect_contains(json_error("{\n  \"a\": ?\n}"), path_ + ", line 2, column 8: ");
  expect_contains(json_error("?"), "line 1, column 1: this is not valid JSON (unexpected");
  expect_contains(json_error("\n?"), "line 2, column 1: ");
  expect_contains(json_error("{} x"), "line 1, column 4: ");
  expect_contains(json_error("[1,"), "line 1, column 4: this is not valid JSON (the file ends");
  expect_contains(json_error(""), "line 1, column 1: this is not valid JSON (the file ends");
  expect_contains(json_error("[\"\xff\"]"), "line 1, column 3: ");
  expect_contains(json_error("[1e999]"), "too large");
}

TEST_F(Files, JsonTooDeepIsAnErrorAndBracketsInTextsDoNotCount) {
  const auto nested = [](int depth) {
    return std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']');
  };
  expect_contains(json_error(nested(201)), path_ + ": lists and objects lie more than 200 deep");
  expect_contains(json_error(std::string(1 << 20, '{')), "deep");
  put(nested(200));
  EXPECT_EQ(read_json(path_).size(), 1u);
  put("[\"" + std::string(300, '[') + "\\\"" + std::string(300, '{') + "\"]");
  EXPECT_EQ(read_json(path_)[0].get<std::string>().size(), 601u);
}

TEST_F(Files, JsonThatIsNotUtf8IsNotWritten) {
  put("old");
  expect_contains(error_of([&] { write_json(path_, Json("\xff")); }), "not UTF-8");
  expect_only("old");
}

TEST_F(Files, Folders) {
  const std::string deep = scratch_.file("a/b/c");
  make_folder(deep);
  make_folder(deep);
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  put("x");
  expect_contains(error_of([&] { make_folder(path_); }), path_);
  expect_contains(error_of([&] { make_folder(path_ + "/below"); }), path_);
}

// Known answers of FNV-1a with 64 bits (draft-eastlake-fnv).
TEST_F(Files, Checksum) {
  EXPECT_EQ(checksum(""), "cbf29ce484222325");
  EXPECT_EQ(checksum("a"), "af63dc4c8601ec8c");
  EXPECT_EQ(checksum("foobar"), "85944171f73967e8");
}

}  // namespace
}  // namespace ramoe
