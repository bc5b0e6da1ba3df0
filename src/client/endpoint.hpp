// Where the daemon listens, and in which order clients look for it (architecture, "What a user
// holds in hand"). Pure: takes the environment as an argument. Thread-safe.
//
// An empty variable counts as unset. Relative paths in $HOME and the XDG variables are ignored, as
// the XDG base directory specification asks; Levee's own variables are taken as they are.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace levee::client {

/// Looks up an environment variable; nothing when unset or empty.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// This process's environment.
[[nodiscard]] Environment process_environment();

/// The directory for ledger.db, history.db and logs/: $LEVEE_STATE_DIR, else /var/lib/levee for
/// root, else $XDG_STATE_HOME/levee, else $HOME/.local/state/levee, else (a user without a home)
/// /tmp/levee-<uid>, which must be private.
[[nodiscard]] std::filesystem::path default_state_dir(const Environment& env, uid_t uid);

/// /tmp/levee-<uid>.
[[nodiscard]] std::filesystem::path spare_directory(uid_t uid);

/// Where `levee serve` listens: $LEVEE_SOCKET, else /run/levee/levee.sock for root, else
/// $XDG_RUNTIME_DIR/levee.sock, else levee.sock in the state directory.
[[nodiscard]] std::filesystem::path default_socket(const Environment& env, uid_t uid);

/// /tmp/levee-<uid>/levee.sock: where `levee serve` listens when default_socket() lies in a state
/// directory that cannot be written. The directory must be private.
[[nodiscard]] std::filesystem::path spare_socket(uid_t uid);

/// Where clients look, in this order: $LEVEE_SOCKET (then nothing else), /run/levee/levee.sock,
/// $XDG_RUNTIME_DIR/levee.sock, levee.sock in the state directory, spare_socket() unless root.
[[nodiscard]] std::vector<std::filesystem::path> socket_candidates(const Environment& env,
                                                                   uid_t uid);

/// The configuration files that are read when none is given: /etc/levee/levee.toml for root, else
/// $XDG_CONFIG_HOME/levee/levee.toml (or ~/.config/…), then /etc/levee/levee.toml.
[[nodiscard]] std::vector<std::filesystem::path> default_config_files(const Environment& env,
                                                                      uid_t uid);

}  // namespace levee::client
