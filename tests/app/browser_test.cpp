// The report in a real browser: headless Chromium, as wide as a telephone and as a desk. No message
// on the console, nothing wider than the window, nothing that moves while it loads, everything that
// scrolls or folds reachable by keyboard. Skipped where there is no Chromium.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "app/small_world.h"

namespace ramoe {
namespace {

/// Put into the copy of a page that is tested, and never part of a report: tells the window around
/// it what a script sees of the page.
const char* const probe = R"(<script>
let moved = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) moved += e.value; })
  .observe({type: "layout-shift", buffered: true});
addEventListener("load", () => setTimeout(() => {
  const root = document.documentElement, all = s => [...document.querySelectorAll(s)];
  const height = e => e.getBoundingClientRect().height;
  parent.postMessage({
    window: innerWidth,
    overflow: root.scrollWidth - root.clientWidth,
    moved: moved,
    unreachable: all("*").filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX) &&
      e.tabIndex < 0 && e.scrollWidth > e.clientWidth).length,
    unfoldable: all("details").filter(e => e.firstElementChild.tagName != "SUMMARY").length,
    folds: all("details").length,
    small: all("svg text").filter(e => height(e) > 0 && height(e) < 8).length,
  }, "*");
}, 200));
</script>)";

/// A page around it, as wide as a desk, that writes down what it is told: --dump-dom prints that. A
/// window of its own cannot be as narrow as a telephone's.
std::string frame_around(const std::string& page, int width) {
  return cat(
      "<!DOCTYPE html><html><head><title>frame</title><script>addEventListener('message', e => {"
      "for (const key in e.data) document.documentElement.dataset[key] = e.data[key]; });"
      "</script></head><body><iframe src=\"",
      page, "\" width=\"", width, "\" height=\"900\" style=\"border:0\"></iframe></body></html>");
}

std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0)
      return name;
  return "";
}

/// Standard output and error of a shell command.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  ::pclose(pipe);
  return text;
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    program_ = browser();
    if (program_.empty())
      GTEST_SKIP() << "no Chromium here; install it with: sudo apt-get install chromium";
  }

  /// What the browser prints of a page in a frame: its console, then what the probe found.
  std::string look(const std::string& page, int width) {
    const std::string copy = cat("page", width, ".html"), around = scratch_.file("around.html");
    std::string html = read_file(page);
    html.insert(html.find("<head>") + 6, probe);
    write_file(scratch_.file(copy), html);
    write_file(around, frame_around(copy, width));
    return output_of(cat("timeout 60 ", program_, " --headless=new --no-sandbox --disable-gpu",
                         " --disable-dev-shm-usage --enable-logging=stderr --user-data-dir=",
                         scratch_.file("profile"), " --hide-scrollbars --window-size=1400,1000",
                         " --virtual-time-budget=3000 --dump-dom file://", around));
  }

  /// A number that the probe found; NaN if it said nothing.
  static double found(const std::string& seen, const std::string& key) {
    const std::size_t at = seen.find(" data-" + key + "=\"");
    return at == std::string::npos ? std::nan("") : std::atof(seen.c_str() + at + key.size() + 8);
  }

  /// Both widths of a page; at least so many parts of it fold.
  void expect_good_page(const std::string& page, int folds) {
    for (const int width : {390, 1280}) {
      const std::string seen = look(page, width);
      ASSERT_EQ(found(seen, "window"), width) << seen.substr(0, 2000);
      const std::size_t message = seen.find("CONSOLE");
      EXPECT_EQ(message, std::string::npos) << seen.substr(std::min(message, seen.size()), 300);
      EXPECT_EQ(found(seen, "overflow"), 0) << width << " pixels wide";
      EXPECT_EQ(found(seen, "moved"), 0);
      EXPECT_EQ(found(seen, "unreachable"), 0);
      EXPECT_EQ(found(seen, "unfoldable"), 0);
      EXPECT_EQ(found(seen, "small"), 0) << "texts under 8 pixels at " << width;
      EXPECT_GE(found(seen, "folds"), folds);
    }
  }

  ScratchFolder scratch_;
  std::string program_;
};

TEST_F(Browser, ReportsOfADemoAndOfARun) {
  const std::string demo = scratch_.file("demo");
  const Outcome made = run_cli("demo --tier=smoke --run=" + demo);
  ASSERT_EQ(made.code, 0) << made.text;
  expect_good_page(demo + "/report.html", 3);
  const std::string run = demo + "/finetune-es-ramoe-1";
  const Outcome drawn = run_cli("report " + run);
  ASSERT_EQ(drawn.code, 0) << drawn.text;
  expect_good_page(run + "/report.html", 2);
}

TEST_F(Browser, ReportOfAGrid) {
  const SmallWorld world;
  const Outcome done = world.experiment("run");
  ASSERT_EQ(done.code, 0) << done.text;
  const Outcome drawn = run_cli("report " + world.file("run"));
  ASSERT_EQ(drawn.code, 0) << drawn.text;
  expect_good_page(world.file("run") + "/report.html", 10);
}

// The judge itself: a page with every fault is found out.
TEST_F(Browser, FaultsAreSeen) {
  const std::string page = scratch_.file("bad.html");
  write_file(page,
             "<!DOCTYPE html><html><head><title>x</title></head><body><div style=\"width:2000px\">"
             "wide</div><div style=\"overflow:auto;width:9px\">toolongforthis</div>"
             "<script>console.error('broken')</script></body></html>");
  const std::string seen = look(page, 390);
  EXPECT_NE(seen.find("broken"), std::string::npos) << seen;
  EXPECT_GT(found(seen, "overflow"), 1000) << seen;
  EXPECT_EQ(found(seen, "unreachable"), 1) << seen;
}

}  // namespace
}  // namespace ramoe
