"""The report of bench/estimate.py: how near the estimates come, by quantity, framework and model, against the targets,
and why measurements lie outside their intervals."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

GIB = 2.0**30


@dataclass(frozen=True)
class Result:
    row: dict
    measured: float  #: Bytes, or tokens.
    low: float
    expected: float
    high: float
    fitted: bool  #: Constants were fitted on its group.

    @property
    def error(self) -> float:
        return self.expected / self.measured - 1

    @property
    def inside(self) -> bool:
        rounded = 1.005  # Half a percent for rounding in the source.
        return self.low <= self.measured * rounded and self.measured <= self.high * rounded

    @property
    def width(self) -> float:
        return (self.high - self.low) / self.expected

    @property
    def quantity(self) -> str:
        return self.row["quantity"]

    def shown(self, value: float) -> str:
        return f"{value:.0f}" if self.row["unit"] == "tokens" else f"{value / GIB:.2f} GiB"


@dataclass(frozen=True)
class Verdict:
    row: dict
    ran: bool  #: Otherwise it ended for want of memory.
    told: str  #: fits, tight or does_not_fit.

    @property
    def is_wrong(self) -> bool:
        return self.told == ("does_not_fit" if self.ran else "fits")


@dataclass(frozen=True)
class Target:
    quantity: str
    target: str
    concerns: Callable[[Result], bool]
    reached: Callable[[Result], bool]  #: By one measurement.
    share: float = 1.0  #: So many of them have to.


def error_within(most: float) -> Callable[[Result], bool]:
    return lambda result: abs(result.error) <= most


def is_peak(result: Result) -> bool:
    return result.quantity in ("peak_allocated_bytes", "total_device_bytes")


def is_training(result: Result) -> bool:
    return result.quantity.startswith("training")


def is_quantised(result: Result) -> bool:
    return result.row["quantization"] not in ("", "none", "F16", "BF16")


def has_version(result: Result) -> bool:
    return any(letter.isdigit() for letter in result.row["framework"])


def is_on_device(result: Result) -> bool:
    """Layers and experts too, as far as the source says."""
    text = result.row["hardware"] + result.row["config"] + result.row["note"]
    return "CPU" not in text and "moe" not in result.row["arch_notes"]


TARGETS = [
    Target("weights, from configuration, 16 bits", "≤ 1 %",
           lambda r: r.quantity == "weights_bytes" and not is_quantised(r), error_within(0.01)),
    Target("weights, from configuration, quantised", "≤ 3 %",
           lambda r: r.quantity == "weights_bytes" and is_quantised(r), error_within(0.03)),
    Target("bytes of a cache", "≤ 0.1 %", lambda r: r.quantity == "kv_cache_bytes", error_within(0.001)),
    Target("tokens of a given pool", "≤ 0.1 %; pipelines ≤ 2 %", lambda r: r.quantity == "kv_cache_tokens",
           lambda r: abs(r.error) <= (0.001 if "pp=1;" in r.row["config"] or "pp=" not in r.row["config"] else 0.02)),
    Target("peak of inference, version known", "≤ 5 %", lambda r: is_peak(r) and has_version(r), error_within(0.05)),
    Target("llama.cpp's compute buffer, all on the device", "≤ 10 %",
           lambda r: r.quantity == "compute_buffer_bytes" and is_on_device(r), error_within(0.10)),
    Target("llama.cpp's compute buffer, otherwise", "inside",
           lambda r: r.quantity == "compute_buffer_bytes" and not is_on_device(r), lambda r: r.inside),
    Target("peak of training", "90 % inside", is_training, lambda r: r.inside, share=0.9),
    Target("peak of training: width of the interval", "≤ 40 %", is_training, lambda r: r.width <= 0.4),
]


def targets(unseen: list[Result]) -> list[str]:
    lines = ["| quantity | target | measurements | reach it | median error | met |", "|---|---|---|---|---|---|"]
    for target in TARGETS:
        concerned = [result for result in unseen if target.concerns(result)]
        reached = sum(target.reached(result) for result in concerned)
        median = statistics.median(abs(result.error) for result in concerned)
        met = "yes" if reached >= target.share * len(concerned) else "no"
        lines.append(f"| {target.quantity} | {target.target} | {len(concerned)} | {reached} | {median:.1%} | {met} |")
    return lines


def verdict_lines(verdicts: list[Verdict], reasons: dict[str, str]) -> list[str]:
    lines = ["| in truth | fits | tight | does not fit |", "|---|---|---|---|"]
    for name, ran in (("it ran", True), ("it failed", False)):
        told = [verdict.told for verdict in verdicts if verdict.ran == ran]
        lines.append(f"| {name} ({len(told)}) | " + " | ".join(
            str(told.count(answer)) for answer in ("fits", "tight", "does_not_fit")) + " |")
    for name, ran in (("Accepted, and failed", False), ("Refused, and ran", True)):
        wrong = sorted({verdict.row["row_id"] for verdict in verdicts if verdict.is_wrong and verdict.ran == ran})
        lines += ["", f"{name}: {len(wrong)}.", "", *(f"- {row}: {reasons.get(row, '**no reason is given**')}" for row in wrong)]
    return lines


def summary(results: list[Result]) -> str:
    sizes = sorted(abs(result.error) for result in results)
    p90 = sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))]
    inside = sum(result.inside for result in results) / len(results)
    return f"| {len(sizes)} | {statistics.median(sizes):.1%} | {p90:.1%} | {sizes[-1]:.1%} | {inside:.0%} |"


def table(unseen: list[Result], head: str, key: Callable[[Result], str]) -> list[str]:
    groups = defaultdict(list)
    for result in unseen:
        groups[key(result)].append(result)
    return [f"| {head} | rows | median | p90 | worst | inside |", "|---|---|---|---|---|---|",
            *(f"| {name} {summary(members)}" for name, members in sorted(groups.items())), ""]


def misses(results: list[Result], reasons: dict[str, str]) -> list[str]:
    lines = ["| row | quantity | measured | expected | error | fitted on | reason |", "|---|---|---|---|---|---|---|"]
    for result in results:
        if not result.inside:
            row = result.row
            lines.append(f"| {row['row_id']}: {row['model'].split('/')[-1]}, {row['framework']} | {result.quantity} | "
                         f"{result.shown(result.measured)} | {result.shown(result.expected)} | {result.error:+.1%} | "
                         f"{'yes' if result.fitted else 'no'} | {reasons.get(row['row_id'], '**none is given**')} |")
    return lines


def report(results: list[Result], skipped: dict[str, list[str]], verdicts: list[Verdict], total: int,
           reasons: dict[str, str], fitted_on: list[str]) -> str:
    unseen = [result for result in results if not result.fitted]
    lines = ["# How near the estimates come", "",
             "Made by `./dev bench estimate` from `bench/data/memory-truth.csv`: published measurements, each with its "
             "source. Errors are of the expected value; *inside* is the share of measurements between low and high "
             "(with half a percent for rounding in the source).", "",
             f"{len(results)} of {total} measurements are estimated; {len(results) - len(unseen)} of them were used to "
             f"fit constants and are left out below, {len(unseen)} are unseen.", "",
             "## Targets (unseen rows)", "",
             "A target is met when every measurement reaches it, unless it names a share. Weights from files are not in "
             "the data, whose rows come without their tensor lists: they are the sum of the tensors, as tests say.", "",
             *targets(unseen), "",
             "## Verdicts", "",
             "Jobs that are known to have run or to have failed on a GPU of known size, asked for that GPU. A largest "
             "batch is two of them: itself, and one sequence more. Targets: none accepted that fails, at most a tenth "
             "refused that would run.", "",
             *verdict_lines(verdicts, reasons), "",
             "## By quantity (unseen rows)", "", *table(unseen, "quantity", lambda r: r.quantity),
             "## By framework (unseen rows)", "", *table(unseen, "framework", lambda r: r.row["framework"]),
             "## By model (unseen rows)", "", *table(unseen, "model", lambda r: r.row["arch_id"] or r.row["model"]),
             "## Measurements outside their interval", "",
             "Reasons: `bench/data/estimate-misses.csv`, found by recomputing the measurement from its row and its "
             "neighbours.", "",
             *misses(results, reasons), "", "## Not estimated", "",
             *(f"- {why}: {len(ids)} ({', '.join(ids)})" for why, ids in sorted(skipped.items())), "",
             "Groups that constants were fitted on: " + ", ".join(f"`{pattern}`" for pattern in fitted_on) + ".", ""]
    return "\n".join(lines)
