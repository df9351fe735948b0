"""The style sheet of a report: light and dark, for a phone, a desk and paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#4d5660;--rule:#c9d1d9;--box:#f3f5f7;--link:#0a4fa8;
--landed:#1d5c3c;--rescued:#9a4a00;--rescued-bg:#ffe6c7;--failed:#8f1414;--failed-bg:#ffd9d9;
--nothing:#fff;--stopped:#46466e;--stopped-bg:#e4e4f3;--flying:#0a4fa8;--flying-bg:#d9e8fb;
--ok:#1d5c3c;--warn:#7a4100;--bad:#8f1414}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--fg:#e8edf2;--dim:#aab4be;--rule:#39424c;--box:#1b2129;
--link:#8ec2ff;--landed:#6fd39b;--rescued:#ffb765;--rescued-bg:#4a2c05;--failed:#ff9a9a;--failed-bg:#571515;
--nothing:#11151a;--stopped:#c3c3f2;--stopped-bg:#2c2c50;--flying:#8ec2ff;--flying-bg:#10305a;
--ok:#6fd39b;--warn:#ffb765;--bad:#ff9a9a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:16px;max-width:1000px;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.25rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--rule)}
h3{font-size:1rem;margin:1rem 0 .2rem}p{margin:.4rem 0}a{color:var(--link)}
.verdict{font-size:1.3rem;font-weight:600;margin:.6rem 0;padding:.6rem .8rem;background:var(--box);
border-left:6px solid var(--dim)}.verdict.ok{border-color:var(--ok)}.verdict.warn{border-color:var(--warn)}
.verdict.bad{border-color:var(--bad)}
.note,.facts,figcaption{color:var(--dim);font-size:.9rem}figcaption strong{color:var(--fg)}
ol,ul{padding-left:1.4rem;margin:.3rem 0}li{margin:.5rem 0}ul.reasons li{margin:.1rem 0}
code{font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--box);padding:.1rem .3rem}
pre{margin:.3rem 0;padding:.5rem .7rem;background:var(--box);border:1px solid var(--rule);white-space:pre-wrap}
pre code{padding:0}
.risk{display:inline-block;min-width:4.6em;text-align:center;font-size:.85rem;border:1px solid;padding:0 .4rem}
.risk.high{font-weight:700;border-width:3px;color:var(--bad)}.risk.medium{border-width:2px;color:var(--warn)}
.risk.low{border-style:dotted;color:var(--dim)}
article{padding:.5rem 0;border-top:1px solid var(--rule)}
article:target{background:var(--box);outline:2px solid var(--link)}
article p{margin:.15rem 0}
summary{cursor:pointer}details.inline{display:inline-block;vertical-align:top}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:34rem;font-size:.9rem}
th{overflow-wrap:normal}.row{margin:.5rem 0}figure .row svg{margin:.1rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--rule)}
td.n,th.n{text-align:right;white-space:nowrap}
figure{margin:1.2rem 0}figure svg{display:block;margin:.4rem 0;overflow:visible}
svg.patterns{position:absolute}svg text{font-size:12px;fill:var(--fg)}.strong{font-weight:600}
.on-bar{font-weight:600;paint-order:stroke;stroke:var(--bg);stroke-width:4px}
.fill{stroke:var(--bg);stroke-width:1px}.fill.landed{fill:var(--landed)}.fill.rescued{fill:url(#p-rescued)}
.fill.failed{fill:url(#p-failed)}.fill.stopped{fill:url(#p-stopped)}.fill.flying{fill:url(#p-flying)}
.fill.nothing{fill:var(--nothing);stroke:var(--dim)}
#p-rescued .ink{stroke:var(--rescued);stroke-width:2}.ground-rescued{fill:var(--rescued-bg)}
#p-failed .ink{stroke:var(--failed);stroke-width:1.6}.ground-failed{fill:var(--failed-bg)}
.dot{fill:var(--stopped)}.ground-stopped{fill:var(--stopped-bg)}
#p-flying .ink{stroke:var(--flying);stroke-width:2}.ground-flying{fill:var(--flying-bg)}
.strip.wait{fill:var(--rescued)}.strip.verify{fill:var(--fg)}.strip.land{fill:var(--landed)}
.axis{stroke:var(--dim)}.cap{stroke:var(--bad);stroke-width:2;stroke-dasharray:7 5}
.curve{stroke:var(--fg);stroke-width:2}
.dot-known{fill:var(--fg);stroke:var(--bg)}.dot-unknown{fill:var(--bg);stroke:var(--fg);stroke-width:2}
.legend{font-size:.85rem;color:var(--dim)}.key{display:inline-block;margin-right:.9rem}
.legend .key svg{display:inline-block;margin:0;vertical-align:-2px}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
@media (max-width:600px){body{padding:10px}.wide-only{display:none}.verdict{font-size:1.1rem}}
@media print{:root{color-scheme:light;--bg:#fff;--fg:#000;--dim:#333;--rule:#999;--box:#fff;--link:#000;
--landed:#1d5c3c;--rescued:#9a4a00;--rescued-bg:#fff;--failed:#8f1414;--failed-bg:#fff;--nothing:#fff;
--stopped:#46466e;--stopped-bg:#fff;--flying:#0a4fa8;--flying-bg:#fff;--ok:#1d5c3c;--warn:#7a4100;--bad:#8f1414}
table{min-width:0}body{max-width:none;padding:0;font-size:11pt}figure,article,li,tr{break-inside:avoid}h2,h3,figcaption{break-after:avoid}
.verdict{border:1px solid;border-left:6px solid}a{text-decoration:none}pre{border:1px solid #999}
.fill{stroke:#000;stroke-width:.7px}
details:not(.inline)::details-content{content-visibility:visible;height:auto;display:block}}
"""
"""Colors are pairs that can be read on each other, with patterns beside them: see `fills`."""
