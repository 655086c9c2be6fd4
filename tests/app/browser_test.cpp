// The report in a real browser: headless Chromium on a telephone's width and on a desk's. No message
// on the console, nothing wider than the window, nothing that moves while it loads, everything that
// scrolls or folds reachable by keyboard. Skipped where there is no Chromium.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "app/cli.h"
#include "support/files.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Run by the copy of a page that is tested, and never part of a report: what a script sees of the
/// page, as attributes of the root that --dump-dom prints.
const char* const probe = R"(<script>
let moved = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) moved += e.value; })
  .observe({type: "layout-shift", buffered: true});
addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => {
  const root = document.documentElement;
  const all = selector => [...document.querySelectorAll(selector)];
  root.dataset.overflow = root.scrollWidth - root.clientWidth;
  root.dataset.window = innerWidth;
  root.dataset.moved = moved;
  root.dataset.unreachable = all("*").filter(e =>
    ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0 &&
    e.scrollWidth > e.clientWidth).length;
  root.dataset.folds = all("details").filter(e => e.firstElementChild.tagName == "SUMMARY").length;
  root.dataset.details = all("details").length;
  root.dataset.small = all("svg text").filter(e => e.getBoundingClientRect().height > 0 &&
    e.getBoundingClientRect().height < 8).length;
})));
</script>)";

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

  /// What the browser prints for a page in a window: its console, then the page with the probe's
  /// findings.
  std::string look(const std::string& page, int width) {
    const std::string copy = scratch_.file(cat("page", width, ".html"));
    std::string html = read_file(page);
    html.insert(html.find("<head>") + 6, probe);
    write_file(copy, html);
    return output_of(cat("timeout 60 ", program_, " --headless=new --no-sandbox --disable-gpu",
                         " --disable-dev-shm-usage --enable-logging=stderr --user-data-dir=",
                         scratch_.file("profile"), " --hide-scrollbars --window-size=", width,
                         ",900 --virtual-time-budget=3000 --dump-dom file://", copy));
  }

  /// Both widths of a page; `folds` of it at least.
  void expect_good_page(const std::string& page, int folds) {
    for (const int width : {500, 1280}) {  // Chromium has no window narrower than 500
      const std::string seen = look(page, width);
      const auto value = [&](const std::string& key) {
        const std::size_t at = seen.find(" data-" + key + "=\"");
        return at == std::string::npos ? -1.0 : std::atof(seen.c_str() + at + key.size() + 8);
      };
      ASSERT_NE(seen.find("</html>"), std::string::npos) << seen.substr(0, 2000);
      EXPECT_EQ(seen.find("CONSOLE"), std::string::npos) << seen.substr(seen.find("CONSOLE"), 300);
      EXPECT_EQ(value("window"), width);
      EXPECT_EQ(value("overflow"), 0) << width << " pixels wide";
      EXPECT_EQ(value("moved"), 0);
      EXPECT_EQ(value("unreachable"), 0);
      EXPECT_EQ(value("small"), 0) << "texts of a drawing under 8 pixels at " << width;
      EXPECT_EQ(value("folds"), value("details"));
      EXPECT_GE(value("folds"), folds);
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

// The judge itself: a page with every fault is found out.
TEST_F(Browser, FaultsAreSeen) {
  const std::string page = scratch_.file("bad.html");
  write_file(page,
             "<!DOCTYPE html><html><head><title>x</title></head><body><div style=\"width:2000px\">"
             "wide</div><div style=\"overflow:auto;width:9px\">toolongforthis</div>"
             "<script>console.error('broken')</script></body></html>");
  const std::string seen = look(page, 500);
  EXPECT_NE(seen.find("broken"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("data-overflow=\"0\""), std::string::npos) << seen;
  EXPECT_EQ(seen.find("data-unreachable=\"0\""), std::string::npos) << seen;
}

}  // namespace
}  // namespace ramoe
