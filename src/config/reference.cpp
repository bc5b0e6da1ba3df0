#include "config/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/compat.hpp"
#include "config/keys.hpp"

namespace levee::config {
namespace {

constexpr std::string_view kBegin =
    "<!-- reference: made from the table of keys; a unit test keeps it in step -->\n";
constexpr std::string_view kEnd = "<!-- end of reference -->\n";

/// "server" of "server.listen"; empty for a key without a table.
std::string_view table_of(const Key& key) {
  const std::size_t dot = key.name.find('.');
  return dot == std::string_view::npos ? std::string_view{} : key.name.substr(0, dot);
}

std::string_view title_of(std::string_view table) {
  struct Title {
    std::string_view table;
    std::string_view title;
  };
  constexpr Title kTitles[] = {
      {"", "Watching and judging"},
      {"gpu", "GPUs"},
      {"metrics", "The page for Prometheus"},
      {"ledger", "Promises of memory"},
      {"reclaim", "Processes that can give memory back"},
      {"recovery", "What is done about memory pressure"},
      {"recorder", "The last minutes, kept and recorded"},
      {"guard", "The guard: fast looks when memory is nearly gone"},
      {"server", "Where the daemon answers"},
      {"store", "History on disk"},
      {"log", "The log"},
      {"webhook", "Alerts sent to web addresses"},
      {"hook", "A program run for alerts"},
      {"protect", "What keeps the daemon itself alive"},
  };
  for (const Title& title : kTitles) {
    if (title.table == table) {
      return title.title;
    }
  }
  return table;
}

std::string row(const Key& key, const Config& defaults) {
  return fmt::format("| `{}` | `{}` | {}: {} | {}{} |\n", key.name, to_toml(key.show(defaults)),
                     key.type, key.range, key.description,
                     key.live ? "" : " *Takes effect at the next start.*");
}

/// `text` as comment lines of at most 98 columns.
std::string comment(std::string_view text) {
  constexpr std::size_t kWidth = 98;
  std::string result;
  std::string line = "#";
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(' '), text.size());
    if (line.size() + 1 + length > kWidth) {
      result += line + "\n";
      line = "#";
    }
    line += fmt::format(" {}", text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return result + line + "\n";
}

}  // namespace

std::string reference_markdown() {
  const Config defaults;
  std::string text(kBegin);
  std::optional<std::string_view> table;
  for (const Key& key : keys()) {
    if (table != table_of(key)) {
      table = table_of(key);
      text += fmt::format("\n### {}\n\n| Key | Default | Accepts | Meaning |\n|---|---|---|---|\n",
                          title_of(*table));
    }
    text += row(key, defaults);
  }
  text += "\n### Compatibility names\n\n| Variable | Key | Its number counts |\n|---|---|---|\n";
  for (const CompatName& compat : compat_names()) {
    text += fmt::format("| `{}` | `{}` | {} |\n", compat.name, compat.key, compat.meaning);
  }
  return text + "\n" + std::string(kEnd);
}

std::string example_toml() {
  const Config defaults;
  std::string text =
      "# Levee's settings, each at its built-in value. Levee needs no file: take the # away from "
      "a\n"
      "# line only to change it. `levee config show` tells what is in force and where it comes\n"
      "# from; docs/configuration.md explains it.\n";
  std::optional<std::string_view> table;
  for (const Key& key : keys()) {
    if (table != table_of(key)) {
      table = table_of(key);
      text += fmt::format("\n# --- {}\n", title_of(*table));
      text += table->empty() ? "" : fmt::format("[{}]\n", *table);
    }
    const std::string_view name = table->empty() ? key.name : key.name.substr(table->size() + 1);
    std::string type(key.type);
    type.front() = static_cast<char>(type.front() - 'a' + 'A');
    text += "\n" + comment(fmt::format("{} {}: {}.{}", key.description, type, key.range,
                                       key.live ? "" : " Takes effect at the next start."));
    text += fmt::format("#{} = {}\n", name, to_toml(key.show(defaults)));
  }
  return text;
}

}  // namespace levee::config
