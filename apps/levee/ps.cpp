// levee ps: who holds the memory.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "config/nearest.hpp"
#include "render/ps.hpp"
#include "sources/processes.hpp"

namespace levee::cli {
namespace {

constexpr long kMostProcesses = 1000;

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  std::optional<std::string> user;
  std::optional<std::string> gpu;
  std::string limit = "20";
  std::string sort = "gpu";
  bool pss = false;
  bool json = false;
};

Result<std::string> target_of(const Options& options) {
  const auto limit = parse_count(options.limit, "--limit", 1, kMostProcesses);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  const std::vector<std::string> orders{"gpu", "rss", "growth"};
  if (std::ranges::find(orders, options.sort) == orders.end()) {
    const auto meant = config::nearest(options.sort, orders);
    return fail(ErrorCode::invalid_argument, fmt::format("--sort is \"{}\"", options.sort),
                fmt::format("{}accepted: gpu, rss, growth",
                            meant ? fmt::format("did you mean {}? ", *meant) : ""));
  }
  return fmt::format("/api/v1/processes?limit={}&sort={}{}{}", *limit, options.sort,
                     options.user ? "&user=" + percent_encoded(*options.user) : "",
                     options.gpu ? "&gpu_id=" + percent_encoded(*options.gpu) : "");
}

/// Which process an object of the answer is about.
std::optional<ProcessId> id_of(const Json& process) {
  const Json& pid = member_at(process, "pid");
  const Json& start = member_at(process, "start_ticks");
  if (!pid.is_number_unsigned() || !start.is_number_unsigned()) {
    return std::nullopt;
  }
  return ProcessId{.boot = {}, .pid = pid.get<pid_t>(), .start_ticks = start.get<std::uint64_t>()};
}

/// Fills in the proportional set sizes, read with the rights of whoever asks: a daemon would tell
/// users what the kernel keeps from them.
void read_pss_of(Json& processes) {
  const sources::Root root;
  for (Json& process : processes) {
    if (const auto id = id_of(process)) {
      const auto pss = sources::read_pss(root, *id);
      process["pss_bytes"] = pss ? Json(pss->count) : Json();
    }
  }
}

int run(const Options& options, const Surroundings& surroundings) {
  const auto target = target_of(options);
  if (!target) {
    return complain(target.error());
  }
  auto answer = ask_or_look(options.connection, options.config, surroundings, *target);
  if (!answer) {
    return complain(answer.error());
  }
  if (options.pss && member_at(answer->body, "processes").is_array()) {
    read_pss_of(answer->body["processes"]);
  }
  if (options.json) {
    return print(pretty(answer->body));
  }
  const Style style = style_for(options.style, surroundings);
  std::string text =
      render_ps(answer->body, {.with_pss = options.pss, .from_daemon = answer->from_daemon}, style);
  if (!answer->note.empty()) {
    text += line({{"trouble: ", Color::orange}, {answer->note}}, style);
  }
  return print(text);
}

}  // namespace

void declare_ps(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand("ps", "Show who holds the memory");
  command->add_option("--user", options->user, "Only the processes of this user")
      ->type_name("NAME");
  command->add_option("--gpu", options->gpu, "Only the processes on this GPU")
      ->type_name("INDEX|UUID");
  command->add_option("--limit", options->limit, "At most so many")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--sort", options->sort, "By gpu (GPU memory, then RSS), rss or growth")
      ->type_name("WORD")
      ->capture_default_str();
  command->add_flag("--pss", options->pss,
                    "Also the proportional set size, in which shared memory counts once; it takes "
                    "about 15 ms per GiB");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee ps\n"
             "levee ps --gpu 0\n"
             "levee ps --sort growth --limit 5\n"
             "levee ps --user alice --pss\n"
             "levee ps --json | jq '.processes[0].command'",
             "0 shown, 1 failed, 2 wrong use. Without a daemon, ps takes one look by itself.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
