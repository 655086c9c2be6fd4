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

/// How a page is looked at. `media`: the query of its style that is made to hold, "" for none: a
/// frame is neither dark nor paper.
struct View {
  int width;
  std::string media = "";
};
const View dark{820, "screen and (prefers-color-scheme: dark)"};
const View paper{688, "print"};  // A4 without its margins

/// A page with a frame for each view, side by side in one window: what is outside of it does not
/// move. Frame i writes down what it is told as data-i-KEY: --dump-dom prints that. A window of its
/// own cannot be as narrow as a telephone's.
std::string frames_around(const std::vector<View>& views) {
  std::string frames;
  for (std::size_t i = 0; i < views.size(); ++i)
    frames += cat("<iframe src=\"view", i, ".html\" width=\"", views[i].width,
                  "\" height=\"900\" style=\"border:0\"></iframe>");
  return "<!DOCTYPE html><html><head><title>frames</title><script>addEventListener('message', e =>"
         " { const frames = [...document.querySelectorAll('iframe')];"
         " const i = frames.findIndex(frame => frame.contentWindow == e.source);"
         " for (const key in e.data)"
         " document.documentElement.setAttribute(`data-${i}-${key}`, e.data[key]); });"
         "</script></head><body style=\"white-space:nowrap\">" +
         frames + "</body></html>";
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

  /// What the browser prints of a page in frames: its console, then what the probe found.
  std::string look(const std::string& page, const std::vector<View>& views) {
    const std::string around = scratch_.file("around.html");
    int width = 100;
    for (std::size_t i = 0; i < views.size(); ++i) {
      std::string html = read_file(page);
      const std::string& media = views[i].media;
      if (const std::size_t at = html.find("@media " + media); !media.empty()) {
        EXPECT_NE(at, std::string::npos) << "the page has no style for " << media;
        html.replace(at + 7, media.size(), "all");
      }
      html.insert(html.find("<head>") + 6, probe);
      write_file(scratch_.file(cat("view", i, ".html")), html);
      width += views[i].width;
    }
    write_file(around, frames_around(views));
    return output_of(cat(has_tool("timeout") ? "timeout 60 " : "", program_,
                         " --headless=new --no-sandbox --disable-gpu",
                         " --disable-dev-shm-usage --enable-logging=stderr --user-data-dir=",
                         scratch_.file("profile"), " --hide-scrollbars --window-size=", width,
                         ",1000 --virtual-time-budget=3000 --dump-dom file://", around));
  }

  /// A number that the probe found in view i; NaN if it said nothing.
  static double found(const std::string& seen, std::size_t i, const std::string& key) {
    const std::string name = cat(" data-", i, "-", key, "=\"");
    const std::size_t at = seen.find(name);
    return at == std::string::npos ? std::nan("") : std::atof(seen.c_str() + at + name.size());
  }

  /// All widths and media of a page; at least so many parts of it fold.
  void expect_good_page(const std::string& page, int folds) {
    const std::vector<View> views{{390}, {820}, {1400}, dark, paper};
    const std::string seen = look(page, views);
    const std::size_t message = seen.find("CONSOLE");
    EXPECT_EQ(message, std::string::npos) << seen.substr(std::min(message, seen.size()), 300);
    for (std::size_t i = 0; i < views.size(); ++i) {
      SCOPED_TRACE(cat(views[i].width, " pixels wide ", views[i].media));
      ASSERT_EQ(found(seen, i, "window"), views[i].width) << seen.substr(0, 2000);
      EXPECT_EQ(found(seen, i, "overflow"), 0);
      if (views[i].media == paper.media) {
        EXPECT_EQ(found(seen, i, "folded"), 0) << "folded on paper";
        continue;
      }
      EXPECT_EQ(found(seen, i, "faint"), 0) << "texts of little contrast";
      if (views[i].media == dark.media) {
        EXPECT_LT(found(seen, i, "bright"), 0.05);
        continue;
      }
      EXPECT_EQ(found(seen, i, "moved"), 0);
      EXPECT_EQ(found(seen, i, "unreachable"), 0);
      EXPECT_EQ(found(seen, i, "unfoldable"), 0);
      EXPECT_EQ(found(seen, i, "small"), 0) << "texts under 8 pixels";
      EXPECT_GE(found(seen, i, "folds"), folds);
      EXPECT_GT(found(seen, i, "folded"), 0);
      EXPECT_EQ(found(seen, i, "astray"), 0);
      EXPECT_GE(found(seen, i, "links"), 3);
      EXPECT_GT(found(seen, i, "texts"), 50);
      EXPECT_GT(found(seen, i, "bright"), 0.9);
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

TEST_F(Browser, Book) {
  const std::string root = RAMOE_SOURCE_DIR;
  const std::string made = output_of("python3 '" + root + "/tutorial/tools/book.py' --html '" +
                                     scratch_.file("book") + "'");
  if (made.find("are needed; install") != std::string::npos) GTEST_SKIP() << made;
  ASSERT_NE(made.find("ramoe.html: "), std::string::npos) << made;
  expect_good_page(scratch_.file("book/ramoe.html"), 16);
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
  const std::string seen = look(page, {{1400}, {390}});
  EXPECT_NE(seen.find("broken"), std::string::npos) << seen;
  EXPECT_GT(found(seen, 0, "overflow"), 500) << seen;
  EXPECT_GT(found(seen, 1, "overflow"), 1500) << seen;
  EXPECT_EQ(found(seen, 1, "unreachable"), 1) << seen;
  EXPECT_EQ(found(seen, 1, "faint"), 1) << seen;
  EXPECT_EQ(found(seen, 1, "astray"), 1) << seen;
  EXPECT_EQ(found(seen, 1, "folded"), 1) << seen;
}

}  // namespace
}  // namespace ramoe
