"""The one stylesheet of all drawings, for light and for dark.

Colours are custom properties of `.antiphon-drawing`, so a page may set its own.
"""

STYLE = """\
.antiphon-drawing {
  --paper: #ffffff; --ink: #1f2328; --dim: #59636e; --rule: #d1d9e0; --band: #f6f8fa;
  --good: #1a7f37; --wait: #8c959f; --warn: #9a6700; --bad: #cf222e; --live: #0969da;
  --undo: #8250df; --critical: #1f2328;
  font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  height: auto; color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  .antiphon-drawing {
    --paper: #0d1117; --ink: #e6edf3; --dim: #9198a1; --rule: #3d444d; --band: #151b23;
    --good: #3fb950; --wait: #7d8590; --warn: #d29922; --bad: #f85149; --live: #4493f8;
    --undo: #ab7df8; --critical: #e6edf3;
  }
}
.antiphon-drawing.timed { max-width: 100%; min-width: 52rem; }
.antiphon-drawing text { fill: var(--ink); white-space: pre; }
.antiphon-drawing .dim { fill: var(--dim); }
.antiphon-drawing .small { font-size: 10.5px; }
.antiphon-drawing .strong { font-weight: 700; }
.antiphon-drawing .title { font-size: 14px; font-weight: 700; }
.antiphon-drawing .paper { fill: var(--paper); }
.antiphon-drawing .lane { fill: var(--band); stroke: var(--rule); }
.antiphon-drawing .rule, .antiphon-drawing .guide { stroke: var(--rule); fill: none; }
.antiphon-drawing .break { stroke: var(--dim); fill: none; }
.antiphon-drawing .broken { fill: var(--band); }
.antiphon-drawing .closed { fill: var(--band); stroke: var(--dim); stroke-dasharray: 1 3; }
.antiphon-drawing .event { fill: var(--ink); }
.antiphon-drawing .failure { stroke: var(--bad); }
.antiphon-drawing .working { fill: var(--good); }
.antiphon-drawing .running { fill: var(--live); }
.antiphon-drawing .vain { fill: var(--warn); fill-opacity: 0.35; stroke: var(--warn); }
.antiphon-drawing .vain { stroke-dasharray: 3 2; }
.antiphon-drawing .child { fill: var(--paper); stroke: var(--live); stroke-width: 1.5; }
.antiphon-drawing .dead { fill: var(--bad); }
.antiphon-drawing .undone { fill: var(--undo); }
.antiphon-drawing .waiting, .antiphon-drawing .held { stroke-width: 8; stroke: var(--wait); }
.antiphon-drawing .waiting { stroke-dasharray: 1 4; }
.antiphon-drawing .held { stroke: var(--warn); stroke-dasharray: 4 2; }
.antiphon-drawing .needless { stroke: var(--bad); stroke-width: 3; }
.antiphon-drawing .settled { fill: var(--paper); stroke: var(--dim); stroke-width: 1.5; }
.antiphon-drawing .outline { stroke: var(--critical); stroke-width: 1.6; fill: none; }
.antiphon-drawing .box { fill: var(--paper); stroke: var(--dim); }
.antiphon-drawing .box.good { stroke: var(--good); }
.antiphon-drawing .box.bad { stroke: var(--bad); stroke-width: 2; }
.antiphon-drawing .box.warn { stroke: var(--warn); }
.antiphon-drawing .box.live { stroke: var(--live); stroke-width: 2; }
.antiphon-drawing .box.undo { stroke: var(--undo); stroke-dasharray: 4 3; }
.antiphon-drawing .box.critical { stroke-width: 3; }
.antiphon-drawing .line { stroke: var(--dim); fill: none; }
.antiphon-drawing .line.unsure { stroke-dasharray: 2 4; }
.antiphon-drawing .line.back { stroke: var(--undo); stroke-dasharray: 6 3; }
.antiphon-drawing .line.failure { stroke: var(--bad); stroke-width: 2; }
.antiphon-drawing .line.critical { stroke: var(--critical); stroke-width: 2.5; }
.antiphon-drawing .tip { fill: var(--dim); }
.antiphon-drawing .tip.back { fill: var(--undo); }
.antiphon-drawing .tip.failure { fill: var(--bad); }
.antiphon-drawing .tip.critical { fill: var(--critical); }
.antiphon-drawing .halo { stroke: var(--paper); stroke-width: 4; paint-order: stroke; }
.antiphon-drawing.map .halo { stroke: var(--band); }
.antiphon-drawing a text { text-decoration: underline; fill: var(--live); }
"""
