#include "ch12_experiments/manuscript.h"

#include "ch12_experiments/markup.h"
#include "report/svg.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const char* const awkward = "a_b *c* |d| `e` <f> & \"g\" [h](i) _j_ k\n- l";

Manuscript small() {
  Manuscript page("Title <1>");
  page.heading("Part & more");
  page.paragraph({"Plain ", strong("strong"), " and ", code("make <it>"), "."});
  page.item({"one"});
  page.item({awkward});
  page.table({"Numbers", {"What", "Value"}, {{"x|y", "1.0"}, {"z", "n/a"}}});
  page.fold("More");
  page.figure({"curve", "A [curve]", Svg(10, 10, "curve", "t", "d").str(), {"Caption."}});
  page.end_fold();
  page.page_only("<p>only here</p>\n");
  page.text_heading("Only there");
  page.text_only({"and this"});
  page.text_table({"", {"a"}, {{"b"}}});
  return page;
}

TEST(Manuscript, AsMarkdown) {
  EXPECT_EQ(small().markdown("figures"), R"(# Title &lt;1&gt;

## Part &amp; more

Plain **strong** and `make <it>`.

- one
- a_b \*c\* \|d\| \`e\` &lt;f&gt; &amp; "g" [h\](i) \_j\_ k - l

Numbers

| What | Value |
|---|---:|
| x\|y | 1.0 |
| z | n/a |

<details>
<summary>More</summary>

![A [curve]](figures/curve.svg)

Caption.

</details>

## Only there

and this

| a |
|---|
| b |
)");
}

TEST(Manuscript, AsAPage) {
  const std::string html = small().html();
  expect_page(html);
  expect_contains(html, "<h1>Title &lt;1&gt;</h1>");
  expect_contains(html, "<p>Plain <b>strong</b> and <code>make &lt;it&gt;</code>.</p>");
  expect_contains(html, "<ul class=\"lead\">\n<li>one</li>\n<li>a_b *c* |d| `e` &lt;f&gt; &amp; ");
  expect_contains(html, "k\n- l</li>\n</ul>\n<div class=\"scroll\" tabindex=\"0\">");
  expect_contains(html, "<td class=\"number\">n/a</td>");
  expect_contains(html, "<details>\n<summary>More</summary>\n<figure>\n<svg ");
  expect_contains(html, "<p>only here</p>");
  EXPECT_EQ(html.find("Only there"), std::string::npos);
  EXPECT_EQ(html.find("and this"), std::string::npos);
  EXPECT_EQ(html.find("<nav"), std::string::npos) << "one heading needs no contents";
}

TEST(Manuscript, RowsLinkToHeadings) {
  Manuscript page("T");
  TextTable table{"", {"Claim", "n"}, {{"(a)", "1"}, {"(b)", "2"}}};
  table.anchors = {"claim-a", "claim-b"};
  page.table(table);
  page.heading("Claim (a): shown", "claim-a");
  page.heading("Claim (b): shown", "claim-b");
  page.heading("Making <it>");
  const std::string html = page.html();
  expect_page(html);
  expect_contains(html, "<th scope=\"row\"><a href=\"#claim-a\">(a)</a></th>");
  expect_contains(html, "<li><a href=\"#making-it\">Making &lt;it&gt;</a></li>");
  expect_contains(page.markdown("f"), "| (a) | 1 |");
  table.anchors.pop_back();
  expect_contains(error_of([&] { page.table(table); }), "1 links for 2 rows");
}

TEST(Manuscript, WhatIsEmptyIsLeftOut) {
  Manuscript page("T");
  page.figure({"none", "nothing", "", {"Caption."}});
  page.table({"Caption", {"a", "b"}, {}});
  EXPECT_EQ(page.markdown("f"), "# T\n");
  EXPECT_TRUE(page.figures().empty());
  page.item({"last"});
  expect_page(page.html());
  expect_contains(error_of([&] {
                    page.table({"Rows", {"a", "b"}, {{"1"}}});
                  }),
                  "\"Rows\": a row of 1 cells; expected 2");
}

}  // namespace
}  // namespace ramoe
