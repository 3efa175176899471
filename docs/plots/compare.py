#!/usr/bin/env python3
"""Draws compare.svg from compare.csv: processor time per message, one row per scenario, on a logarithmic axis.

    python3 docs/plots/compare.py

Needs nothing but Python. An empty cell is a server that did not carry the load.
"""

import csv
import math
from pathlib import Path

HERE = Path(__file__).parent
SERVERS = {
    "floor": ("#8a8f98", "the sockets alone"),
    "colibri": ("#0a7d4f", "Colibri"),
    "mosquitto": ("#c2571a", "mosquitto 2.0.11"),
    "rumqttd": ("#5b4bb5", "rumqttd 0.20"),
}
LEFT, RIGHT, TOP, ROW = 130, 30, 70, 34
WIDTH = 860
DECADES = (0.01, 100.0)


def x_of(value):
    low, high = (math.log10(end) for end in DECADES)
    return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def text(x, y, content, anchor="start", colour="#333", size=13):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{content}</text>'


def drawing(rows):
    height = TOP + ROW * len(rows) + 50
    bottom = height - 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(LEFT, 22, "Processor time of the server per delivered message, us (less is better)", size=15),
    ]
    for index, (colour, label) in enumerate(SERVERS.values()):
        x = LEFT + index * 165
        parts += [f'<circle cx="{x + 6}" cy="42" r="6" fill="{colour}"/>', text(x + 18, 46, label)]
    parts += [f'<path d="M{LEFT + 664} 34 v16" stroke="#d11" stroke-width="3"/>', text(LEFT + 672, 46, "target")]
    exponent = round(math.log10(DECADES[0]))
    while (value := 10**exponent) <= DECADES[1]:
        x = x_of(value)
        parts += [
            f'<path d="M{x:.1f} {TOP - 8} V{bottom}" stroke="#ddd"/>',
            text(x, bottom + 20, f"{value:g}", "middle", "#666"),
        ]
        exponent += 1
    for index, row in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        parts.append(text(LEFT - 12, y + 5, row["scenario"], "end"))
        shown = {name: float(row[name]) for name in SERVERS if row[name]}
        ends = x_of(min(shown.values())), x_of(max(shown.values()))
        parts.append(f'<path d="M{ends[0]:.1f} {y} H{ends[1]:.1f}" stroke="#bbb"/>')
        target = x_of(float(row["target"]))
        parts.append(f'<path d="M{target:.1f} {y - 9} v18" stroke="#d11" stroke-width="3"/>')
        for name, value in shown.items():
            title = f"<title>{row['scenario']}, {SERVERS[name][1]}: {value:g} us</title>"
            parts.append(f'<circle cx="{x_of(value):.1f}" cy="{y}" r="6" fill="{SERVERS[name][0]}">{title}</circle>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    with (HERE / "compare.csv").open() as file:
        (HERE / "compare.svg").write_text(drawing(list(csv.DictReader(file))))
