// levee replay: a recorded day through other settings.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/options.hpp"
#include "cli/output.hpp"
#include "config/file.hpp"
#include "config/models.hpp"
#include "engine/replay.hpp"
#include "render/replay.hpp"

namespace levee::cli {
namespace {

struct Options {
  std::string file;
  std::optional<std::string> config;
  std::vector<std::string> pairs;
  StyleWish style;
  bool json = false;
};

Result<void> add_file(const std::string& name, config::Values& values) {
  const auto text = config::read_settings_file(name);
  auto parsed = text ? config::parse_toml(*text, name) : std::unexpected(text.error());
  if (!parsed) {
    parsed.error().code = ErrorCode::invalid_argument;
    return std::unexpected(std::move(parsed.error()));
  }
  for (auto& [key, value] : *parsed) {
    if (!config::is_about_models(key)) {  // No event depends on them.
      values.insert_or_assign(key, std::move(value));
    }
  }
  return {};
}

Result<void> add_pair(const std::string& pair, config::Values& values) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string::npos) {
    return fail(ErrorCode::invalid_argument, fmt::format("--set is \"{}\"", pair),
                "write --set key=value, for example --set gpu_memory_warning=75");
  }
  const auto key = config::find_key(pair.substr(0, equals));
  auto value = key ? config::value_from_text(**key, std::string_view(pair).substr(equals + 1))
                   : std::unexpected(key.error());
  if (!value) {
    return std::unexpected(value.error().within("--set"));
  }
  values.insert_or_assign(std::string((*key)->name), std::move(*value));
  return {};
}

/// The settings that hold throughout, --set over the file.
Result<config::Values> others_of(const Options& options) {
  config::Values values;
  if (options.config) {
    if (auto added = add_file(*options.config, values); !added) {
      return std::unexpected(std::move(added.error()));
    }
  }
  for (const std::string& pair : options.pairs) {
    if (auto added = add_pair(pair, values); !added) {
      return std::unexpected(std::move(added.error()));
    }
  }
  return values;
}

/// A bar on standard error, if that is a terminal.
class Progress {
 public:
  explicit Progress(const Style& style) : style_(style), is_shown_(::isatty(STDERR_FILENO) == 1) {}

  void show(std::uint64_t read, std::uint64_t all) {
    const int percent = all == 0 ? 0 : static_cast<int>(100 * read / all);
    if (is_shown_ && percent != last_) {
      last_ = percent;
      static_cast<void>(write_all(STDERR_FILENO, "\r" + progress_bar(percent / 100.0, style_)));
    }
  }
  void end() const {
    if (last_ >= 0) {
      static_cast<void>(write_all(STDERR_FILENO, "\r\033[K"));
    }
  }

 private:
  const Style style_;
  const bool is_shown_;
  int last_ = -1;
};

int run(const Options& options, const Surroundings& surroundings) {
  const auto others = others_of(options);
  if (!others) {
    return complain(others.error());
  }
  auto reader = recorder::Reader::open(options.file);
  if (!reader) {
    // Whatever is wrong with it, another file must be named.
    return complain(reader.error(), kMisuse);
  }
  const Style style = style_for(options.style, surroundings);
  Progress progress(style);
  const auto replayed = engine::replay(
      *reader, *others, [&](std::uint64_t read, std::uint64_t all) { progress.show(read, all); });
  progress.end();
  if (!replayed) {
    return complain(replayed.error());
  }
  if (replayed->ticks == 0) {
    return complain(
        {ErrorCode::invalid_argument,
         fmt::format("{} holds nothing that could be replayed", options.file), replayed->damage},
        kMisuse);
  }
  const bool has_others = options.config || !options.pairs.empty();
  const Json json = Json::parse(engine::to_json(*replayed, has_others), nullptr, false);
  const bool is_as_expected =
      has_others || replayed->is_exact() || !replayed->from_start || replayed->gaps > 0;
  return print(options.json ? pretty(json) : render_replay(json, style),
               is_as_expected ? kOk : kFailed);
}

}  // namespace

void declare_replay(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("replay", "Live a recording through again, under other settings");
  command->add_option("FILE", options->file, "Of `levee serve --record`, or an incident's bundle")
      ->required();
  command->add_option("--config", options->config, "What it says holds throughout")
      ->type_name("FILE");
  command->add_option("--set", options->pairs, "Any setting, over that; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--json", options->json, "As JSON, with all events");
  add_style(*command, options->style);
  add_footer(*command,
             "levee replay /var/lib/levee/day.levee\n"
             "levee replay day.levee --config other.toml\n"
             "levee replay day.levee --set gpu_memory_warning=75 --json | jq .summary",
             "0 replayed, 1 it failed, or gave other events under the same settings, 2 wrong use\n"
             "or no recording.");
  run_with(*command, options, chosen, run);
}

}  // namespace levee::cli
