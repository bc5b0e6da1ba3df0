// Surroundings: what a subcommand is given beside its own options. Gathered once in main, so that
// subcommands ask neither the environment nor the terminal by themselves. Plain values.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "client/endpoint.hpp"
#include "config/settings.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// What standard output is.
struct Terminal {
  bool is_terminal = false;
  std::optional<std::size_t> columns;  ///< From the terminal itself; absent when it does not say.
  bool utf8 = false;                   ///< The locale's charset.
};

struct Surroundings {
  std::map<std::string, std::string> environment;
  uid_t uid = 0;
  Terminal out;

  /// A variable's value; nothing when unset or empty.
  [[nodiscard]] std::optional<std::string> variable(std::string_view name) const;
  [[nodiscard]] client::Environment lookup() const;
};

/// What standard output is now; a window may change its size.
[[nodiscard]] Terminal standard_output();

/// This process's environment, user and standard output.
[[nodiscard]] Surroundings surroundings_of_this_process();

/// What the user asked of the output.
struct StyleWish {
  bool ascii = false;
  bool utc = false;
};

/// Colours only on a terminal that is not dumb, and never with NO_COLOR; the terminal's width, else
/// $COLUMNS, else no limit; ASCII where the locale has no UTF-8. Pure.
[[nodiscard]] Style style_for(const StyleWish& wish, const Surroundings& surroundings);

/// What a daemon started by this user would read: the environment, and `file` or the default files.
[[nodiscard]] config::Inputs inputs_for(const Surroundings& surroundings,
                                        const std::optional<std::string>& file);

}  // namespace levee::cli
