#include "config/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/compat.hpp"
#include "config/nearest.hpp"

namespace levee::config {
namespace {

constexpr std::string_view kPrefix = "LEVEE_";

/// Variables that are read elsewhere and are no key. Those of the simulated GPU share a prefix.
constexpr std::array<std::string_view, 5> kOtherNames{"LEVEE_CONFIG", "LEVEE_COMPAT", "LEVEE_LEASE",
                                                      "LEVEE_NVML_PATH", "LEVEE_TOKEN"};
constexpr std::string_view kSimPrefix = "LEVEE_SIM";

/// Short for LEVEE_SERVER_SOCKET: clients read it too.
constexpr std::string_view kSocketName = "LEVEE_SOCKET";
constexpr std::string_view kSocketKey = "server.socket";

/// The key that the variable `name` sets; null when it sets none.
const Key* key_for(std::string_view name) {
  const auto found =
      std::ranges::find_if(keys(), [&](const Key& key) { return env_name(key.name) == name; });
  return found != keys().end() ? &*found : nullptr;
}

std::string unread_note(std::string_view name) {
  std::vector<std::string> names{std::string(kSocketName)};
  names.insert(names.end(), kOtherNames.begin(), kOtherNames.end());
  for (const Key& key : keys()) {
    names.push_back(env_name(key.name));
  }
  const auto near = nearest(name, names);
  return fmt::format("nothing reads the environment variable {}{}",
                     is_printable(name) ? name : "with the unprintable name",
                     near ? fmt::format("; did you mean {}?", *near) : std::string{});
}

Result<Value> compat_value(const CompatName& compat, const std::string& text,
                           const Config& in_force) {
  if (compat.convert == nullptr) {
    return Value{text};
  }
  const auto parsed = parse_number(text);
  const auto number = parsed ? number_in(*parsed) : std::nullopt;
  if (!number || *number <= 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} = {} is not a number above 0", compat.name, shown(text)),
                fmt::format("it counts {}", compat.meaning));
  }
  return compat.convert(*number, in_force);
}

Result<void> add(const Key& key, const std::string& name, const std::string& text, Layer& layer) {
  auto value = value_from_text(key, text);
  if (!value) {
    return std::unexpected(value.error().within(name));
  }
  layer.insert_or_assign(std::string(key.name), Setting{std::move(*value), name});
  return {};
}

}  // namespace

Result<EnvironmentLayer> read_environment(const Environment& environment) {
  EnvironmentLayer result;
  for (const auto& [name, text] : environment) {
    if (!name.starts_with(kPrefix) || text.empty() || name == kSocketName) {
      continue;
    }
    if (const Key* key = key_for(name)) {
      if (const auto added = add(*key, name, text, result.layer); !added) {
        return std::unexpected(added.error());
      }
    } else if (!name.starts_with(kSimPrefix) &&
               std::ranges::find(kOtherNames, name) == kOtherNames.end()) {
      result.notes.push_back(unread_note(name));
    }
  }
  const auto socket = environment.find(std::string(kSocketName));
  if (socket != environment.end() && !socket->second.empty() &&
      !result.layer.contains(kSocketKey)) {
    result.layer.emplace(kSocketKey, Setting{socket->second, socket->first});
  }
  const auto compat = environment.find("LEVEE_COMPAT");
  if (compat != environment.end() && !compat_enabled(environment) && !compat->second.empty() &&
      compat->second != "0") {
    result.notes.push_back(
        fmt::format("LEVEE_COMPAT = {} changes nothing; it is 1 or 0", shown(compat->second)));
  }
  return result;
}

bool compat_enabled(const Environment& environment) {
  const auto found = environment.find("LEVEE_COMPAT");
  return found != environment.end() && found->second == "1";
}

Result<void> add_compat_name(const CompatName& compat, const Environment& environment,
                             const Config& in_force, EnvironmentLayer& into) {
  const auto found = environment.find(std::string(compat.name));
  if (found == environment.end() || found->second.empty()) {
    return {};
  }
  const auto& [name, text] = *found;
  if (const auto rival = into.layer.find(compat.key); rival != into.layer.end()) {
    into.notes.push_back(fmt::format("{} is not used: {} is set", name, rival->second.where));
    return {};
  }
  const auto value = compat_value(compat, text, in_force);
  if (!value) {
    return std::unexpected(value.error());
  }
  into.layer.emplace(compat.key, Setting{*value, name});
  into.notes.push_back(fmt::format("{} = {} sets {} (LEVEE_COMPAT=1); its name here is {}", name,
                                   text, compat.key, env_name(compat.key)));
  return {};
}

}  // namespace levee::config
