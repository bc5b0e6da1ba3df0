#include "store/lease_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace levee::store {
namespace {

using ledger::Demand;
using ledger::DeviceShare;
using ledger::Lease;
using nlohmann::json;

json to_json(const std::vector<DeviceShare>& shares) {
  json list = json::array();
  for (const DeviceShare& share : shares) {
    list.push_back({{"uuid", share.uuid}, {"bytes", share.bytes.count}});
  }
  return list;
}

std::vector<DeviceShare> shares_of(const json& list) {
  std::vector<DeviceShare> shares;
  for (const json& each : list) {
    shares.push_back(
        {each.at("uuid").get<std::string>(), Bytes{each.at("bytes").get<std::uint64_t>()}});
  }
  return shares;
}

json to_json(const Demand& demand) {
  json text{{"kind", to_string(demand.kind)},
            {"named", to_json(demand.named)},
            {"any_devices", demand.any_devices},
            {"bytes_each", demand.bytes_each.count},
            {"placement", to_string(demand.placement)},
            {"host", demand.host.count},
            {"priority", demand.priority},
            {"yieldable", demand.yieldable},
            {"obeys_limit", demand.obeys_limit},
            {"within", demand.within}};
  if (demand.least_capability) {
    text["least_capability"] = {demand.least_capability->major, demand.least_capability->minor};
  }
  if (demand.step) {
    text["step"] = demand.step->count;
  }
  return text;
}

template <class Value>
Value known(std::optional<Value> value, const json& text) {
  if (!value) {
    throw std::invalid_argument(fmt::format("no such word: {}", text.dump()));
  }
  return *value;
}

Demand demand_of(const json& text) {
  Demand demand;
  demand.kind = known(ledger::parse_lease_kind(text.at("kind").get<std::string>()), text);
  demand.named = shares_of(text.at("named"));
  demand.any_devices = text.at("any_devices").get<std::size_t>();
  demand.bytes_each = Bytes{text.at("bytes_each").get<std::uint64_t>()};
  demand.placement = known(ledger::parse_placement(text.at("placement").get<std::string>()), text);
  demand.host = Bytes{text.at("host").get<std::uint64_t>()};
  demand.priority = text.at("priority").get<int>();
  demand.yieldable = text.at("yieldable").get<bool>();
  demand.obeys_limit = text.at("obeys_limit").get<bool>();
  demand.within = text.at("within").get<std::string>();
  if (const auto least = text.find("least_capability"); least != text.end()) {
    demand.least_capability = {.major = least->at(0).get<int>(), .minor = least->at(1).get<int>()};
  }
  if (const auto step = text.find("step"); step != text.end()) {
    demand.step = Bytes{step->get<std::uint64_t>()};
  }
  return demand;
}

std::int64_t to_number(MonoTime time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}
std::int64_t to_number(WallTime time) { return time.time_since_epoch().count(); }
std::int64_t to_number(std::chrono::seconds time) { return time.count(); }

template <class Time>
void put(json& text, const char* name, const std::optional<Time>& time) {
  if (time) {
    text[name] = to_number(*time);
  }
}

template <class Time>
std::optional<Time> find(const json& text, const char* name) {
  const auto found = text.find(name);
  if (found == text.end()) {
    return std::nullopt;
  }
  const auto number = found->get<std::int64_t>();
  if constexpr (std::is_same_v<Time, std::chrono::seconds>) {
    return Time{number};
  } else {
    return Time{typename Time::duration{number}};
  }
}

json to_json(const Prediction& prediction) {
  return {{"model", prediction.model},
          {"framework", prediction.framework},
          {"is_training", prediction.is_training},
          {"fills_memory", prediction.fills_memory},
          {"fixed", prediction.fixed.count},
          {"soft", prediction.soft.count},
          {"low", prediction.low.count},
          {"expected", prediction.expected.count},
          {"high", prediction.high.count}};
}

Prediction prediction_of(const json& text) {
  const auto bytes = [&text](const char* name) {
    return Bytes{text.at(name).get<std::uint64_t>()};
  };
  return {.model = text.at("model").get<std::string>(),
          .framework = text.at("framework").get<std::string>(),
          .is_training = text.at("is_training").get<bool>(),
          .fills_memory = text.at("fills_memory").get<bool>(),
          .fixed = bytes("fixed"),
          .soft = bytes("soft"),
          .low = bytes("low"),
          .expected = bytes("expected"),
          .high = bytes("high")};
}

Lease lease_of(const json& text) {
  Lease lease;
  lease.id = text.at("id").get<std::string>();
  lease.name = text.at("name").get<std::string>();
  lease.demand = demand_of(text.at("demand"));
  lease.state = text.at("granted_state").get<bool>() ? ledger::LeaseState::granted
                                                     : ledger::LeaseState::waiting;
  lease.shares = shares_of(text.at("shares"));
  if (const auto before = text.find("used_before"); before != text.end()) {
    lease.used_before = shares_of(*before);
  }
  const json& owner = text.at("owner");
  lease.owner = {known(BootId::parse(owner.at("boot").get<std::string>()), owner),
                 owner.at("pid").get<pid_t>(), owner.at("start_ticks").get<std::uint64_t>()};
  lease.uid = text.at("uid").get<uid_t>();
  lease.ticket = text.at("ticket").get<std::uint64_t>();
  lease.asked = WallTime{WallTime::duration{text.at("asked").get<std::int64_t>()}};
  lease.granted = find<WallTime>(text, "granted");
  lease.give_up_at = find<MonoTime>(text, "give_up_at");
  lease.ttl = find<std::chrono::seconds>(text, "ttl");
  lease.expires_at = find<MonoTime>(text, "expires_at");
  if (const auto prediction = text.find("prediction"); prediction != text.end()) {
    lease.prediction = prediction_of(*prediction);
  }
  return lease;
}

std::string dumped(const json& text) {
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string to_text(const Lease& lease) {
  json text{{"id", lease.id},
            {"name", lease.name},
            {"demand", to_json(lease.demand)},
            {"granted_state", lease.is_granted()},
            {"shares", to_json(lease.shares)},
            {"owner",
             {{"boot", lease.owner.boot.to_string()},
              {"pid", lease.owner.pid},
              {"start_ticks", lease.owner.start_ticks}}},
            {"uid", lease.uid},
            {"ticket", lease.ticket},
            {"asked", to_number(lease.asked)}};
  if (!lease.used_before.empty()) {
    text["used_before"] = to_json(lease.used_before);
  }
  put(text, "granted", lease.granted);
  put(text, "give_up_at", lease.give_up_at);
  put(text, "ttl", lease.ttl);
  put(text, "expires_at", lease.expires_at);
  if (lease.prediction) {
    text["prediction"] = to_json(*lease.prediction);
  }
  return dumped(text);
}

std::string to_text(const JobRecord& record) {
  return dumped({{"lease", record.lease},
                 {"uid", record.uid},
                 {"ended", to_number(record.ended)},
                 {"predicted", to_json(record.predicted)},
                 {"peak", record.peak.count}});
}

Result<JobRecord> parse_job_record(std::string_view text) {
  try {
    const json read = json::parse(text);
    return JobRecord{.lease = read.at("lease").get<std::string>(),
                     .uid = read.at("uid").get<uid_t>(),
                     .ended = WallTime{WallTime::duration{read.at("ended").get<std::int64_t>()}},
                     .predicted = prediction_of(read.at("predicted")),
                     .peak = Bytes{read.at("peak").get<std::uint64_t>()}};
  } catch (const std::exception& failure) {
    return fail(ErrorCode::corrupt,
                fmt::format("the record of a job cannot be read: {}", failure.what()));
  }
}

Result<Lease> parse_lease(std::string_view text) {
  try {
    return lease_of(json::parse(text));
  } catch (const std::exception& failure) {
    return fail(ErrorCode::corrupt, fmt::format("a lease cannot be read: {}", failure.what()));
  }
}

}  // namespace levee::store
