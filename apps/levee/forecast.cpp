// levee forecast: what a recorded series comes to, by the same rules as the daemon's.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "api/forecast_json.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/surroundings.hpp"
#include "cli/time_text.hpp"
#include "forecast/series_text.hpp"
#include "levee/amount.hpp"
#include "render/forecast.hpp"
#include "sources/file.hpp"
#include "sources/regular_file.hpp"

namespace levee::cli {
namespace {

/// Millions of lines.
constexpr std::size_t kMostText = 256 * kMiB;

struct Options {
  StyleWish style;
  std::string file;
  std::optional<std::string> limit;
  std::string ahead = "60s";
  std::string window = "5m";
  bool leak = false;
  bool json = false;
};

Result<std::string> read_standard_input() {
  std::string text;
  std::vector<char> buffer(64 * kKiB);
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return std::unexpected(sources::file_error("cannot read standard input", errno));
    }
    if (count == 0) {
      return text;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > kMostText) {
      return fail(ErrorCode::invalid_argument, "standard input is longer than 256 MiB",
                  "cut the series, or write fewer samples");
    }
  }
}

Result<std::vector<MemoryPoint>> read_series(const std::string& file) {
  const auto text =
      file == "-" ? read_standard_input() : sources::read_regular_file(file, kMostText);
  if (!text) {
    return std::unexpected(text.error());
  }
  auto points = forecast::parse_series(*text);
  if (!points) {
    points.error().message = fmt::format("{}: {}", file, points.error().message);
    return points;
  }
  if (points->empty()) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: there is no sample in it", file),
                "each line is SECONDS,BYTES, such as 12.5,8589934592");
  }
  return points;
}

struct Question {
  std::vector<MemoryPoint> points;
  ForecastQuestion forecast;
};

/// The options, understood. The newest sample is now.
Result<Question> understand(const Options& options) {
  Question question;
  const auto ahead =
      parse_span(options.ahead, "--ahead", std::chrono::seconds(0), std::chrono::days(30));
  const auto window =
      parse_span(options.window, "--window", std::chrono::seconds(1), std::chrono::days(3650));
  if (!ahead || !window) {
    return std::unexpected(!ahead ? ahead.error() : window.error());
  }
  question.forecast.ahead = *ahead;
  question.forecast.window = *window;
  if (options.limit) {
    const auto limit = parse_size(*options.limit);
    if (!limit) {
      return std::unexpected(limit.error());
    }
    question.forecast.limit = *limit;
  }
  auto points = read_series(options.file);
  if (!points) {
    return std::unexpected(std::move(points.error()));
  }
  question.points = std::move(*points);
  question.forecast.now = std::ranges::max(question.points, {}, &MemoryPoint::seconds).seconds;
  return question;
}

LeakReport look_for_leak(Question& question) {
  std::ranges::stable_sort(question.points, {}, &MemoryPoint::seconds);
  LeakDetector detector;
  for (const MemoryPoint& point : question.points) {
    detector.add(point);
  }
  return detector.verdict(question.forecast.now, question.forecast.limit);
}

int run(const Options& options, const Surroundings& surroundings) {
  auto question = understand(options);
  if (!question) {
    return complain(question.error());
  }
  Json answer = api::forecast_json(forecast_memory(question->points, question->forecast),
                                   question->forecast.limit, question->forecast.ahead.count());
  const Json leak = options.leak ? api::leak_json(look_for_leak(*question)) : Json();
  if (options.json) {
    if (options.leak) {
      answer["leak"] = leak;
    }
    return print(pretty(answer));
  }
  return print(render_forecast(answer, leak, style_for(options.style, surroundings)));
}

}  // namespace

void declare_forecast(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("forecast", "When will a memory be full, by a recorded series?");
  command->add_option("file", options->file, "Lines of SECONDS,BYTES; - reads standard input")
      ->type_name("FILE.csv")
      ->required();
  command->add_option("--limit", options->limit, "What full means")->type_name("SIZE");
  command->add_option("--ahead", options->ahead, "Say what it comes to so long from the last line")
      ->type_name("SPAN")
      ->capture_default_str();
  command->add_option("--window", options->window, "Look at so much of the end of the series")
      ->type_name("SPAN")
      ->capture_default_str();
  command->add_flag("--leak", options->leak, "Say whether the whole series shows a leak, too");
  command->add_flag("--json", options->json, "As JSON");
  add_style(*command, options->style);
  add_footer(*command,
             "levee forecast use.csv --limit 24GB\n"
             "levee forecast rss-of-a-day.csv --limit 8GB --leak\n"
             "./record.sh | levee forecast - --limit 80GB --ahead 5m --json",
             "0 it answered, also with \"no estimate\"; 1 the file could not be read; 2 wrong use, "
             "or a line that is no sample.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
