// A configuration file made of arbitrary bytes: parse_toml, and all of it applied to the settings.
// Lines before a line "---" are the file; lines after it "NAME=text" are the environment.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/environment.hpp"
#include "config/settings.hpp"

namespace {

using namespace levee;
using namespace levee::config;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void check_error(const Error& error) {
  require(!error.message.empty());
  require(error.message.size() < 4096);
}

/// Whatever a key accepts, it shows, and reads back as the same.
void check_round_trip(const Key& key, const Config& config) {
  const Value shown_value = key.show(config);
  Config again;
  require(key.apply(again, shown_value).has_value());
  require(key.show(again) == shown_value);
  const auto from_text = value_from_text(key, to_text(shown_value));
  require(from_text && key.apply(again, *from_text));
  require(key.show(again) == shown_value);
}

void check_file(std::string_view text) {
  std::map<std::string, int, std::less<>> lines;
  const auto values = parse_toml(text, "f", &lines);
  if (!values) {
    check_error(values.error());
    return;
  }
  require(lines.size() == values->size());
  Config config;
  for (const auto& [name, value] : *values) {
    const auto key = find_key(name);
    if (!key) {
      check_error(key.error());
      continue;
    }
    if (const auto applied = (*key)->apply(config, value); !applied) {
      check_error(applied.error());
      continue;
    }
    check_round_trip(**key, config);
  }
  const auto settings = Settings::load({})->with_runtime(*values);
  if (!settings) {
    check_error(settings.error());
    return;
  }
  require(changed_keys(settings->config(), config).empty());
  require(validate(settings->config()).has_value());
}

void check_environment(std::string_view text) {
  Inputs inputs;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos) {
      inputs.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  const auto settings = Settings::load(inputs);
  if (!settings) {
    check_error(settings.error());
    return;
  }
  for (const std::string& name : changed_keys(Config{}, settings->config())) {
    check_round_trip(**find_key(name), settings->config());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kSeparator = "\n---\n";
  const std::size_t separator = text.find(kSeparator);
  check_file(text.substr(0, separator));
  if (separator != std::string_view::npos) {
    check_environment(text.substr(separator + kSeparator.size()));
  }
  return 0;
}
