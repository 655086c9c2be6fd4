// The style of all pages. Colours are variables, which the drawings use too (svg.h): one set for a
// bright page and for paper, one for a dark page. Declared in page.h.
#include "report/page.h"

namespace ramoe {
namespace {

const char* const colours = R"(
:root { color-scheme: light dark; --paper: #fff; --ink: #222; --soft: #555; --axis: #888;
  --grid: #e3e3e3; --band: #eeeeea; --heat: #33475b; --unknown: #ddd;
  --shade: rgba(0, 0, 0, 0.28); --clear: rgba(255, 255, 255, 0);
  --hue0: #0072B2; --hue1: #D55E00; --hue2: #009E73; --hue3: #CC79A7; --hue4: #E69F00;
  --hue5: #56B4E9; --cc: #b4b4b4; --ci: #bd93e0; --ic: #d6d6d6; --ii: #efefef; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8e6e3;
  --soft: #b4b1ab; --axis: #85827c; --grid: #33363c; --band: #25282e; --heat: #9db8d4;
  --unknown: #3c4047; --shade: rgba(0, 0, 0, 0.85); --clear: rgba(22, 24, 28, 0);
  --hue0: #4da3e0; --hue1: #f58b4a; --hue2: #35c29a; --hue3: #e39cc4; --hue4: #f0b840;
  --hue5: #9ad3f5; --cc: #6d7178; --ci: #8a5fb8; --ic: #4a4e55; --ii: #31343a; } }
)";

const char* const layout = R"(
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
  sans-serif; }
main { min-width: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; border-top: 1px solid var(--grid);
  padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; }
p, li { max-width: 44rem; overflow-wrap: anywhere; }
a { color: inherit; text-underline-offset: 0.15em; }
.lead li { margin: 0.35rem 0; }
nav { font-size: 0.9rem; }
nav ul { list-style: none; margin: 0; padding: 0; columns: 10rem; }
nav li { padding: 0.2rem 0; break-inside: avoid; }
figure { margin: 1rem 0; }
svg { display: block; width: 100%; max-width: 38rem; height: auto; }
svg text { font-family: inherit; }
figcaption { font-size: 0.9rem; max-width: 38rem; }
figcaption p { margin: 0.35rem 0; }
.source, small, caption { color: var(--soft); }
.tag { font-size: 0.75rem; padding: 0 0.35rem; border: 1px solid var(--axis);
  border-radius: 0.25rem; white-space: nowrap; }
.choice { border-style: dashed; }
.missing { padding: 0.6rem 0.8rem; border-left: 3px solid var(--axis); background: var(--band); }
details { margin: 1rem 0; border: 1px solid var(--grid); border-radius: 0.3rem;
  padding: 0.4rem 0.8rem; }
summary { cursor: pointer; padding: 0.35rem 0; font-weight: 600; }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 12rem minmax(0, 1fr); column-gap: 2rem; }
  main:first-child { grid-column: 1 / 3; }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: hidden auto;
    padding-top: 0.5rem; }
  nav ul { columns: auto; }
  figure:has(figcaption) { display: grid;
    grid-template-columns: minmax(0, 38rem) minmax(14rem, 1fr);
    column-gap: 1.5rem; align-items: start; }
}
)";

// A table that scrolls has a shadow at the side where there is more of it. The last two gradients
// are the shadows; the first two move with the table and cover a shadow at its end.
const char* const tables = R"(
.scroll { overflow-x: auto; margin: 1rem 0; background:
  linear-gradient(to right, var(--paper) 30%, var(--clear)) 0 0 / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 30%, var(--clear)) 100% 0 / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) 0 0 / 0.7rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) 100% 0 / 0.7rem 100% no-repeat scroll; }
.scroll::-webkit-scrollbar { height: 0.5rem; }
.scroll::-webkit-scrollbar-thumb { background: var(--axis); border-radius: 0.25rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 0.9rem; padding-bottom: 0.3rem; }
caption span { display: inline-block; min-width: min(20rem, calc(100vw - 4rem));
  max-width: min(40rem, calc(100vw - 4rem)); }
th, td { padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--axis); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--grid); }
tbody th { font-weight: 600; white-space: nowrap; }
tbody th.long { white-space: normal; min-width: 9rem; }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
@media (max-width: 32rem) { th, td { padding: 0.25rem 0.35rem; } table { font-size: 0.85rem; }
  .number small { display: block; } }
.visits th, .visits td { padding: 0.15rem 0.3rem; white-space: nowrap; text-align: center; }
.visits tr.zone > * { background: var(--band); }
.e { display: inline-block; min-width: 1.5em; padding: 0 0.2em; margin: 0 1px; text-align: center;
  border: 1px solid transparent; border-radius: 0.25rem; }
.e.s { border-color: var(--ink); background: var(--ink); color: var(--paper); font-weight: 600; }
.chips { white-space: nowrap; }
.mark { font-weight: 700; }
)";

// ::details-content opens folded parts; browsers that do not know it print them folded.
const char* const print = R"(
@page { margin: 14mm; }
@media print {
  html { font-size: 10pt; }
  body { display: block; max-width: none; padding: 0; }
  nav { display: none; }
  p, li, figcaption { max-width: none; }
  h2, h3, summary, caption { break-after: avoid; }
  figure, tr, svg, .scroll { break-inside: avoid; }
  thead { display: table-header-group; }
  svg { max-width: 120mm; }
  figure:has(figcaption) { display: block; }
  details { border: 0; padding: 0; }
  summary { list-style: none; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  .scroll { overflow: visible; background: none; }
  table, caption { font-size: 7.5pt; }
  th, td, .visits th, .visits td { padding: 0.1rem 0.25rem; }
  .number, tbody th, .visits td, .chips { white-space: normal; }
  .e, .visits tr.zone > *, .missing { print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
}
)";

}  // namespace

std::string style_sheet() {
  return std::string(colours) + layout + tables + print;
}

}  // namespace ramoe
