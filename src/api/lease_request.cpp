#include "api/lease_request.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/calibration_json.hpp"
#include "api/find_gpu.hpp"
#include "api/lease_json.hpp"
#include "api/members.hpp"
#include "api/route.hpp"
#include "levee/memory_spec.hpp"

namespace levee::api {
namespace {

using ledger::Demand;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 17> kLeaseKeys{"id",          "name",
                                                      "kind",        "gpus",
                                                      "gpu_memory",  "gpu_memory_bytes",
                                                      "host_memory", "host_memory_bytes",
                                                      "placement",   "min_compute",
                                                      "priority",    "yieldable",
                                                      "within",      "owner_pid",
                                                      "ttl_seconds", "wait_seconds",
                                                      "estimate"};
constexpr std::array<std::string_view, 13> kBalloonKeys{
    "size",      "gpus",        "id",           "name",  "priority", "yieldable", "within",
    "owner_pid", "ttl_seconds", "wait_seconds", "baton", "step",     "step_bytes"};
constexpr std::array<std::string_view, 4> kBookingKeys{"allocation_id", "required_mb", "gpu_id",
                                                       "owner_pid"};

constexpr std::int64_t kLargestMegabytes = std::int64_t{1} << 40;

std::optional<std::string> uuid_of(Members& members, const View& view, const ordered_json& name) {
  if (!name.is_string() && !name.is_number_unsigned()) {
    members.refuse(fmt::format("{} names no GPU", in_quotes(name.dump())),
                   R"(write its index, such as 0, or "GPU-…")");
    return std::nullopt;
  }
  const auto gpu = find_gpu(view, name.is_string() ? name.get<std::string>() : name.dump());
  if (!gpu && !view.snapshot->gpus_known) {
    members.refuse(Error{ErrorCode::unavailable, "the GPUs have not been looked at yet",
                         "try again in a second; `levee doctor` says more"});
    return std::nullopt;
  }
  if (!gpu) {
    members.refuse(gpu.error());
    return std::nullopt;
  }
  return (*gpu)->reading->identity->uuid;
}

std::optional<Prediction> read_prediction(Members& members) {
  const ordered_json* const estimate = members.find("estimate");
  if (estimate == nullptr) {
    return std::nullopt;
  }
  auto prediction = prediction_of(*estimate);
  if (!prediction) {
    members.refuse(std::move(prediction.error()));
    return std::nullopt;
  }
  return std::move(*prediction);
}

/// Where an amount is not given, it is the worst of what was estimated.
void read_gpus(Members& members, const View& view, const std::optional<Prediction>& prediction,
               Demand& demand) {
  auto each = members.amount("gpu_memory");
  if (!each && prediction) {
    each = prediction->high;
  }
  const ordered_json* const gpus = members.find("gpus");
  if (gpus != nullptr && !each) {
    members.refuse("GPUs are asked for, but not how much of them", R"(add "gpu_memory": "12GB")");
    return;
  }
  if (gpus == nullptr || !gpus->is_array()) {
    const auto count = members.number("gpus", 1, 64);
    demand.any_devices = each ? static_cast<std::size_t>(count.value_or(1)) : 0;
    demand.bytes_each = each.value_or(Bytes{});
    return;
  }
  for (const ordered_json& name : *gpus) {
    if (const auto uuid = uuid_of(members, view, name)) {
      demand.named.push_back({*uuid, *each});
    }
  }
  if (gpus->empty()) {
    members.refuse("the list of GPUs is empty", "name at least one, or give a number of GPUs");
  }
}

Amount size_of(Members& members) {
  const ordered_json* const size = members.find("size");
  if (size == nullptr) {
    members.refuse("\"size\" is missing", R"(say how much to hold: "size": "4GB")");
    return Amount::of({});
  }
  auto amount = size->is_string()           ? MemorySpec(size->get<std::string>()).amount()
                : size->is_number_integer() ? MemorySpec(size->get<std::int64_t>()).amount()
                : size->is_number()         ? MemorySpec(size->get<double>()).amount()
                                            : fail(ErrorCode::invalid_argument,
                                                   fmt::format("\"size\" is {}", in_quotes(size->dump())),
                                                   R"(write "4GB", "50%" (of what is free) or megabytes)");
  if (!amount) {
    members.refuse(std::move(amount.error()));
  }
  return amount ? *amount : Amount::of({});
}

/// What is free on it now, by its driver.
Bytes free_on(const View& view, std::string_view uuid) {
  for (const GpuView& gpu : view.gpus) {
    if (gpu.reading->identity->uuid == uuid && gpu.reading->memory) {
      return gpu.reading->memory->free;
    }
  }
  return {};
}

void read_balloon_gpus(Members& members, const View& view, const Amount& size, Demand& demand) {
  const ordered_json* const gpus = members.find("gpus");
  std::vector<std::string> uuids;
  if (gpus != nullptr && *gpus == "all") {
    for (const GpuView& gpu : view.gpus) {
      const DeviceLine* const line = line_of(view, gpu.reading->identity->uuid);
      if (line == nullptr || line->why_not.empty()) {
        uuids.push_back(gpu.reading->identity->uuid);
      }
    }
    if (uuids.empty()) {
      members.refuse("there is no GPU to hold memory of", "`levee doctor` says why");
    }
  } else if (gpus != nullptr && gpus->is_array()) {
    for (const ordered_json& name : *gpus) {
      uuids.push_back(uuid_of(members, view, name).value_or(""));
    }
    if (gpus->empty()) {
      members.refuse("the list of GPUs is empty", "name at least one, or give a number of GPUs");
    }
  } else {
    const auto count = members.number("gpus", 1, 64);
    demand.any_devices = static_cast<std::size_t>(count.value_or(1));
    demand.bytes_each = size.resolve({});
    if (size.is_share()) {
      members.refuse("a share of what is free on any GPU is no size",
                     R"(name the GPU (--gpu 0, "gpus": ["0"]), or say how much)");
    }
  }
  for (std::string& uuid : uuids) {
    const Bytes bytes = size.resolve(free_on(view, uuid));
    demand.named.push_back({std::move(uuid), bytes});
  }
}

std::optional<ComputeCapability> parse_capability(std::string_view text) {
  ComputeCapability capability;
  const auto point = text.find('.');
  const auto whole = [](std::string_view digits, int& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc{} && end == digits.data() + digits.size() && into >= 0 && into < 100;
  };
  const bool good =
      whole(text.substr(0, point), capability.major) &&
      (point == std::string_view::npos || whole(text.substr(point + 1), capability.minor));
  return good ? std::optional(capability) : std::nullopt;
}

std::optional<pid_t> owner_pid(Members& members) {
  const auto pid = members.number("owner_pid", 1, std::numeric_limits<pid_t>::max());
  return pid ? std::optional(static_cast<pid_t>(*pid)) : std::nullopt;
}

std::optional<std::chrono::seconds> seconds(Members& members, std::string_view name,
                                            std::int64_t least) {
  constexpr std::int64_t kYear = std::int64_t{365} * 24 * 3600;
  const auto number = members.number(name, least, kYear);
  return number ? std::optional(std::chrono::seconds{*number}) : std::nullopt;
}

/// What every kind of lease may say.
void read_common(Members& members, LeaseBody& body) {
  ledger::Request& request = body.request;
  request.id = members.id("id");
  request.name = members.text("name");
  constexpr std::int64_t kPriority = 1000;
  request.demand.priority =
      static_cast<int>(members.number("priority", -kPriority, kPriority).value_or(0));
  request.demand.yieldable = members.flag("yieldable");
  request.demand.within = members.id("within");
  request.ttl = seconds(members, "ttl_seconds", 1);
  request.wait = seconds(members, "wait_seconds", 0);
  body.owner_pid = owner_pid(members);
}

/// Whether it follows its owner, and by which steps. Within a job's account it does unless told not
/// to: the job could not start otherwise.
void read_baton(Members& members, LeaseBody& body) {
  constexpr Bytes kUsualStep = gib(1);
  Demand& demand = body.request.demand;
  const bool has_owner = !demand.within.empty() || body.owner_pid;
  const bool follows = members.flag("baton", !demand.within.empty());
  const auto step = members.amount("step");
  if (follows && !has_owner) {
    members.refuse("there is nobody to hand the memory to",
                   R"(say whose it is: "owner_pid", or "within" the lease of a job)");
  } else if (!follows && step) {
    members.refuse("a step is given, but the balloon follows nobody", R"(add "baton": true)");
  }
  if (follows) {
    demand.step = step.value_or(kUsualStep);
  }
}

}  // namespace

Result<LeaseBody> lease_body(const ordered_json& body, const View& view) {
  Members members(body, kLeaseKeys, "a lease");
  LeaseBody result;
  ledger::Request& request = result.request;
  Demand& demand = request.demand;
  demand.kind = members.word("kind", &ledger::parse_lease_kind, demand.kind,
                             "booking, balloon, model, worker");
  request.prediction = read_prediction(members);
  read_gpus(members, view, request.prediction, demand);
  demand.host = members.amount("host_memory").value_or(Bytes{});
  demand.placement = members.word("placement", &ledger::parse_placement, demand.placement,
                                  "best_fit, spread, pack");
  if (members.find("min_compute") != nullptr) {
    const std::string least = members.text("min_compute");
    demand.least_capability = parse_capability(least);
    if (!demand.least_capability) {
      members.refuse(fmt::format("\"min_compute\" is {}", in_quotes(least)),
                     R"(write a compute capability such as "8.0")");
    }
  }
  read_common(members, result);
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  return result;
}

Result<LeaseBody> balloon_body(const ordered_json& body, const View& view) {
  Members members(body, kBalloonKeys, "a balloon");
  LeaseBody result;
  ledger::Request& request = result.request;
  request.demand.kind = ledger::LeaseKind::balloon;
  read_balloon_gpus(members, view, size_of(members), request.demand);
  read_common(members, result);
  read_baton(members, result);
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  return result;
}

Result<Amount> balloon_size(const ordered_json& body) {
  Members members(body, std::span(kBalloonKeys).first(1), "a size");
  const Amount size = size_of(members);
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  return size;
}

Result<LeaseBody> booking_body(const ordered_json& body, const View& view) {
  Members members(body, kBookingKeys, "a booking");
  LeaseBody result;
  result.request.id = members.text("allocation_id");
  if (result.request.id.empty()) {
    members.refuse("allocation_id is missing", "name the allocation, such as \"llm_model\"");
  }
  const auto megabytes = members.number("required_mb", 1, kLargestMegabytes);
  if (!megabytes) {
    members.refuse("required_mb is missing", "say how many megabytes, such as 2048");
  }
  const ordered_json zero = 0U;
  const ordered_json* const gpu = members.find("gpu_id");
  if (const auto uuid = uuid_of(members, view, gpu != nullptr ? *gpu : zero)) {
    result.request.demand.named = {{*uuid, mib(static_cast<std::uint64_t>(megabytes.value_or(1)))}};
  }
  result.request.demand.obeys_limit = true;
  result.owner_pid = owner_pid(members);
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  return result;
}

Result<std::string> booking_id(const ordered_json& body) {
  Members members(body, std::span(kBookingKeys).first(1), "a booking");
  std::string id = members.text("allocation_id");
  if (id.empty()) {
    members.refuse("allocation_id is missing", "name the allocation to give back");
  }
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  return id;
}

}  // namespace levee::api
