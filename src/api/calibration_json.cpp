#include "api/calibration_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ranges>

#include "config/models.hpp"
#include "core/time.hpp"
#include "estimate/calibration.hpp"

namespace levee::api {
namespace {

using estimate::Correction;
using nlohmann::ordered_json;

/// No job has more: sums of terms cannot overflow.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 55;
constexpr std::size_t kLongestName = 512;

ordered_json record_json(const JobRecord& record) {
  const Prediction& predicted = record.predicted;
  return {{"lease", record.lease},
          {"model", predicted.model},
          {"framework", predicted.framework},
          {"training", predicted.is_training},
          {"ended", to_iso8601(record.ended)},
          {"low_bytes", predicted.low.count},
          {"expected_bytes", predicted.expected.count},
          {"high_bytes", predicted.high.count},
          {"peak_bytes", record.peak.count},
          {"turnout", estimate::to_string(estimate::turnout_of(record))}};
}

/// Reads members; the first that is not as it should be is kept.
class Reader {
 public:
  explicit Reader(const ordered_json& json) : json_(json) {}

  [[nodiscard]] const ordered_json& at(const char* name) {
    static const ordered_json kNull;
    const auto found = json_.is_object() ? json_.find(name) : json_.end();
    return found == json_.end() ? kNull : *found;
  }
  [[nodiscard]] std::string text(const char* name) {
    const ordered_json& value = at(name);
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    check(!text.empty() && text.size() <= kLongestName && config::is_printable(text), name);
    return text;
  }
  [[nodiscard]] bool flag(const char* name) {
    const ordered_json& value = at(name);
    check(value.is_boolean(), name);
    return value.is_boolean() && value.get<bool>();
  }
  [[nodiscard]] Bytes bytes(const char* name) {
    const ordered_json& value = at(name);
    const bool is_size = value.is_number_unsigned() && value.get<std::uint64_t>() <= kMostBytes;
    check(is_size, name);
    return is_size ? Bytes{value.get<std::uint64_t>()} : Bytes{};
  }
  void check(bool is_good, const char* name) {
    if (!is_good && error_.empty()) {
      error_ = fmt::format("the estimate's \"{}\" is not as `levee fit --json` writes it", name);
    }
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const ordered_json& json_;
  std::string error_;
};

/// The sums of what is fixed and of what is not, without what was corrected.
void add_terms(Reader& estimate, Prediction& prediction) {
  const ordered_json& terms = estimate.at("terms");
  estimate.check(terms.is_array() && !terms.empty() && terms.size() <= 32, "terms");
  if (!estimate.error().empty()) {
    return;
  }
  const Correction correction = [&] {
    const auto known = corrections_of({{"corrections", {estimate.at("correction")}}});
    return known.empty() ? Correction{} : known.front();
  }();
  for (const ordered_json& each : terms) {
    Reader term(each);
    const auto name = estimate::parse_term_name(term.text("name"));
    const Bytes expected = term.bytes("expected_bytes");
    estimate.check(term.error().empty() && name, "terms");
    if (!name || *name == estimate::TermName::host) {
      continue;
    }
    if (estimate::is_soft(*name)) {
      prediction.soft += Bytes{static_cast<std::uint64_t>(
          std::llround(static_cast<double>(expected.count) / correction.factor))};
    } else {
      prediction.fixed += expected;
    }
  }
}

}  // namespace

ordered_json correction_json(const std::optional<Correction>& correction) {
  if (!correction) {
    return {};
  }
  ordered_json json{{"framework", estimate::to_string(correction->framework)},
                    {"training", correction->is_training},
                    {"jobs", correction->jobs},
                    {"factor", correction->factor}};
  json["spread"] = correction->spread ? ordered_json(*correction->spread) : ordered_json();
  return json;
}

ordered_json calibration_json(std::span<const JobRecord> records) {
  ordered_json jobs = ordered_json::array();
  for (const JobRecord& record : records | std::views::reverse) {
    jobs.push_back(record_json(record));
  }
  ordered_json corrections = ordered_json::array();
  for (const Correction& each : estimate::learn(records)) {
    corrections.push_back(correction_json(each));
  }
  return {{"jobs", std::move(jobs)}, {"corrections", std::move(corrections)}};
}

std::vector<Correction> corrections_of(const ordered_json& json) {
  std::vector<Correction> corrections;
  Reader whole(json);
  for (const ordered_json& each : whole.at("corrections")) {
    Reader reader(each);
    const auto framework = estimate::parse_framework(reader.text("framework"));
    const ordered_json& factor = reader.at("factor");
    const ordered_json& jobs = reader.at("jobs");
    const ordered_json& spread = reader.at("spread");
    if (framework && factor.is_number() && factor.get<double>() > 0.01 &&
        factor.get<double>() < 100 && jobs.is_number_unsigned()) {
      corrections.push_back(
          {.framework = *framework,
           .is_training = reader.flag("training"),
           .jobs = jobs.get<std::size_t>(),
           .factor = factor.get<double>(),
           .spread = spread.is_number() ? std::optional(spread.get<double>()) : std::nullopt});
    }
  }
  return corrections;
}

Result<Prediction> prediction_of(const ordered_json& estimate) {
  Reader reader(estimate);
  Prediction prediction;
  prediction.model = reader.text("model");
  prediction.framework = reader.text("framework");
  reader.check(estimate::parse_framework(prediction.framework).has_value(), "framework");
  prediction.is_training = reader.flag("training");
  prediction.fills_memory = reader.flag("fills_memory");
  add_terms(reader, prediction);
  Reader total(reader.at("total"));
  prediction.low = total.bytes("low_bytes");
  prediction.expected = total.bytes("expected_bytes");
  prediction.high = total.bytes("high_bytes");
  reader.check(total.error().empty() && prediction.low <= prediction.expected &&
                   prediction.expected <= prediction.high && prediction.high.count > 0,
               "total");
  if (!reader.error().empty()) {
    return fail(ErrorCode::invalid_argument, reader.error(),
                "send the answer of POST /api/v1/estimate, or of `levee fit --json`, as it is");
  }
  return prediction;
}

}  // namespace levee::api
