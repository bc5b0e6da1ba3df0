#include "render/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

constexpr std::size_t kBarWidth = 30;

double bytes_at(const Json& json, const char* name) { return number_at(json, name).value_or(0); }

std::string amount(const Json& json, const char* name) {
  return format_bytes(Bytes{static_cast<std::uint64_t>(std::max(0.0, bytes_at(json, name)))});
}

std::string text_or_dash(const Json& json, const char* name) {
  return text_at(json, name).value_or("-");
}

/// "▆▆▆▆▒▒": so much for sure, so much perhaps, of `whole`.
std::string bar(const Json& term, double whole, const Style& style) {
  const auto cells = [whole](double bytes) {
    return static_cast<std::size_t>(
        std::clamp(std::lround(bytes / whole * kBarWidth), 0L, static_cast<long>(kBarWidth)));
  };
  const std::size_t sure = cells(bytes_at(term, "expected_bytes"));
  const std::size_t most = std::max(sure, cells(bytes_at(term, "high_bytes")));
  std::string text;
  for (std::size_t i = 0; i < most; ++i) {
    text += style.charset == Charset::utf8 ? (i < sure ? "█" : "░") : (i < sure ? "#" : ".");
  }
  return text;
}

std::string head(const Json& answer, const Style& style) {
  const Json& facts = member_at(answer, "facts");
  std::string text = line(
      {{text_or_dash(answer, "model"), Color::bold},
       {fmt::format(": {:.3g} billion parameters ({}), {}", bytes_at(facts, "parameters") / 1e9,
                    text_or_dash(facts, "origin"), text_or_dash(facts, "weights"))}},
      style);
  text += line({{fmt::format("{}, {:.0f} tokens, batch {:.0f}", text_or_dash(answer, "framework"),
                             bytes_at(answer, "context"), bytes_at(answer, "batch")),
                 Color::gray}},
               style);
  for (const Json& remark : list_at(answer, "remarks")) {
    text += line({{"note: ", Color::orange}, {remark.is_string() ? remark.get<std::string>() : ""}},
                 style);
  }
  return text;
}

std::string terms(const Json& answer, bool explained, const Style& style) {
  const double free = bytes_at(answer, "free_bytes");
  const double whole =
      std::max({free, bytes_at(member_at(answer, "total"), "expected_bytes"), 1.0});
  std::vector<std::string> names{"", "EXPECTED", "LOW", "HIGH"};
  names.emplace_back(explained ? "WHY" : free > 0 ? "OF WHAT IS FREE" : "SHARE");
  Table table(std::move(names));
  const auto add = [&](const std::string& name, const Json& term, Color color) {
    table.add({{name, color},
               {amount(term, "expected_bytes")},
               {amount(term, "low_bytes"), Color::gray},
               {amount(term, "high_bytes"), Color::gray},
               explained ? Span{text_at(term, "reason").value_or("")}
                         : Span{bar(term, whole, style), Color::blue}});
  };
  for (const Json& term : list_at(answer, "terms")) {
    const std::string name = text_or_dash(term, "name");
    if (name != "host") {
      add(name, term, Color::plain);
    }
  }
  add("total", member_at(answer, "total"), Color::bold);
  std::string text = table.text(style);
  for (const Json& term : list_at(answer, "terms")) {
    if (text_or_dash(term, "name") == "host") {
      text += line({{fmt::format("host memory: {} (up to {})", amount(term, "expected_bytes"),
                                 amount(term, "high_bytes")),
                     Color::gray}},
                   style);
    }
  }
  return text;
}

std::string nearest(const Json& answer, const Style& style) {
  const Json& near = member_at(answer, "nearest");
  std::vector<std::string> settings;
  const auto add = [&](const char* name, const char* pattern) {
    const auto number = number_at(near, name);
    if (number && *number >= 1) {
      settings.push_back(fmt::format(fmt::runtime(pattern), *number));
    }
  };
  const bool fits = text_at(answer, "verdict") == "fits";
  add("max_batch", "a batch of {:.0f}");
  add("max_context", "a context of {:.0f} tokens");
  if (!fits) {
    add("fewest_gpus", "{0:.0f} GPUs like this (--tp {0:.0f})");
    if (const auto quant = text_at(near, "quant")) {
      settings.push_back(fmt::format("weights in {}", *quant));
    }
  }
  std::string text;
  for (const std::string& setting : settings) {
    text += line({{fits ? "at most: " : "would fit: ", Color::green}, {setting}}, style);
  }
  if (settings.empty() && !fits) {
    text += line({{"nothing near fits: a smaller model, or more memory", Color::orange}}, style);
  }
  return text;
}

std::string verdict(const Json& answer, const Style& style) {
  const auto word = text_at(answer, "verdict");
  if (!word) {
    return line({{"no GPU to judge by: give --gpu-mem, such as --gpu-mem 24GB", Color::gray}},
                style);
  }
  const std::string free = amount(answer, "free_bytes");
  if (*word == "fits") {
    return line({{"fits ", Color::green}, {fmt::format("into {}, also at its worst", free)}},
                style) +
           nearest(answer, style);
  }
  if (*word == "tight") {
    return line({{"tight ", Color::orange},
                 {fmt::format("in {}: as expected it fits, at its worst it does not", free)}},
                style) +
           nearest(answer, style);
  }
  return line({{"does not fit ", Color::red}, {fmt::format("into {}", free)}}, style) +
         nearest(answer, style);
}

}  // namespace

std::string render_fit(const Json& answer, bool explained, const Style& style) {
  return head(answer, style) + terms(answer, explained, style) + verdict(answer, style);
}

}  // namespace levee::cli
