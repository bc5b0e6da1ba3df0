#include "render/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace levee::cli {
namespace {

/// "6.0", "7.25": as the documented texts show gigabytes and capabilities.
std::string decimal(std::optional<double> number) {
  if (!number) {
    return "-";
  }
  return *number == std::floor(*number) ? fmt::format("{:.1f}", *number)
                                        : fmt::format("{}", *number);
}

template <class... Names>
std::string decimal_at(const Json& json, Names... names) {
  return decimal(number_at(json, names...));
}

std::string whole_at(const Json& json, const char* name) {
  const auto number = number_at(json, name);
  return number ? fmt::format("{:.0f}", *number) : "-";
}

std::string text_or_dash(const Json& json, const char* name) {
  return text_at(json, name).value_or("-");
}

std::string cache_text(const Json& cache, const Style& style) {
  if (cache.is_null()) {
    return line({{"no daemon: which models are loaded is not known", Color::gray}}, style);
  }
  std::string head =
      fmt::format("cached: {} of {}", whole_at(cache, "count"), whole_at(cache, "size"));
  if (const auto rate = number_at(cache, "hit_rate")) {
    head += fmt::format(", hit rate {:.0f} %", 100 * *rate);
  }
  std::string text = line({{head}}, style);
  const Json& models = list_at(cache, "models");
  if (!models.empty()) {
    Table table({"  CACHED", "GB", "LAST USE"});
    for (const Json& model : models) {
      table.add({{"  " + text_or_dash(model, "model")},
                 {decimal_at(model, "size_gb")},
                 {text_or_dash(model, "last_use")}});
    }
    text += table.text(style);
  }
  for (const Json& model : list_at(cache, "proposed_evictions")) {
    text += line({{"too many: ", Color::orange},
                  {fmt::format("{} could be evicted",
                               model.is_string() ? model.get<std::string>() : model.dump())}},
                 style);
  }
  return text;
}

std::string requirements_text(const Json& verdict, const Style& style) {
  const Json& needs = member_at(verdict, "requirements");
  std::string text =
      line({{fmt::format("Required: CPU {}GB, GPU {}GB", decimal_at(needs, "cpu_memory_gb"),
                         decimal_at(needs, "gpu_memory_gb"))}},
           style);
  std::string more =
      fmt::format("recommended batch size {}", whole_at(needs, "recommended_batch_size"));
  if (const auto compute = number_at(needs, "min_gpu_compute")) {
    more = fmt::format("compute capability {} or newer, {}", decimal(compute), more);
  }
  if (text_at(verdict, "match") == "by_size") {
    more += fmt::format("; as any {} model", text_or_dash(verdict, "entry"));
  }
  text += line({{"          "}, {more, Color::gray}}, style);
  if (const std::string notes = text_at(needs, "notes").value_or(""); !notes.empty()) {
    text += line({{"          "}, {notes, Color::gray}}, style);
  }
  return text;
}

/// ": 14.0 GB of GPU 0 (NVIDIA H100) and 61.0 GB of host memory would be left".
std::string left_text(const Json& verdict) {
  std::string text;
  if (const auto left = number_at(verdict, "gpu", "left_gb")) {
    text = fmt::format("{} GB of GPU {} ({})", decimal(left),
                       whole_at(member_at(verdict, "gpu"), "gpu_id"),
                       text_or_dash(member_at(verdict, "gpu"), "name"));
  }
  if (const auto left = number_at(verdict, "host", "left_gb")) {
    text += fmt::format("{}{} GB of host memory", text.empty() ? "" : " and ", decimal(left));
  }
  return text.empty() ? text : fmt::format(": {} would be left", text);
}

}  // namespace

std::string render_models(const Json& answer, const Style& style) {
  const Json& models = list_at(answer, "models");
  const bool has_notes = std::ranges::any_of(
      models, [](const Json& model) { return !text_at(model, "notes").value_or("").empty(); });
  std::vector<std::string> head{"MODEL", "CPU-GB", "GPU-GB", "COMPUTE", "BATCH", "ORIGIN"};
  if (has_notes) {
    head.emplace_back("NOTES");
  }
  Table table(std::move(head));
  for (const Json& model : models) {
    std::vector<Span> row{{text_or_dash(model, "model")},
                          {decimal_at(model, "cpu_memory_gb")},
                          {decimal_at(model, "gpu_memory_gb")},
                          {decimal_at(model, "min_gpu_compute")},
                          {whole_at(model, "recommended_batch_size")},
                          {text_or_dash(model, "origin")}};
    if (has_notes) {
      row.push_back({text_at(model, "notes").value_or("")});
    }
    table.add(std::move(row));
  }
  return table.text(style) + cache_text(member_at(answer, "cache"), style);
}

bool fits(const Json& verdict) { return truth_at(verdict, "fits").value_or(false); }

std::string render_verdict(const Json& verdict, const Style& style) {
  const std::string model = text_or_dash(verdict, "model");
  std::string text = requirements_text(verdict, style);
  if (fits(verdict)) {
    const bool is_tight = !list_at(verdict, "warnings").empty();
    text += line({{fmt::format("{} ", model)},
                  {"fits", is_tight ? Color::orange : Color::green},
                  {left_text(verdict)}},
                 style);
  } else {
    text += line({{fmt::format("{} ", model)}, {"does not fit", Color::red}}, style);
  }
  for (const Json& shortfall : list_at(verdict, "shortfalls")) {
    text += line({{"  " + text_or_dash(shortfall, "detail")}}, style);
  }
  for (const Json& warning : list_at(verdict, "warnings")) {
    text += line({{"Resource warning: ", Color::orange},
                  {warning.is_string() ? warning.get<std::string>() : warning.dump()}},
                 style);
  }
  for (const Json& help : list_at(verdict, "help")) {
    text += line({{"help: ", Color::green}, {text_or_dash(help, "detail")}}, style);
  }
  return text;
}

}  // namespace levee::cli
