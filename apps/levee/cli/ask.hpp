// Asking: a running daemon, or, without one, the same API around one look at this machine; the
// caller prints both from the same JSON.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "cli/json.hpp"
#include "cli/options.hpp"
#include "levee/client.hpp"
#include "levee/result.hpp"
#include "render/style.hpp"

namespace levee::cli {

struct Answer {
  Json body;
  bool from_daemon = false;
  std::string note;  ///< Why a daemon that is there was not the one to answer; may be empty.
  std::optional<Error> bad_settings;  ///< The look was judged by built-in settings for this reason.
};

/// A connection to the daemon that the options name.
[[nodiscard]] Result<Client> connect(const Connection& connection);

/// GET `target` from the daemon.
[[nodiscard]] Result<Json> ask_daemon(const Connection& connection, std::string_view target);

/// GET `target` from the daemon; without one, or when it does not answer, from one look at this
/// machine. A socket that was named with --socket must answer. `config` is the configuration file
/// for the look; when it was named it must be good.
[[nodiscard]] Result<Answer> ask_or_look(const Connection& connection,
                                         const std::optional<std::string>& config,
                                         const Surroundings& surroundings, std::string_view target);

/// What the API answers to GET `target` without a daemon, judged by `settings`.
[[nodiscard]] Result<Json> look(const config::Settings& settings, std::string_view target);

/// What should be known of how `answer` came about, a line each; empty when a daemon gave it.
[[nodiscard]] std::string remarks_on(const Answer& answer, const Style& style);

/// `text` for the query of an address; users of directory services have backslashes and spaces.
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// The JSON of an answer's body.
[[nodiscard]] Result<Json> parse_answer(std::string_view body);

}  // namespace levee::cli
