// levee status: the machine in a few lines.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

using namespace std::chrono_literals;

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  bool json = false;
  std::optional<std::string> watch;  ///< Empty: --watch without a time.
  std::optional<std::chrono::milliseconds> period;
};

/// One status as text; compact JSON, one object a line, when watching.
Result<std::string> status_text(const Options& options, const Surroundings& surroundings) {
  auto answer = ask_or_look(options.connection, options.config, surroundings, "/api/v1/overview");
  if (!answer) {
    return std::unexpected(std::move(answer.error()));
  }
  if (options.json) {
    return options.period ? answer->body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                          : pretty(answer->body);
  }
  const Style style = style_for(options.style, surroundings);
  const Source source = answer->from_daemon    ? Source::daemon
                        : answer->note.empty() ? Source::one_look
                                               : Source::one_look_beside_a_silent_daemon;
  return render_status(answer->body, source, style) + remarks_on(*answer, style);
}

/// Redraws in place: each line is cleared to its end, and what is left of the last drawing below.
std::string redrawn(std::string_view text) {
  std::string result = "\x1b[H";
  for (const char c : text) {
    result += c == '\n' ? "\x1b[K\n" : std::string(1, c);
  }
  return result + "\x1b[J";
}

void wait_for(std::chrono::milliseconds period) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(period);
  const timespec duration{.tv_sec = whole.count(),
                          .tv_nsec = std::chrono::nanoseconds(period - whole).count()};
  ::nanosleep(&duration, nullptr);  // Ends early when the window changes its size.
}

/// Ctrl-C ends the watching at once, even while a daemon hangs; there is nothing to clean up.
void prepare_signals() {
  struct sigaction end{};
  end.sa_handler = [](int) { ::_exit(kOk); };
  ::sigaction(SIGINT, &end, nullptr);
  struct sigaction wake{};
  wake.sa_handler = [](int) {};
  ::sigaction(SIGWINCH, &wake, nullptr);
}

int watch(const Options& options, Surroundings surroundings) {
  prepare_signals();
  const bool in_place = surroundings.out.is_terminal && !options.json;
  std::string before = in_place ? "\x1b[2J" : "";
  while (true) {
    const auto text = status_text(options, surroundings);
    const std::string shown_text =
        text ? *text : fmt::format("levee: {}\n", shown(text.error().message, Charset::utf8));
    if (!text && !in_place) {
      complain(text.error());
    } else if (const int failed = print(before + (in_place ? redrawn(shown_text) : shown_text));
               failed != kOk) {
      return failed;
    }
    before = in_place || options.json ? "" : "\n";
    wait_for(*options.period);
    surroundings.out = standard_output();
  }
}

int run(Options& options, const Surroundings& surroundings) {
  if (options.watch) {
    const auto period =
        parse_span(options.watch->empty() ? "2" : *options.watch, "--watch", 200ms, 1h);
    if (!period) {
      return complain(period.error());
    }
    options.period = *period;
    return watch(options, surroundings);
  }
  const auto text = status_text(options, surroundings);
  return text ? print(*text) : complain(text.error());
}

}  // namespace

void declare_status(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand("status", "Show how this machine is");
  command->add_flag("--json", options->json, "As JSON, with gpustat's keys and Levee's own");
  const CLI::Option* const watch =
      command->add_option("--watch", "Again every TIME (2 s), until Ctrl-C")
          ->expected(0, 1)
          ->type_name("[TIME]");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee status\n"
             "levee status --watch 0.5\n"
             "levee status --json | jq .host.available_bytes\n"
             "levee status | awk -F'|' '/host/ {print $3}'",
             "0 shown, 1 failed, 2 wrong use. Without a daemon, status takes one look by itself.");
  command->callback([options, watch, &chosen] {
    if (watch->count() > 0) {
      options->watch = watch->results().back();
    }
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
