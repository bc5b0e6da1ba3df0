// The written reference of all settings, made from the table of keys, so that the documents cannot
// say anything else than the program does. Pure; thread-safe.
#pragma once

#include <string>

namespace levee::config {

/// The tables of docs/configuration.md, between and including their two marker comments.
[[nodiscard]] std::string reference_markdown();

/// packaging/levee.toml: every key at its default, commented out.
[[nodiscard]] std::string example_toml();

}  // namespace levee::config
