#include "ledger/refusal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace levee::ledger {
namespace {

constexpr std::size_t kLongestId = 200;
constexpr std::size_t kLongestName = 200;
constexpr std::size_t kMostDevices = 64;
constexpr std::size_t kMostHolders = 16;
constexpr std::chrono::seconds kLongestTime = std::chrono::days{365};

std::optional<Denial> refuse(ErrorCode code, std::string message, std::string hint) {
  return Denial{{code, std::move(message), std::move(hint)}, {}, {}};
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

std::optional<Denial> object_to_names(const Request& request) {
  if (request.id.empty() || request.id.size() > kLongestId ||
      std::ranges::any_of(request.id, is_control)) {
    return refuse(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" is no id for a lease", shown(request.id)),
                  fmt::format("write 1 to {} bytes without control characters", kLongestId));
  }
  if (request.name.size() > kLongestName || std::ranges::any_of(request.name, is_control)) {
    return refuse(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" is no name for a lease", shown(request.name)),
                  fmt::format("write up to {} bytes without control characters", kLongestName));
  }
  return std::nullopt;
}

std::optional<Denial> object_to_time(std::string_view what,
                                     std::optional<std::chrono::seconds> time, bool may_be_zero) {
  const auto least = std::chrono::seconds{may_be_zero ? 0 : 1};
  if (time && (*time < least || *time > kLongestTime)) {
    return refuse(ErrorCode::invalid_argument,
                  fmt::format("{} of {} s cannot be", what, time->count()),
                  fmt::format("give {} s to {} s", least.count(), kLongestTime.count()));
  }
  return std::nullopt;
}

std::optional<Denial> object_to_amounts(const Demand& demand) {
  const bool wants_devices = !demand.named.empty() || demand.any_devices > 0;
  if (!wants_devices && demand.host.count == 0) {
    return refuse(ErrorCode::invalid_argument, "nothing is asked for",
                  "ask for GPU memory, host memory or both");
  }
  if (!demand.named.empty() && demand.any_devices > 0) {
    return refuse(ErrorCode::invalid_argument, "GPUs are both named and left open",
                  "name all of them or none");
  }
  if (demand.any_devices > 0 && demand.bytes_each.count == 0) {
    return refuse(ErrorCode::invalid_argument, "0 bytes of GPU memory are asked for",
                  "ask for at least one byte, or for no GPU");
  }
  if (std::max(demand.named.size(), demand.any_devices) > kMostDevices) {
    return refuse(
        ErrorCode::invalid_argument,
        fmt::format("{} GPUs are too many", std::max(demand.named.size(), demand.any_devices)),
        fmt::format("a lease has at most {}", kMostDevices));
  }
  for (auto share = demand.named.begin(); share != demand.named.end(); ++share) {
    if (share->bytes.count == 0) {
      return refuse(ErrorCode::invalid_argument,
                    fmt::format("0 bytes of {} are asked for", shown(share->uuid)),
                    "ask for at least one byte, or leave the GPU out");
    }
    if (std::ranges::count(demand.named.begin(), share, share->uuid, &DeviceShare::uuid) > 0) {
      return refuse(ErrorCode::invalid_argument,
                    fmt::format("GPU {} is named twice", shown(share->uuid)), "name it once");
    }
  }
  return std::nullopt;
}

std::optional<Denial> object_to_devices(const Demand& demand, const Supply& supply) {
  const bool wants_devices = !demand.named.empty() || demand.any_devices > 0;
  if (wants_devices && !supply.devices_known) {
    return refuse(ErrorCode::unavailable, "the GPUs have not been looked at yet",
                  "try again in a second; `levee doctor` says more");
  }
  for (const DeviceShare& share : demand.named) {
    if (std::ranges::count(supply.devices, share.uuid, &DeviceSupply::uuid) == 0) {
      return refuse(ErrorCode::not_found,
                    fmt::format("this machine has no GPU {}", shown(share.uuid)),
                    "`levee status` lists the GPUs");
    }
  }
  if (demand.any_devices > supply.devices.size()) {
    return refuse(ErrorCode::not_found,
                  fmt::format("{} GPUs are asked for, and Levee sees {}", demand.any_devices,
                              supply.devices.size()),
                  supply.devices.empty() ? "`levee doctor` says why it sees none"
                                         : "`levee status` lists the GPUs");
  }
  if (demand.host.count > 0 && !supply.host) {
    return refuse(ErrorCode::unavailable, "the host's memory cannot be read just now",
                  "`levee doctor` says why");
  }
  return std::nullopt;
}

std::optional<Denial> object_to_account(const Book& book, const Request& request,
                                        const Requester& requester) {
  if (request.demand.within.empty()) {
    return std::nullopt;
  }
  const Lease* const account = book.find(request.demand.within);
  if (account == nullptr || !account->is_granted() || !account->demand.within.empty()) {
    return refuse(
        ErrorCode::not_found,
        fmt::format("there is no granted lease \"{}\" to be within", shown(request.demand.within)),
        "`levee lease list` shows all of them");
  }
  if (account->uid != requester.uid && !requester.is_administrator) {
    return refuse(ErrorCode::permission_denied,
                  fmt::format("lease \"{}\" belongs to user {}", shown(account->id), account->uid),
                  "only its user may have leases within it");
  }
  if (request.demand.any_devices > 0) {
    return refuse(ErrorCode::invalid_argument, "a lease within another names its GPUs",
                  "name the GPUs of the lease that it is within");
  }
  return std::nullopt;
}

/// What a lease has, or asks for, on all devices together.
Bytes device_bytes(const Lease& lease) {
  Bytes sum;
  for (std::size_t i = 0; !lease.is_granted() && i < lease.demand.any_devices; ++i) {
    sum += lease.demand.bytes_each;  // Addition saturates; a product could wrap.
  }
  for (const DeviceShare& share : lease.is_granted() ? lease.shares : lease.demand.named) {
    sum += share.bytes;
  }
  return sum;
}

/// What the leases within `account`, and one more that asks for `more`, have beyond its own.
Use beyond_own(const Book& book, const Lease& account, const Demand* more) {
  Use inner;
  for (const auto& [id, lease] : book.leases()) {
    if (lease.demand.within == account.id) {
      Lease whole = lease;  // One in line counts with what it asks for.
      whole.shares = lease.is_granted() ? lease.shares : lease.demand.named;
      add(inner, whole);
    }
  }
  if (more != nullptr) {
    Lease asked;
    asked.demand = *more;
    asked.shares = more->named;
    add(inner, asked);
  }
  Use beyond;
  beyond.host = inner.host - account.demand.host;
  for (const DeviceShare& share : inner.devices) {
    beyond.devices.push_back({share.uuid, share.bytes - share_on(account.shares, share.uuid)});
  }
  return beyond;
}

/// What a user without privileges may have altogether, waiting requests included.
std::optional<Denial> object_to_quota(const Book& book, const Rules& rules, const Demand& demand,
                                      std::size_t new_leases, const Requester& requester) {
  if (requester.is_administrator) {
    return std::nullopt;
  }
  if (demand.priority > 0) {
    return refuse(ErrorCode::permission_denied,
                  fmt::format("priority {} is above the usual one", demand.priority),
                  "0 and less is everybody's; only the daemon's user may raise it");
  }
  Bytes devices;
  Bytes host;
  std::size_t count = new_leases;
  if (demand.within.empty()) {
    Lease asked;
    asked.demand = demand;
    devices = device_bytes(asked);
    host = demand.host;
  }
  for (const auto& [id, lease] : book.leases()) {
    if (lease.uid != requester.uid) {
      continue;
    }
    ++count;
    if (lease.demand.within.empty()) {
      const bool is_asked_within = demand.within == id;
      const Use beyond = beyond_own(book, lease, is_asked_within ? &demand : nullptr);
      devices += device_bytes(lease);
      host += lease.demand.host + beyond.host;
      for (const DeviceShare& share : beyond.devices) {
        devices += share.bytes;
      }
    }
  }
  const auto over = [](std::string_view what, const auto& value, const auto& most) {
    return refuse(ErrorCode::resource_exhausted,
                  fmt::format("that would be {} {} of yours, and {} is the most a user may have",
                              value, what, most),
                  "release a lease that is not needed (`levee lease list`), or ask the "
                  "administrator for more (ledger.user_* in the configuration)");
  };
  if (count > rules.most_leases_per_user) {
    return over("leases", count, rules.most_leases_per_user);
  }
  if (rules.most_device_bytes_per_user && devices > *rules.most_device_bytes_per_user) {
    return over("of GPU memory", format_bytes(devices),
                format_bytes(*rules.most_device_bytes_per_user));
  }
  if (rules.most_host_bytes_per_user && host > *rules.most_host_bytes_per_user) {
    return over("of host memory", format_bytes(host),
                format_bytes(*rules.most_host_bytes_per_user));
  }
  return std::nullopt;
}

std::string sentence(const Shortfall& each) {
  if (!each.reason.empty()) {
    return fmt::format("{}: {}", each.label, each.reason);
  }
  if (each.needed > each.capacity) {
    return fmt::format("{} can give {} at most, {} is asked for", each.label,
                       format_bytes(each.capacity), format_bytes(each.needed));
  }
  return fmt::format("{} has {} available, {} is asked for: {} missing", each.label,
                     format_bytes(each.available), format_bytes(each.needed),
                     format_bytes(each.missing()));
}

std::vector<Holder> holders_of(const Book& book, const Scene& scene,
                               const std::vector<Shortfall>& shortfalls) {
  std::vector<Holder> holders;
  const auto is_short = [&](std::string_view resource) {
    return std::ranges::count(shortfalls, resource, &Shortfall::resource) > 0;
  };
  for (const auto& [id, lease] : book.leases()) {
    if (!lease.is_granted()) {
      continue;
    }
    for (const DeviceShare& share : lease.shares) {
      if (is_short(share.uuid)) {
        holders.push_back({id, lease.name, lease.uid, share.uuid, share.bytes});
      }
    }
    if (lease.demand.host.count > 0 && is_short("host")) {
      holders.push_back({id, lease.name, lease.uid, "host", lease.demand.host});
    }
  }
  const Balance now = balance(book, scene.supply, scene.rules);
  for (const DeviceBalance& each : now.devices) {
    if (each.unaccounted.count > 0 && is_short(each.device->uuid)) {
      holders.push_back({{}, {}, 0, each.device->uuid, each.unaccounted});
    }
  }
  std::ranges::sort(holders, [](const Holder& a, const Holder& b) {
    return std::tie(b.bytes, a.id) < std::tie(a.bytes, b.id);
  });
  holders.resize(std::min(holders.size(), kMostHolders));
  return holders;
}

std::string advice(const Book& book, const std::vector<Shortfall>& shortfalls,
                   const std::vector<Holder>& holders) {
  if (std::ranges::all_of(shortfalls, [](const Shortfall& each) {
        return !each.reason.empty() || each.needed > each.capacity;
      })) {
    return "waiting does not help: ask for less, or for another GPU";
  }
  const std::size_t line = book.queue().size();
  std::string text = line == 0 ? std::string("wait for it (wait_seconds; `levee run --wait 10m`)")
                               : fmt::format("wait behind the {} in line (`levee queue`)", line);
  if (!holders.empty() && !holders.front().id.empty()) {
    text += fmt::format("; \"{}\" holds {}", shown(holders.front().id),
                        format_bytes(holders.front().bytes));
  } else if (!holders.empty()) {
    text += fmt::format("; programs that never asked hold {} (`levee ps --gpu`)",
                        format_bytes(holders.front().bytes));
  }
  return text;
}

}  // namespace

std::optional<Denial> object(const Book& book, const Scene& scene, const Request& request,
                             const Requester& requester) {
  if (auto wrong = object_to_names(request)) {
    return wrong;
  }
  if (auto wrong = object_to_time("a lifetime", request.ttl, false)) {
    return wrong;
  }
  if (auto wrong = object_to_time("a wait", request.wait, true)) {
    return wrong;
  }
  if (auto wrong = object_to_amounts(request.demand)) {
    return wrong;
  }
  if (auto wrong = object_to_devices(request.demand, scene.supply)) {
    return wrong;
  }
  if (book.find(request.id) != nullptr) {
    return refuse(ErrorCode::already_exists,
                  fmt::format("there is a lease \"{}\" already", shown(request.id)),
                  "release it first, or choose another id");
  }
  if (auto wrong = object_to_account(book, request, requester)) {
    return wrong;
  }
  return object_to_quota(book, scene.rules, request.demand, 1, requester);
}

std::optional<Denial> object_to_more(const Book& book, const Scene& scene, const Demand& more,
                                     const Requester& requester) {
  if (auto wrong = object_to_amounts(more)) {
    return wrong;
  }
  if (auto wrong = object_to_devices(more, scene.supply)) {
    return wrong;
  }
  return object_to_quota(book, scene.rules, more, 0, requester);
}

Denial explain(const Book& book, const Scene& scene, const Demand& demand, const Balance& left) {
  Denial denial;
  denial.shortfalls = shortfalls(demand, left);
  denial.holders = holders_of(book, scene, denial.shortfalls);
  std::vector<std::string> sentences;
  std::ranges::transform(denial.shortfalls, std::back_inserter(sentences), sentence);
  denial.error = {ErrorCode::resource_exhausted,
                  fmt::format("it does not fit: {}", fmt::join(sentences, "; ")),
                  advice(book, denial.shortfalls, denial.holders)};
  return denial;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string result;
  for (const char c : text.substr(0, kLongest)) {
    result += is_control(c) ? '?' : c;
  }
  return text.size() > kLongest ? result + "…" : result;
}

}  // namespace levee::ledger
