#include "client/endpoint.hpp"

#include <cstdlib>

namespace levee::client {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kRoot = 0;
constexpr const char* kSystemSocket = "/run/levee/levee.sock";
constexpr const char* kSystemConfig = "/etc/levee/levee.toml";
constexpr const char* kSocketName = "levee.sock";

std::optional<fs::path> variable(const Environment& env, std::string_view name) {
  auto value = env(name);
  if (!value || value->empty()) {
    return std::nullopt;
  }
  return fs::path{std::move(*value)};
}

/// The XDG base directory specification: a relative path is invalid and to be ignored.
std::optional<fs::path> absolute_variable(const Environment& env, std::string_view name) {
  auto path = variable(env, name);
  return path && path->is_absolute() ? path : std::nullopt;
}

/// $`xdg`, else `below_home` in the home directory; nothing without either.
std::optional<fs::path> base_directory(const Environment& env, std::string_view xdg,
                                       const fs::path& below_home) {
  if (auto path = absolute_variable(env, xdg)) {
    return path;
  }
  if (const auto home = absolute_variable(env, "HOME")) {
    return *home / below_home;
  }
  return std::nullopt;
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string{name}.c_str());
    if (value == nullptr || *value == '\0') {
      return std::nullopt;
    }
    return value;
  };
}

fs::path default_state_dir(const Environment& env, uid_t uid) {
  if (auto path = variable(env, "LEVEE_STATE_DIR")) {
    return *path;
  }
  if (uid == kRoot) {
    return "/var/lib/levee";
  }
  if (const auto base = base_directory(env, "XDG_STATE_HOME", ".local/state")) {
    return *base / "levee";
  }
  return spare_directory(uid);
}

// Not $TMPDIR: the daemon and its clients may have different ones.
fs::path spare_directory(uid_t uid) { return "/tmp/levee-" + std::to_string(uid); }

fs::path spare_socket(uid_t uid) { return spare_directory(uid) / kSocketName; }

fs::path default_socket(const Environment& env, uid_t uid) {
  if (auto path = variable(env, "LEVEE_SOCKET")) {
    return *path;
  }
  if (uid == kRoot) {
    return kSystemSocket;
  }
  if (const auto directory = absolute_variable(env, "XDG_RUNTIME_DIR")) {
    return *directory / kSocketName;
  }
  return default_state_dir(env, uid) / kSocketName;
}

std::vector<fs::path> socket_candidates(const Environment& env, uid_t uid) {
  if (auto path = variable(env, "LEVEE_SOCKET")) {
    return {*path};
  }
  std::vector<fs::path> candidates{kSystemSocket};
  if (const auto directory = absolute_variable(env, "XDG_RUNTIME_DIR")) {
    candidates.push_back(*directory / kSocketName);
  }
  candidates.push_back(default_state_dir(env, uid) / kSocketName);
  if (uid != kRoot && candidates.back() != spare_socket(uid)) {
    candidates.push_back(spare_socket(uid));
  }
  return candidates;
}

std::vector<fs::path> default_config_files(const Environment& env, uid_t uid) {
  std::vector<fs::path> files;
  if (uid != kRoot) {
    if (const auto base = base_directory(env, "XDG_CONFIG_HOME", ".config")) {
      files.push_back(*base / "levee/levee.toml");
    }
  }
  files.emplace_back(kSystemConfig);
  return files;
}

}  // namespace levee::client
