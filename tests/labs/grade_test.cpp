// The grader tried by students who would rather not do the lab: each loses that lab's points and is
// told why, and everything else is graded.
#include <gtest/gtest.h>

#include <set>

#include "labs/made_course.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

/// What is handed in, how many of the 9 points it brings, and what the student must read.
struct Try {
  HandedIn handed_in;
  double points;
  std::string told;
};

std::string as_wrong(const std::string& before) {
  return before + "\nreturn x; }\n";
}
const std::string head = "#include <cstdlib>\n#include <cstdio>\ndouble answer(int x) {\n";

/// The looks at source and object are on: most of these never run.
const std::vector<Try> tries = {
    {{"right", "double answer(int x) { return 2.0 * x; }\n"}, 9, ""},
    {{"talkative",
      "#include <iostream>\nnamespace ramoe { int help(int x) { return x + x; } }\n"
      "double answer(int x) { std::cout << x; return ramoe::help(x); }\n"},
     9,
     ""},
    {{"stub",
      "#include \"support/error.h\"\ndouble answer(int) { ramoe::fail(\"lab 5, answer: not done "
      "yet\"); }\n"},
     0,
     "lab 5, answer: not done yet"},
    {{"wrong", as_wrong(head)}, 2, "twice 21"},
    {{"null", head + "return *(volatile int*)0 + x; }\n"}, 0, "SIGSEGV"},
    {{"abort", head + "abort(); }\n"}, 0, "SIGABRT"},
    {{"recursion",
      "int deep(volatile int* x) { volatile int y[100]; y[7] = *x; return deep(y) + y[7]; }\n" +
          head + "volatile int y = x; return deep(&y); }\n"},
     0,
     "endless recursion"},
    {{"hog",
      "#include <vector>\n" + head +
          "std::vector<double> v(1 << 20, 1.); for (;;) v.insert(v.end(), 1 << 20, 1.); }\n"},
     0,
     "bad_alloc"},
    {{"watched_hog",  // its addresses are not limited, since the emulation reserves many
      "#include <cstring>\n" + head + "for (;;) std::memset(new char[1 << 24], x, 1 << 24); }\n",
      "cuda"},
     0,
     "more than 512 MiB of memory"},
    {{"watched",
      "#include <vector>\ndouble answer(int x) { std::vector<double> v(1 << 24, 2.); return v[7] * "
      "x; }\n",
      "cuda"},
     9,
     ""},
    {{"busy", head + "for (volatile int i = 0;; i = x) {} }\n"}, 0, "stopped after 2 s"},
    {{"flood", head + "for (;;) puts(\"a line of very much output, again and again\"); }\n"},
     0,
     "MiB of output"},
    {{"nan", head + "return 0 * x / 0.0; }\n"}, 0, "nan"},
    {{"fake_print",
      as_wrong(head + "puts(\"[       OK ] Answer.Doubles\\n[  PASSED  ] 2 tests.\");")},
     2,
     "twice 21"},
    {{"no_compiling", "double answer(int x) { return x + }\n"},
     0,
     "labs/no_compiling.cpp:1:3"},
    {{"missing", ""}, 0, "labs/missing.cpp: the file is missing"},
    {{"sleeping", "#include <unistd.h>\n" + as_wrong(head + "sleep(99);")},
     0,
     "sleeping.cpp:1: `#include <unistd.h>`"},
    {{"sleeping_bare", "extern \"C\" unsigned sleep(unsigned);\n" + as_wrong(head + "sleep(99);")},
     0,
     "`sleep`, which sleeps"},
    {{"forks", "extern \"C\" int fork();\n" + as_wrong(head + "for (;;) fork();")},
     0,
     "`fork`, which starts processes"},
    {{"writes", as_wrong(head + "fopen(\"/tmp/ramoe_was_here\", \"w\");")},
     0,
     "`fopen`, which opens files"},
    {{"streams", "#include <fstream>\n" + as_wrong(head)},
     0,
     "streams.cpp:1: `#include <fstream>`"},
    {{"sockets", "extern \"C\" int socket(int, int, int);\n" + as_wrong(head + "socket(2, 1, 0);")},
     0,
     "uses the network"},
    {{"exits", as_wrong(head + "exit(0);")}, 0, "`exit`, which ends the program"},
    {{"early_exit",
      "extern \"C\" void _exit(int);\nstruct A { A() { _exit(0); } } a;\n" + as_wrong(head)},
     0,
     "`_exit`"},
    {{"early_code",
      "int& odd();\nnamespace { struct A { A(); } a; A::A() { odd() = 1; } }\nint& odd() { static "
      "int x; return x; }\n" +
          as_wrong(head)},
     0,
     "before main()"},
    {{"own_main", "int main() { return 0; }\n" + as_wrong(head)}, 0, "defines main()"},
    {{"own_malloc", "extern \"C\" void* malloc(unsigned long) { return 0; }\n" +
                        as_wrong("double answer(int x) {")},
     0,
     "`malloc`, which is not the lab's"},
    {{"own_test",
      "namespace testing { struct UnitTest { int Run(); }; int UnitTest::Run() { return 0; } }\n" +
          as_wrong(head)},
     0,
     "`testing::UnitTest::Run()`"},
    {{"own_random",
      "namespace ramoe { struct Random { double uniform(); }; double Random::uniform() { return 0; "
      "} }\n" +
          as_wrong(head)},
     0,
     "not the lab's to define"},
    {{"borrows",
      "namespace ramoe { double done(double); }\ndouble answer(int x) { return ramoe::done(x); "
      "}\n"},
     0,
     "write it yourself"},
    {{"includes", "#include \"../../reference/labs/includes.cpp\"\n"},
     0,
     "includes.cpp:1: `#include"},
    {{"splices", "#inc\\\nlude \"/etc/hostname\"\n" + as_wrong(head)},
     0,
     "`#include \"/etc/hostname\"`"},
    {{"assembles", as_wrong(head + "asm(\"nop\");")}, 0, "assembles.cpp:4: `asm` is assembler"},
    {{"pastes", "#define AS(a, b) a##b\n" + as_wrong(head + "AS(as, m)(\"nop\");")},
     0,
     "assembler, through a macro"},
};

/// Without those looks: it runs, and the guards of the process and the nonce must do.
const std::vector<Try> unchecked = {
    {{"right", "double answer(int x) { return 2.0 * x; }\n"}, 9, ""},
    {{"exits", as_wrong(head + "exit(0);")}, 0, "ended by itself, with exit code 0"},
    {{"early_exit",
      "extern \"C\" void _exit(int);\nstruct A { A() { _exit(0); } } a;\n" + as_wrong(head)},
     0,
     "exit code 0"},
    {{"sleeping", "extern \"C\" unsigned sleep(unsigned);\n" + as_wrong(head + "sleep(99);")},
     0,
     "stopped after 2 s"},
    {{"forks",
      "extern \"C\" int fork();\n" + as_wrong(head + "for (int i = 0; i < 1000; ++i) fork();")},
     2,
     "twice 21"},
    {{"fake_report",
      "extern \"C\" long write(int, const void*, unsigned long);\n" +
          as_wrong(head + "write(3, \"end Answer.Doubles passed\\n\", 26); exit(0);")},
     0,
     "something besides the tests wrote"},
    {{"fake_files",
      as_wrong(head + "FILE* f = fopen(\"OUT/grade.json\", \"w\"); if (f) fputs(\"{}\", f);")},
     2,
     "twice 21"},
    {{"edits", as_wrong(head + "FILE* f = fopen(\"TREE/labs/right.cpp\", \"w\"); if (f) "
                               "fputs(\"?\", f); else puts(\"no\");")},
     2,
     "twice 21"},
    {{"own_main", "int main() { return 0; }\n" + as_wrong(head)}, 2, "twice 21"},
};

class Grade : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"python3", "nm", "readelf"})
      if (!has_tool(tool)) GTEST_SKIP() << tool << " is not installed; only grading needs it";
#ifndef __linux__
    GTEST_SKIP() << "the guards are Linux's";
#endif
    course_.begin_again();
  }
  static void expect_all(const std::vector<Try>& all) {
    for (const Try& one : all) {
      const Json lab = course_.graded(one.handed_in.name);
      EXPECT_EQ(lab.at("points"), one.points) << one.handed_in.name << "\n" << lab.dump(1);
      EXPECT_EQ(lab.at("most"), 9) << one.handed_in.name;
      expect_contains(MadeCourse::told(lab), one.told);
    }
  }
  static inline MadeCourse course_;
};

TEST_F(Grade, WhoeverCheatsLosesTheLabAndNobodyElse) {
  for (const Try& one : tries) course_.hand_in(one.handed_in);
  ASSERT_EQ(course_.grade(""), 0) << course_.said();
  expect_all(tries);
  expect_contains(course_.said(), "2 of 3 failed");  // a table
  expect_contains(read_file(course_.file("out/junit.xml")), "name=\"Answer.Doubles\"");
}

TEST_F(Grade, WithoutLooksTheProcessesAreStillGuarded) {
  std::vector<Try> all = unchecked;
  for (Try& one : all) {
    for (const auto& [word, folder] : {std::pair{"OUT", "out"}, {"TREE", "tree"}})
      if (const auto at = one.handed_in.source.find(word + std::string("/"));
          at != std::string::npos)
        one.handed_in.source.replace(at, std::string(word).size(), course_.file(folder));
    course_.hand_in(one.handed_in);
  }
  ASSERT_EQ(course_.grade("--without='source check,object check'"), 0) << course_.said();
  expect_all(all);
  EXPECT_EQ(read_file(course_.file("tree/labs/right.cpp")), all[0].handed_in.source);
  EXPECT_EQ(read_json(course_.file("out/grade.json")).at("guards").at("object check"), "off");
}

TEST_F(Grade, WithoutWallsWhatWasWrittenIsFound) {
  course_.hand_in({"right", "double answer(int x) { return 2.0 * x; }\n"});
  course_.hand_in({"writes", head + "FILE* f = fopen(\"" + course_.file("tree/labs/right.cpp") +
                                 "\", \"a\"); if (f) fputs(\"//\", f); return 2.0 * x; }\n"});
  ASSERT_EQ(course_.grade("--without='source check,object check,view of files,landlock,no rights'"),
            0)
      << course_.said();
  EXPECT_EQ(course_.graded("right").at("points"), 9);
  EXPECT_EQ(course_.graded("writes").at("points"), 0);
  expect_contains(course_.said(), "it has written outside its folder: labs/right.cpp");
}

TEST_F(Grade, AHeaderIsCompiledWithTheTestsAndMustNotChangeThem) {
  const std::string wrong = "inline double answer(int x) { return x; }\n";
  const std::vector<Try> headers = {
      {{"", "inline double answer(int x) { return x + x; }\n"}, 5, ""},
      {{"",
        "#include <functional>\ninline double answer(int x) {\n  const std::function<double()> f = "
        "[x] { return x + x; };\n  return f ? f() : 0;\n}\n"},
       5,
       ""},
      {{"",
        "#include \"support/error.h\"\ninline double answer(int x) { ramoe::fail(x, \" not "
        "done\"); }\n"},
       0,
       "21 not done"},
      {{"", "#include <vector>\n#define expect_same(a, b)\n" + wrong}, 0, "may not define macros"},
      {{"", "namespace ramoe { inline void expect_same(double, double) {} }\n" + wrong},
       0,
       "another `ramoe::expect_same`"},
      {{"", "namespace testing { inline int quiet() { static int x = 1; return x; } }\n" +
                std::string("inline double answer(int x) { return testing::quiet() * x; }\n")},
       0,
       "not the lab's to define"}};
  for (const Try& one : headers) {
    course_.begin_again();
    course_.hand_in_header(one.handed_in.source);
    ASSERT_EQ(course_.grade(""), 0) << course_.said();
    const Json lab = course_.graded("header");
    EXPECT_EQ(lab.at("points"), one.points) << one.handed_in.source << lab.dump(1);
    expect_contains(MadeCourse::told(lab), one.told);
  }
}

/// The labs here have one reference. Two threads once linked it at once, into one file that one of
/// them was running.
TEST_F(Grade, LabsWithOneReferenceMakeItOnce) {
  const std::string links = course_.file("links"), linker = course_.file("linker");
  write_file(linker, "#!/bin/sh\ncase \"$*\" in *guard.cpp*) ;; *) echo >> " + links +
                         "; sleep 0.3;; esac\nexec " RAMOE_CXX " \"$@\"\n");
  std::filesystem::permissions(linker, std::filesystem::perms(0755));
  course_.link = {linker};
  for (const char* name : {"first", "second"})
    course_.hand_in({name, "double answer(int x) { return 2.0 * x; }\n"});
  course_.link = MadeCourse::compiler();
  ASSERT_EQ(course_.grade(""), 0) << course_.said();
  EXPECT_EQ(course_.graded("second").at("points"), 9);
  EXPECT_EQ(read_file(links).size(),
            6u);  // tests and hidden checks of two labs and of one reference
}

TEST_F(Grade, FormsForOthersHoldTheSamePoints) {
  course_.hand_in({"right", "double answer(int x) { return 2.0 * x; }\n"});
  course_.hand_in({"wrong", as_wrong(head)});
  ASSERT_EQ(course_.grade("--format=gradescope --require=11"), 0) << course_.said();
  const Json results = read_json(course_.file("out/results.json"));
  EXPECT_EQ(results.at("score"), 11);
  EXPECT_EQ(results.at("tests").size(), 6u);
  EXPECT_EQ(results.at("tests")[2].at("visibility"), "after_due_date");
  // The keys and words of Gradescope's documentation.
  for (const Json& test : results.at("tests")) {
    for (const auto& [key, value] : test.items())
      EXPECT_TRUE(std::set<std::string>({"score", "max_score", "status", "name", "output",
                                         "output_format", "visibility"})
                      .contains(key))
          << key;
    EXPECT_EQ(test.at("status"), test.at("score") == test.at("max_score") ? "passed" : "failed");
    EXPECT_EQ(test.at("output_format"), "text");
  }
  ASSERT_EQ(course_.grade("--require=all"), 1) << course_.said();
  ASSERT_EQ(course_.grade("--need='no such guard'"), 2) << course_.said();
  expect_contains(course_.said(), "does not hold on this machine");
}

TEST_F(Grade, AFolderOfSubmissionsBecomesATable) {
  course_.hand_in({"right", "double answer(int x) { return 2.0 * x; }\n"});
  namespace fs = std::filesystem;
  fs::create_directories(course_.file("all/ann/project"));
  fs::copy(course_.file("tree/labs"), course_.file("all/ann/project/labs"));
  fs::create_directories(course_.file("all/=bob"));
  write_file(course_.file("all/cid.zip"), "no archive");
  ASSERT_EQ(
      course_.grade("--submissions=" + course_.file("all") + " --out=" + course_.file("all.csv")),
      0)
      << course_.said();
  const std::string table = read_file(course_.file("all.csv"));
  expect_contains(table, "submission,points,most,right,remarks");
  expect_contains(table, "ann,9,9,9,");
  expect_contains(table, "'=bob,0,,,no file of a lab was found in it");
  expect_contains(table, "cid.zip,0,,,cannot be read");
}

}  // namespace
}  // namespace ramoe
