// TOML and arrays of strings as values. toml++ throws; nothing leaves this file but a Result.
#include <fmt/format.h>

#include <toml++/toml.h>

#include <algorithm>

#include "config/keys.hpp"
#include "config/models.hpp"
#include "config/settings.hpp"

namespace levee::config {
namespace {

/// A place in a document as messages show it.
std::string at(std::string_view name, const toml::source_position& position) {
  return fmt::format("{}:{}", name, position.line);
}

/// toml++ 3.3 has no bound on the depth of dotted keys and walks them recursively, so that one long
/// line of "a.a.a.a…" ends the process. No key of ours is deeper than two. Returns that line.
std::optional<std::size_t> absurdly_nested_line(std::string_view text) {
  constexpr std::size_t kMostDots = 64;
  std::size_t line = 1;
  std::size_t dots = 0;
  char quote = 0;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
      quote = 0;
    } else if (quote != 0) {
      quote = c == quote ? '\0' : quote;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      quote = '\n';  // a comment lasts until the end of the line
    } else if (c == '.' && ++dots > kMostDots) {
      return line;
    }
  }
  return std::nullopt;
}

Result<toml::table> parse(std::string_view text, std::string_view name) {
  if (text.size() > kLongestDocument) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} has more than {} bytes", name, kLongestDocument),
                "settings need a few kilobytes; is this the right file?");
  }
  if (const auto line = absurdly_nested_line(text)) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}:{}: too many dots", name, *line),
                "no key has more than one dot");
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& begin = error.source().begin;
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}:{}:{}: {}", name, begin.line, begin.column, error.description()),
                "the file must be TOML: key = value, one per line; text in quotes");
  } catch (const std::exception& error) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: {}", name, error.what()));
  }
}

Result<std::vector<std::string>> strings_in(const toml::array& array) {
  std::vector<std::string> items;
  for (const toml::node& node : array) {
    const auto* text = node.as_string();
    if (text == nullptr) {
      return fail(ErrorCode::invalid_argument, "a list may hold only text", "put it in quotes");
    }
    items.push_back(text->get());
  }
  return items;
}

/// The value of a node that is no table.
Result<Value> value_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::boolean:
      return Value{node.as_boolean()->get()};
    case toml::node_type::integer:
      return Value{node.as_integer()->get()};
    case toml::node_type::floating_point:
      return Value{node.as_floating_point()->get()};
    case toml::node_type::string:
      return Value{node.as_string()->get()};
    case toml::node_type::array: {
      auto items = strings_in(*node.as_array());
      if (!items) {
        return std::unexpected(items.error());
      }
      return Value{std::move(*items)};
    }
    default:
      return fail(ErrorCode::invalid_argument, "no setting is a date or a time of day",
                  R"(write text in quotes, and durations such as "15m")");
  }
}

/// Walks the tables of a document and collects flat keys.
class Flattener {
 public:
  Flattener(std::string_view name, std::map<std::string, int, std::less<>>* lines)
      : name_(name), lines_(lines) {}

  Result<void> add(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      const auto* inner = node.as_table();
      const Result<void> added = inner == nullptr ? add_value(path, node) : add_table(path, *inner);
      if (!added) {
        return added;
      }
    }
    return {};
  }

  Values take() { return std::move(values_); }

 private:
  /// A table that should be a value, or one that nobody knows, is refused even when it is empty.
  Result<void> add_table(const std::string& path, const toml::table& table) {
    const std::string place = at(name_, table.source().begin);
    if (std::ranges::find(keys(), path, &Key::name) != keys().end()) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: {} is a value, not a table", place, path),
                  fmt::format("write {} = …", path));
    }
    if (table.empty() && is_about_models(path) && path != kModelsTable) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: {} says nothing of its model", place, shown(path)),
                  "give cpu_memory_gb, gpu_memory_gb or both");
    }
    const auto is_inside = [&](const Key& key) { return key.name.starts_with(path + "."); };
    if (table.empty() && path != kModelsTable && std::ranges::none_of(keys(), is_inside)) {
      return std::unexpected(find_key(path).error().within(place));
    }
    return add(table, path + ".");
  }

  Result<void> add_value(const std::string& path, const toml::node& node) {
    const std::string place = at(name_, node.source().begin);
    auto value = value_of(node);
    if (!value) {
      return std::unexpected(value.error().within(shown(path)).within(place));
    }
    // "server.listen" in quotes and listen under [server] are one key to us, though not to TOML.
    if (!values_.emplace(path, std::move(*value)).second) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: {} is given twice", place, shown(path)), "keep one of the two");
    }
    if (lines_ != nullptr) {
      (*lines_)[path] = static_cast<int>(node.source().begin.line);
    }
    return {};
  }

  std::string_view name_;
  std::map<std::string, int, std::less<>>* lines_;
  Values values_;
};

}  // namespace

Result<Values> parse_toml(std::string_view text, std::string_view name,
                          std::map<std::string, int, std::less<>>* lines) {
  const auto table = parse(text, name);
  if (!table) {
    return std::unexpected(table.error());
  }
  Flattener flattener(name, lines);
  if (const auto added = flattener.add(*table, ""); !added) {
    return std::unexpected(added.error());
  }
  return flattener.take();
}

Result<std::vector<std::string>> parse_list(std::string_view text) {
  const auto table = parse(fmt::format("list = {}", text), "list");
  const auto* array = table ? (*table)["list"].as_array() : nullptr;
  if (array == nullptr || table->size() != 1) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not a list of texts", shown(std::string(text))),
                R"(write it as ["program", "argument"])");
  }
  return strings_in(*array);
}

}  // namespace levee::config
