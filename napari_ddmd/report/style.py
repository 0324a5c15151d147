"""How the report looks, on the screen and on A4 paper."""

from __future__ import annotations

STYLE = """
@page { size: A4; margin: 8mm 12mm; }
* { box-sizing: border-box; }
html { background: #fff; color: #1a1a1a; font: 9pt/1.3 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
body { max-width: 186mm; margin: 0 auto; padding: 4mm; }
header { border-bottom: 2px solid #1a1a1a; padding-bottom: 1.5mm; margin-bottom: 2.5mm; }
h1 { font-size: 14pt; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 9.5pt; margin: 2.5mm 0 1mm; border-bottom: 1px solid #b5b5b5; padding-bottom: 0.5mm; }
p { margin: 0.6mm 0; }
.volume { font-size: 12pt; font-weight: bold; }
.notice { border: 1.5px solid #8a1c00; color: #8a1c00; padding: 0.6mm 2mm; margin: 1.2mm 0; font-size: 8.5pt;
  font-weight: bold; }
.warnings { margin: 1mm 0; padding-left: 5mm; overflow-wrap: anywhere; }
.pictures { display: grid; column-gap: 2mm; }
figure { margin: 0; break-inside: avoid; }
figure img { width: 100%; display: block; }
figcaption { font-size: 7.5pt; color: #333; margin-top: 0.6mm; }
table { border-collapse: collapse; width: 100%; font-size: 8pt; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; }
th, td { padding: 0.4mm 1.5mm; text-align: right; border-bottom: 1px solid #d0d0d0; vertical-align: bottom; }
th { font-weight: bold; border-bottom-color: #1a1a1a; }
.columns { display: grid; grid-template-columns: 1fr 1fr; column-gap: 8mm; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.3mm 3mm; margin: 0; font-size: 8pt; }
dt { color: #444; }
dd { margin: 0; overflow-wrap: anywhere; }
.card { font-size: 8pt; color: #333; }
footer { margin-top: 2mm; font-size: 7.5pt; color: #444; border-top: 1px solid #b5b5b5; padding-top: 1mm; }
@media print {
  body { padding: 0; max-width: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
