#include "estimate/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace levee::estimate {
namespace {

template <class Value, std::size_t kCount>
std::optional<Value> find_name(const std::array<std::pair<std::string_view, Value>, kCount>& names,
                               std::string_view text) {
  const auto found = std::ranges::find(names, text, &std::pair<std::string_view, Value>::first);
  return found == names.end() ? std::nullopt : std::optional(found->second);
}

/// Block formats of ggml: 32 values share a 16-bit scale, and some an offset.
constexpr std::array<std::pair<std::string_view, double>, 11> kCacheTypes{{{"auto", 16},
                                                                           {"f16", 16},
                                                                           {"bf16", 16},
                                                                           {"f32", 32},
                                                                           {"fp8", 8},
                                                                           {"q8_0", 8.5},
                                                                           {"q5_1", 6},
                                                                           {"q5_0", 5.5},
                                                                           {"q4_1", 5},
                                                                           {"q4_0", 4.5},
                                                                           {"iq4_nl", 4.5}}};

}  // namespace

std::string_view to_string(Framework framework) noexcept {
  switch (framework) {
    case Framework::vllm:
      return "vllm";
    case Framework::llama_cpp:
      return "llama.cpp";
    case Framework::transformers:
      return "transformers";
  }
  return "transformers";
}

std::optional<Framework> parse_framework(std::string_view text) noexcept {
  constexpr std::array<std::pair<std::string_view, Framework>, 3> kNames{
      {{"vllm", Framework::vllm},
       {"llama.cpp", Framework::llama_cpp},
       {"transformers", Framework::transformers}}};
  return find_name(kNames, text);
}

std::optional<Optimizer> parse_optimizer(std::string_view text) noexcept {
  constexpr std::array<std::pair<std::string_view, Optimizer>, 5> kNames{
      {{"adam", Optimizer::adam},
       {"adamw", Optimizer::adam},
       {"adam8bit", Optimizer::adam_8bit},
       {"sgd", Optimizer::sgd},
       {"momentum", Optimizer::sgd_momentum}}};
  return find_name(kNames, text);
}

std::optional<Recompute> parse_recompute(std::string_view text) noexcept {
  constexpr std::array<std::pair<std::string_view, Recompute>, 3> kNames{
      {{"none", Recompute::none}, {"selective", Recompute::selective}, {"full", Recompute::full}}};
  return find_name(kNames, text);
}

std::optional<Version> parse_version(std::string_view text) noexcept {
  Version version;
  const auto* const end = text.data() + text.size();
  const auto major = std::from_chars(end - text.size(), end, version.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') {
    return std::nullopt;
  }
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  const bool is_good = minor.ec == std::errc{} && version.major >= 0 && version.minor >= 0;
  return is_good ? std::optional(version) : std::nullopt;
}

Result<CacheType> parse_cache_type(std::string_view name) {
  if (const auto bits = find_name(kCacheTypes, name)) {
    return CacheType{std::string(name), *bits};
  }
  std::string accepted;
  for (const auto& [known, bits] : kCacheTypes) {
    accepted += fmt::format("{}{}", accepted.empty() ? "" : ", ", known);
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("\"{}\" is no type of a cache", name.substr(0, 64)),
              fmt::format("accepted: {}", accepted));
}

namespace {

constexpr std::array<std::pair<std::string_view, TermName>, 11> kTermNames{
    {{"weights", TermName::weights},
     {"kv_cache", TermName::kv_cache},
     {"activations", TermName::activations},
     {"compute_buffer", TermName::compute_buffer},
     {"gradients", TermName::gradients},
     {"optimizer", TermName::optimizer},
     {"logits", TermName::logits},
     {"context", TermName::context},
     {"graphs", TermName::graphs},
     {"slack", TermName::slack},
     {"host", TermName::host}}};

}  // namespace

std::string_view to_string(TermName name) noexcept {
  const auto* const found =
      std::ranges::find(kTermNames, name, &std::pair<std::string_view, TermName>::second);
  return found == kTermNames.end() ? "slack" : found->first;
}

std::optional<TermName> parse_term_name(std::string_view text) noexcept {
  return find_name(kTermNames, text);
}

}  // namespace levee::estimate
