// The report in a real browser: headless Chromium, as wide as a telephone, a tablet and a desk, in
// the dark and on paper. No message on the console, nothing wider than the window, nothing that
// moves while it loads, everything that scrolls or folds reachable by keyboard, text that can be
// read on what is behind it, links that lead somewhere, and on paper nothing folded or cut. Skipped
// where there is no Chromium.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "app/small_world.h"
#include "support/tools.h"

namespace ramoe {
namespace {

/// Put into the copy of a page that is tested, and never part of a report: tells the window around
/// it what a script sees of the page.
const char* const probe = R"page(<script>
let moved = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) moved += e.value; })
  .observe({type: "layout-shift", buffered: true});
addEventListener("load", () => setTimeout(() => {
  const root = document.documentElement, all = s => [...document.querySelectorAll(s)];
  const height = e => e.getBoundingClientRect().height;
  // Contrast as the Web Content Accessibility Guidelines define it.
  const rgb = c => (c.match(/[0-9.]+/g) || [0, 0, 0]).map(Number);
  const light = c => rgb(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (rgb(c)[3] !== 0) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = e => {
    const style = getComputedStyle(e);
    const a = light(e.closest("svg") ? style.fill : style.color), b = light(behind(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const text = all("body *").filter(e => !["SCRIPT", "title", "desc"].includes(e.tagName) &&
    e.checkVisibility() && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()));
  parent.postMessage({
    window: innerWidth,
    overflow: root.scrollWidth - root.clientWidth,
    moved: moved,
    unreachable: all("*").filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX) &&
      e.tabIndex < 0 && e.scrollWidth > e.clientWidth).length,
    unfoldable: all("details").filter(e => e.firstElementChild.tagName != "SUMMARY").length,
    folds: all("details").length,
    folded: all("details > :not(summary)").filter(e => !e.checkVisibility()).length,
    faint: text.filter(e => contrast(e) < 4.5).length,
    texts: text.length,
    bright: light(behind(document.body)),
    astray: all("a[href^='#']").filter(e => !document.getElementById(e.hash.slice(1))).length,
    links: all("a[href^='#']").length,
    small: all("svg text").filter(e => height(e) > 0 && height(e) < 8).length,
  }, "*");
}, 200));
</script>)page";

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

  /// What the browser prints of a page in a frame: its console, then what the probe found. `media`:
  /// the query of the style's that is made to hold, "" for none: a frame is neither dark nor paper.
  std::string look(const std::string& page, int width, const std::string& media = "") {
    const std::string copy = cat("page", width, ".html"), around = scratch_.file("around.html");
    std::string html = read_file(page);
    if (const std::size_t at = html.find("@media " + media); !media.empty()) {
      EXPECT_NE(at, std::string::npos) << "the page has no style for " << media;
      html.replace(at + 7, media.size(), "all");
    }
    html.insert(html.find("<head>") + 6, probe);
    write_file(scratch_.file(copy), html);
    write_file(around, frame_around(copy, width));
    return output_of(cat(has_tool("timeout") ? "timeout 60 " : "", program_,
                         " --headless=new --no-sandbox --disable-gpu",
                         " --disable-dev-shm-usage --enable-logging=stderr --user-data-dir=",
                         scratch_.file("profile"), " --hide-scrollbars --window-size=1400,1000",
                         " --virtual-time-budget=3000 --dump-dom file://", around));
  }

  /// A number that the probe found; NaN if it said nothing.
  static double found(const std::string& seen, const std::string& key) {
    const std::size_t at = seen.find(" data-" + key + "=\"");
    return at == std::string::npos ? std::nan("") : std::atof(seen.c_str() + at + key.size() + 8);
  }

  static constexpr const char *dark = "screen and (prefers-color-scheme: dark)", *print = "print";

  /// All widths and media of a page; at least so many parts of it fold.
  void expect_good_page(const std::string& page, int folds) {
    for (const int width : {390, 820, 1400}) {
      SCOPED_TRACE(width);
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
      EXPECT_GT(found(seen, "folded"), 0);
      EXPECT_EQ(found(seen, "astray"), 0);
      EXPECT_GE(found(seen, "links"), 3);
      EXPECT_EQ(found(seen, "faint"), 0);
      EXPECT_GT(found(seen, "texts"), 50);
      EXPECT_GT(found(seen, "bright"), 0.9);
    }
    const std::string night = look(page, 820, dark);
    EXPECT_EQ(found(night, "faint"), 0) << "texts of little contrast in the dark";
    EXPECT_LT(found(night, "bright"), 0.05);
    const std::string paper = look(page, 688, print);  // A4 without its margins
    EXPECT_EQ(found(paper, "overflow"), 0) << "cut on paper";
    EXPECT_EQ(found(paper, "folded"), 0) << "folded on paper";
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
             "wide</div><p style=\"color:#999\">faint</p><a href=\"#no\">where?</a>"
             "<details><summary>s</summary><p>folded</p></details><div "
             "style=\"overflow:auto;width:9px\">toolongforthis</div>"
             "<script>console.error('broken')</script></body></html>");
  const std::string seen = look(page, 390);
  EXPECT_NE(seen.find("broken"), std::string::npos) << seen;
  EXPECT_GT(found(seen, "overflow"), 1000) << seen;
  EXPECT_EQ(found(seen, "unreachable"), 1) << seen;
  EXPECT_EQ(found(seen, "faint"), 1) << seen;
  EXPECT_EQ(found(seen, "astray"), 1) << seen;
  EXPECT_EQ(found(seen, "folded"), 1) << seen;
}

}  // namespace
}  // namespace ramoe
