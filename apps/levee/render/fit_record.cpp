// How jobs went beside what was said of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "levee/bytes.hpp"
#include "render/fit.hpp"

namespace levee::cli {
namespace {

std::string amount(const Json& json, const char* name) {
  return format_bytes(
      Bytes{static_cast<std::uint64_t>(std::max(0.0, number_at(json, name).value_or(0)))});
}

/// How much more was used than expected, as a share; the sign says which way.
double error_of(const Json& job) {
  const double expected = number_at(job, "expected_bytes").value_or(0);
  return expected > 0 ? number_at(job, "peak_bytes").value_or(0) / expected - 1 : 0;
}

Span turnout(const Json& job) {
  const std::string word = text_at(job, "turnout").value_or("");
  constexpr std::array<std::pair<std::string_view, std::pair<std::string_view, Color>>, 5> kWords{
      {{"inside", {"as said", Color::green}},
       {"below", {"less than said", Color::orange}},
       {"above", {"more than said", Color::red}},
       {"unloaded", {"ended while loading", Color::gray}},
       {"filling", {"fills what is free", Color::gray}}}};
  for (const auto& [known, shown] : kWords) {
    if (known == word) {
      return {std::string(shown.first), shown.second};
    }
  }
  return {word};
}

std::string framework_of(const Json& json) {
  return text_at(json, "framework").value_or("") +
         (member_at(json, "training") == true ? ", training" : "");
}

/// Of jobs that can be compared.
struct Tally {
  int jobs = 0;
  int inside = 0;
  double least = 0;
  double most = 0;
};

std::map<std::string, Tally> tallies(const Json& record) {
  std::map<std::string, Tally> by_framework;
  for (const Json& job : list_at(record, "jobs")) {
    const std::string word = text_at(job, "turnout").value_or("");
    if (word == "unloaded" || word == "filling") {
      continue;
    }
    Tally& tally = by_framework[framework_of(job)];
    const double error = error_of(job);
    tally.least = tally.jobs == 0 ? error : std::min(tally.least, error);
    tally.most = tally.jobs == 0 ? error : std::max(tally.most, error);
    ++tally.jobs;
    tally.inside += word == "inside" ? 1 : 0;
  }
  return by_framework;
}

std::string learned(const Json& record, const std::string& framework) {
  for (const Json& each : list_at(record, "corrections")) {
    if (framework_of(each) == framework) {
      return fmt::format("; what no formula gives is taken times {:.2f}",
                         number_at(each, "factor").value_or(1));
    }
  }
  return {};
}

}  // namespace

std::string summary_of(const Json& estimate) {
  const Json& total = member_at(estimate, "total");
  return fmt::format("{} under {}: {} expected, {} to {}", text_at(estimate, "model").value_or(""),
                     text_at(estimate, "framework").value_or(""), amount(total, "expected_bytes"),
                     amount(total, "low_bytes"), amount(total, "high_bytes"));
}

std::string render_record(const Json& record, const Style& style) {
  const Json& jobs = list_at(record, "jobs");
  if (jobs.empty()) {
    return line({{"no job yet: start some with `levee run --fit \"MODEL\" -- …`", Color::gray}},
                style);
  }
  Table table({"ENDED", "MODEL", "FRAMEWORK", "EXPECTED", "LOW", "HIGH", "PEAK", "", ""});
  for (const Json& job : jobs) {
    table.add({{text_at(job, "ended").value_or("").substr(0, 16), Color::gray},
               {text_at(job, "model").value_or("")},
               {framework_of(job)},
               {amount(job, "expected_bytes")},
               {amount(job, "low_bytes"), Color::gray},
               {amount(job, "high_bytes"), Color::gray},
               {amount(job, "peak_bytes"), Color::bold},
               {fmt::format("{:+.1f} %", 100 * error_of(job)), Color::gray},
               turnout(job)});
  }
  std::string text = table.text(style);
  for (const auto& [framework, tally] : tallies(record)) {
    text +=
        line({{framework, Color::bold},
              {fmt::format(": {} of {} as said, {:+.1f} % to {:+.1f} %{}", tally.inside, tally.jobs,
                           100 * tally.least, 100 * tally.most, learned(record, framework))}},
             style);
  }
  return text;
}

}  // namespace levee::cli
