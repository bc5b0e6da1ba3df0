#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/compat.hpp"
#include "config/key_types.hpp"
#include "config/models.hpp"
#include "config/nearest.hpp"

namespace levee::config {
namespace {

using namespace std::chrono_literals;
using policy::Thresholds;
using std::chrono::days;

Key confidential(Key key) {
  key.confidential = true;
  return key;
}

Key at_next_start(Key key) {
  key.live = false;
  return key;
}

// --- what texts must look like

Mend absolute_path(const std::string& text) {
  if (text.empty() || text.starts_with('/')) {
    return std::nullopt;
  }
  return "give the whole path, beginning with /; ~ and variables are not expanded";
}

Mend model_directory(const std::string& text) {
  return text.empty() ? "give a path" : absolute_path(text);
}

Mend socket_path(const std::string& text) {
  constexpr std::size_t kLongest = 107;  // sizeof(sockaddr_un::sun_path) without the final zero
  if (text.size() > kLongest) {
    return fmt::format("a socket's path has at most {} bytes; this one has {}", kLongest,
                       text.size());
  }
  return absolute_path(text);
}

/// "host:port", "[::1]:port" or "off". Whether the host may be bound is for the server to say.
Mend listen_address(const std::string& text) {
  if (text == "off") {
    return std::nullopt;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return "write host and port, such as 127.0.0.1:8000, or off";
  }
  const std::string_view host = std::string_view(text).substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (!bracketed && host.find_first_of(":[] /") != std::string_view::npos) {
    return "write an IPv6 address in brackets: [::1]:8000";
  }
  const auto port = parse_number(std::string_view(text).substr(colon + 1));
  const auto number = port ? integer_in(*port) : std::nullopt;
  if (!number || *number < 0 || *number > 65'535) {
    return "the port is a whole number from 0 (any free port) to 65535";
  }
  return std::nullopt;
}

Mend web_addresses(const std::vector<std::string>& items) {
  constexpr std::size_t kMost = 16;  // each has a queue and a thread
  if (items.size() > kMost) {
    return fmt::format("give at most {} addresses", kMost);
  }
  for (const std::string& item : items) {
    const std::size_t host = item.starts_with("http://") ? 7 : item.starts_with("https://") ? 8 : 0;
    if (host == 0 || item.size() == host || item[host] == '/' ||
        item.find(' ') != std::string::npos) {
      return fmt::format("{} is no web address; write http:// or https:// and a host", shown(item));
    }
  }
  for (auto item = items.begin(); item != items.end(); ++item) {
    // By number: the address may hold a secret.
    if (const auto again = std::find(std::next(item), items.end(), *item); again != items.end()) {
      return fmt::format("addresses {} and {} are the same; give each one once",
                         item - items.begin() + 1, again - items.begin() + 1);
    }
  }
  return std::nullopt;
}

Mend program(const std::vector<std::string>& items) {
  constexpr std::size_t kMost = 64;
  if (items.size() > kMost) {
    return fmt::format("give at most {} arguments", kMost);
  }
  if (!items.empty() && items.front().empty()) {
    return "the first element is the program";
  }
  return std::nullopt;
}

// --- the table

std::vector<Key> judging_keys() {
  const auto threshold = [](auto member) { return field(&Config::thresholds, member); };
  return {
      seconds("monitoring_interval", field(&Config::monitoring_interval), 100ms, 60s,
              "Time between two looks at the machine."),
      seconds("history_seconds", field(&Config::history_seconds), 60s, 86'400s,
              "How much of the past is kept in memory at full resolution."),
      percent("memory_optimal", threshold(&Thresholds::memory_optimal),
              "Memory in use, in percent: below it the state is optimal, from it on normal."),
      percent("memory_normal", threshold(&Thresholds::memory_normal),
              "Memory in use, in percent: from it on the state is throttled."),
      percent("memory_critical", threshold(&Thresholds::memory_critical),
              "Memory in use, in percent: above it the state is critical."),
      points("hysteresis", threshold(&Thresholds::hysteresis), 20,
             "Percentage points by which use must fall below a bound before the state gets "
             "better."),
      percent("cpu_memory_warning", threshold(&Thresholds::cpu_memory_warning),
              "Host memory in use, in percent: above it a warning is raised."),
      percent("cpu_memory_critical", threshold(&Thresholds::cpu_memory_critical),
              "Host memory in use, in percent: above it the alert is critical."),
      size("host_available_warning", threshold(&Thresholds::host_available_warning), mib(64),
           Bytes{64 * kTiB},
           "Available host memory below which a warning is raised; on machines under 16 GB at "
           "most a quarter of the total."),
      size("host_available_emergency", threshold(&Thresholds::host_available_emergency), mib(64),
           Bytes{64 * kTiB},
           "Available host memory below which there is an emergency (the brake line); on machines "
           "under 16 GB at most an eighth of the total."),
      fraction("memory_pressure_threshold", threshold(&Thresholds::memory_pressure_threshold),
               "Fraction of memory in use above which there is pressure and cleanup begins."),
      seconds("alert_repeat_seconds", threshold(&Thresholds::alert_repeat), 1s, 86'400s,
              "Least time between two repetitions of an alert that lasts."),
      seconds("stale_seconds", threshold(&Thresholds::stale_after), 1s, 3'600s,
              "A reading older than this judges nothing; at least the monitoring interval."),
      seconds("throttle_cooldown_seconds", field(&Config::throttle_cooldown), 0s, 3'600s,
              "How long work stays slowed down after the state has become better."),
      seconds("critical_pause_seconds", field(&Config::critical_pause), 1s, 3'600s,
              "Longest time that paused work waits before it looks again."),
      whole_number("process_top", field(&Config::process_top), 1, 500,
                   "How many of the largest processes have their memory read at every look."),
      at_next_start(text("state_dir", "path", field(&Config::state_dir),
                         "an absolute path, or empty for the usual place", absolute_path,
                         "Directory of the history database and the logs.")),
  };
}

std::vector<Key> gpu_keys() {
  const auto threshold = [](auto member) { return field(&Config::thresholds, member); };
  const auto manager = [](auto member) { return field(&Config::gpu_manager, member); };
  return {
      celsius("temp_optimal", threshold(&Thresholds::temp_optimal),
              "Temperature of a GPU: below it the state is optimal, from it on normal."),
      celsius("temp_normal", threshold(&Thresholds::temp_normal),
              "Temperature of a GPU: from it on the state is throttled."),
      celsius("temp_throttle", threshold(&Thresholds::temp_throttle),
              "Temperature of a GPU: above it the state is critical and work should pause."),
      celsius("temp_critical", threshold(&Thresholds::temp_critical),
              "Temperature of a GPU: above it the alert is critical."),
      celsius("gpu_temperature_warning", threshold(&Thresholds::gpu_temperature_warning),
              "Temperature of a GPU: above it a warning is raised."),
      percent("gpu_memory_warning", threshold(&Thresholds::gpu_memory_warning),
              "GPU memory in use, in percent: above it a warning is raised."),
      percent("gpu_memory_critical", threshold(&Thresholds::gpu_memory_critical),
              "GPU memory in use, in percent: above it the alert is critical."),
      percent("gpu_memory_emergency", threshold(&Thresholds::gpu_memory_emergency),
              "GPU memory in use, in percent: above it the alert is an emergency."),
      percent("gpu_projection_warning", threshold(&Thresholds::gpu_projection_warning),
              "GPU memory that will be in use in a minute if it grows on: above it a warning is "
              "raised."),
      percent("gpu_projection_critical", threshold(&Thresholds::gpu_projection_critical),
              "GPU memory that will be in use in a minute if it grows on: above it the alert is "
              "critical."),
      percent_or_off("load_throttle_percent", threshold(&Thresholds::load_throttle_percent),
                     "GPU load above which the speed multiplier is at most 0.5."),
      megabytes_or_auto("memory_limit_mb", manager(&GpuManager::memory_limit), mib(64),
                        Bytes{64 * kTiB},
                        "Up to how much of each GPU may be booked; auto is 75 % of it."),
      megabytes("memory_reserve_mb", manager(&GpuManager::memory_reserve), Bytes{}, Bytes{kTiB},
                "GPU memory that is kept for the system and never booked."),
      percent("max_balloon_percent", manager(&GpuManager::max_balloon_percent),
              "How much of each GPU balloons that belong to no job may hold together."),
      seconds("monitor_interval", manager(&GpuManager::monitor_interval), 100ms, 3'600s,
              "Time between two rows of the GPU metrics history."),
      whole_number("history_size", manager(&GpuManager::history_size), 1, 100'000,
                   "How many rows the GPU metrics history has at most."),
      whole_number("model_cache_size", field(&Config::model_cache, &ModelCache::size), 0, 4'096,
                   "How many models jobs may keep loaded; the least recently used beyond it are "
                   "proposed for eviction."),
      text("model_cache_dir", "path", field(&Config::model_cache, &ModelCache::dir),
           "an absolute path", model_directory,
           "Where model files are kept, for those who ask; Levee itself does not look into it."),
      at_next_start(
          boolean("gpu.enabled", field(&Config::gpu, &Gpu::enabled), "Whether GPUs are watched.")),
      boolean("gpu.speed_file", field(&Config::gpu, &Gpu::speed_file),
              "Whether the speed multipliers are written to a file beside the socket."),
      whole_number("metrics.processes", field(&Config::metrics, &Metrics::processes), 0, 1'000,
                   "How many GPU processes get a series of their own on the metrics page, the "
                   "largest first."),
  };
}

std::vector<Key> ledger_keys() {
  const auto ledger = [](auto member) { return field(&Config::ledger, member); };
  return {
      size_or("ledger.host_reserve", "auto", ledger(&Ledger::host_reserve), Bytes{},
              Bytes{64 * kTiB},
              "Host memory that is never promised; auto is the line of the emergency brake."),
      whole_number("ledger.user_leases", ledger(&Ledger::user_leases), 1, 65'536,
                   "Leases and waiting requests that a user may have at once."),
      size_or("ledger.user_gpu_memory", "none", ledger(&Ledger::user_gpu_memory), mib(1),
              Bytes{64 * kTiB}, "GPU memory that a user may have promised, on all GPUs together."),
      size_or("ledger.user_host_memory", "none", ledger(&Ledger::user_host_memory), mib(1),
              Bytes{64 * kTiB}, "Host memory that a user may have promised."),
      whole_number("reclaim.user_clients", field(&Config::reclaim, &Reclaim::user_clients), 1,
                   65'536,
                   "Processes of a user that may say at once what memory they can give back."),
  };
}

std::vector<Key> guard_keys() {
  const auto recovery = [](auto member) { return field(&Config::recovery, member); };
  return {
      word("recovery.mode", "mode", recovery(&Recovery::mode), {"on", "dry-run", "off"},
           "Whether something is done about memory pressure, or only told what would be."),
      boolean("recovery.gpu_emergency", recovery(&Recovery::gpu_emergency),
              "Whether a GPU that is nearly full is an emergency by itself; otherwise only after "
              "an allocation failed."),
      seconds("recovery.rest_seconds", recovery(&Recovery::rest), 1s, 86'400s,
              "How long nobody is asked for the same again; doubles while it brings nothing."),
      seconds("recovery.deadline_seconds", recovery(&Recovery::deadline), 100ms, 600s,
              "How long a process may take to give memory back."),
      milliseconds("guard.floor_ms", field(&Config::guard, &Guard::floor), 1, 100,
                   "Shortest time between two looks of the guard when memory is nearly gone."),
      milliseconds("guard.look_ahead_ms", field(&Config::guard, &Guard::look_ahead), 0, 1'000,
                   "How far ahead the guard projects the measured fall of available memory."),
      rate("guard.fill_rate", field(&Config::guard, &Guard::fill_rate), mib(16), Bytes{4 * kTiB},
           "Fastest rate per second at which memory can be filled; auto follows the number of "
           "cores."),
  };
}

std::vector<Key> serving_keys() {
  const auto server = [](auto member) { return field(&Config::server, member); };
  const auto store = [](auto member) { return field(&Config::store, member); };
  return {
      at_next_start(text("server.listen", "address", server(&Server::listen), "host:port, or off",
                         listen_address, "Where HTTP is served; port 0 takes any free one.")),
      at_next_start(text("server.socket", "path", server(&Server::socket),
                         "an absolute path, or empty for the usual place", socket_path,
                         "The Unix socket on which clients find the daemon.")),
      at_next_start(whole_number("server.max_connections", server(&Server::max_connections), 4,
                                 65'536, "Connections served at once; further ones are refused.")),
      at_next_start(boolean("store.enabled", field(&Config::store, &Store::enabled),
                            "Whether history and events are kept on disk.")),
      duration("store.keep_1s", store(&Store::keep_1s), 1min, days{3'650},
               "How long history is kept on disk with one value per second."),
      duration("store.keep_10s", store(&Store::keep_10s), 1min, days{3'650},
               "How long history is kept with one value per 10 seconds."),
      duration("store.keep_1m", store(&Store::keep_1m), 1h, days{3'650},
               "How long history is kept with one value per minute."),
      duration("store.keep_1h", store(&Store::keep_1h), 1h, days{3'650},
               "How long history is kept with one value per hour."),
      duration("store.keep_events", store(&Store::keep_events), 1h, days{3'650},
               "How long alerts and other events are kept."),
  };
}

std::vector<Key> telling_keys() {
  const auto webhook = [](auto member) { return field(&Config::webhook, member); };
  const auto hook = [](auto member) { return field(&Config::hook, member); };
  const std::vector<std::string> severities{"warning", "critical", "emergency"};
  return {
      word("log.level", "log level", field(&Config::log, &Log::level),
           {"debug", "info", "warning", "error"}, "The least important messages that are logged."),
      word("log.format", "log format", field(&Config::log, &Log::format), {"text", "json"},
           "Lines for people, or one JSON object per line."),
      confidential(list("webhook.urls", "list of web addresses", webhook(&Webhook::urls),
                        "texts that begin with http:// or https://", web_addresses,
                        "Addresses to which every alert is sent by POST as JSON.")),
      word("webhook.min_severity", "severity", webhook(&Webhook::min_severity), severities,
           "The least serious alerts that are sent."),
      seconds("webhook.timeout_seconds", webhook(&Webhook::timeout), 1s, 300s,
              "Time allowed for one attempt, connecting included."),
      whole_number("webhook.max_attempts", webhook(&Webhook::max_attempts), 1, 100,
                   "Attempts before an alert is given up."),
      list("hook.command", "command", hook(&Hook::command),
           "a list of texts: the program and its arguments", program,
           "Program run for every alert, without a shell, with the alert as JSON on its standard "
           "input."),
      word("hook.min_severity", "severity", hook(&Hook::min_severity), severities,
           "The least serious alerts the program is run for."),
      seconds("hook.timeout_seconds", hook(&Hook::timeout), 1s, 3'600s,
              "Time after which the program is killed."),
      at_next_start(boolean("protect.lock_memory", field(&Config::protect, &Protect::lock_memory),
                            "Whether the daemon locks its memory, so that it is never swapped "
                            "out.")),
      at_next_start(whole_number("protect.oom_score_adj",
                                 field(&Config::protect, &Protect::oom_score_adj), -1'000, 1'000,
                                 "How willingly the kernel kills the daemon when memory is gone; "
                                 "-1000 is never.")),
  };
}

std::vector<Key> recorder_keys() {
  const auto recorder = [](auto member) { return field(&Config::recorder, member); };
  return {
      duration("recorder.keep", recorder(&Recorder::keep), 10s, 1h,
               "How much of the past the flight recorder keeps in memory."),
      size("recorder.memory", recorder(&Recorder::memory), mib(1), gib(4),
           "The most memory it takes for that; on a busy machine it keeps less of the past then."),
      seconds("recorder.aftermath_seconds", recorder(&Recorder::aftermath), 0s, 60s,
              "How long after an incident its bundle is saved, so that what followed is in it."),
      size("recorder.incidents_max_size", recorder(&Recorder::incidents_max_size), mib(1),
           Bytes{64 * kTiB},
           "The most that all bundles together take on disk; the oldest go when it is more."),
      at_next_start(text("recorder.file", "path", recorder(&Recorder::file),
                         "an absolute path, or empty for none", absolute_path,
                         "File to which everything is recorded, for levee replay.")),
      size("recorder.max_size", recorder(&Recorder::max_size), mib(1), Bytes{64 * kTiB},
           "The most that this file and the older part beside it take on disk."),
  };
}

std::vector<Key> all_keys() {
  std::vector<Key> all;
  // Keys without a section come first: in the example file they stand above the first [section].
  for (auto part : {judging_keys(), gpu_keys(), ledger_keys(), guard_keys(), serving_keys(),
                    telling_keys(), recorder_keys()}) {
    std::ranges::move(part, std::back_inserter(all));
  }
  for (const CompatName& compat : compat_names()) {
    std::ranges::find(all, compat.key, &Key::name)->compat_env = compat.name;
  }
  return all;
}

/// What somebody who wrote `name` may have meant.
std::string suggestion(std::string_view name) {
  if (is_about_models(name)) {
    return "models are described in the configuration file, or by PUT /api/v1/models";
  }
  std::vector<std::string> names;
  std::string section;
  for (const Key& key : keys()) {
    names.emplace_back(key.name);
    if (key.name.starts_with(fmt::format("{}.", name.substr(0, 64)))) {
      section += fmt::format("{}{}", section.empty() ? "" : ", ", key.name);
    }
    // "listen" for "server.listen", and "guard.stale_seconds" for "stale_seconds".
    if (key.name.ends_with(fmt::format(".{}", name.substr(0, 64))) ||
        name.ends_with(fmt::format(".{}", key.name))) {
      return fmt::format("did you mean {}?", key.name);
    }
  }
  if (!section.empty()) {
    return fmt::format("{} is a table; its keys are {}", name, section);
  }
  const auto near = nearest(name, names);
  return near ? fmt::format("did you mean {}?", *near) : "`levee config show` lists all keys";
}

Result<Value> boolean_from(const Key& key, std::string_view text) {
  constexpr std::array kWords{"false", "true", "no", "yes", "off", "on", "0", "1"};
  const auto* const word = std::ranges::find(kWords, text);
  if (word == kWords.end()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} = {} is not a {} ({})", key.name, shown(std::string(text)),
                            key.type, key.range),
                "write true or false");
  }
  return Value{(word - kWords.begin()) % 2 == 1};
}

Result<Value> list_from(const Key& key, std::string_view text) {
  if (text.empty()) {
    return Value{std::vector<std::string>{}};
  }
  if (text.starts_with('[')) {
    auto items = parse_list(text);
    if (!items) {
      return std::unexpected(items.error().within(key.name));
    }
    return Value{std::move(*items)};
  }
  // Not split at spaces: no shell, no guessing. But "notify-send hi" is never one program.
  if (text.find_first_of(" \t") != std::string_view::npos) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} = {} has spaces and is not a list", key.name, shown(std::string(text))),
        R"(write a list, with one text per argument: ["program", "argument"])");
  }
  return Value{std::vector{std::string(text)}};
}

}  // namespace

Value public_value(const Key& key, const Config& config) {
  Value value = key.show(config);
  auto* addresses = std::get_if<std::vector<std::string>>(&value);
  if (!key.confidential || addresses == nullptr) {
    return value;
  }
  for (std::string& address : *addresses) {
    const std::size_t authority = std::min(address.find("://"), address.size() - 3) + 3;
    const std::size_t end = std::min(address.find_first_of("/?#", authority), address.size());
    const std::size_t at = address.rfind('@', end);
    const std::size_t host = at == std::string::npos || at < authority ? authority : at + 1;
    const bool has_more = end + 1 < address.size();
    address = address.substr(0, authority) + address.substr(host, end - host) +
              (has_more ? "/…" : address.substr(end));
  }
  return value;
}

std::span<const Key> keys() {
  static const std::vector<Key> all = all_keys();
  return all;
}

Result<const Key*> find_key(std::string_view name) {
  const auto found = std::ranges::find(keys(), name, &Key::name);
  if (found == keys().end()) {
    const std::string quoted = shown(std::string(name));
    const bool plain = quoted.size() == name.size() + 2;
    return fail(ErrorCode::invalid_argument,
                fmt::format("unknown key: {}", plain ? name : std::string_view(quoted)),
                suggestion(plain ? name : std::string_view{}));
  }
  return &*found;
}

std::string env_name(std::string_view key) {
  std::string name = "LEVEE_";
  for (const char c : key) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

Result<Value> value_from_text(const Key& key, std::string_view text) {
  switch (key.form) {
    case Form::text:
      return Value{std::string(text)};
    case Form::number:
      return parse_number(text).value_or(Value{std::string(text)});
    case Form::boolean:
      return boolean_from(key, text);
    case Form::list:
      return list_from(key, text);
  }
  return Value{std::string(text)};
}

Result<void> validate(const Config& config) {
  if (auto valid = policy::validate(config.thresholds); !valid) {
    return valid;
  }
  if (config.thresholds.stale_after < config.monitoring_interval) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("stale_seconds = {} must not be below monitoring_interval = {}",
                            config.thresholds.stale_after.count(),
                            std::chrono::duration<double>(config.monitoring_interval).count()),
                "raise stale_seconds, or every reading grows stale before the next one");
  }
  return {};
}

}  // namespace levee::config
