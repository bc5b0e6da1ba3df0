#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "simgpu/scenario/gpu_line.hpp"
#include "simgpu/scenario/items.hpp"
#include "simgpu/scenario/quantity.hpp"
#include "simgpu/scenario/scenario.hpp"
#include "simgpu/scenario/tokens.hpp"

namespace levee::simgpu {
namespace {

using Done = Result<void>;

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(hint));
}

Result<std::uint64_t> take_duration(Tokens& tokens, std::string_view what) {
  const auto text = tokens.take(what);
  return text ? parse_duration(*text) : Result<std::uint64_t>(std::unexpected(text.error()));
}

/// The GPUs that "gpu N", "gpu *" or "driver" names.
Result<std::vector<std::int32_t>> take_target(Tokens& tokens, std::size_t gpus) {
  if (tokens.take_if("driver")) {
    return std::vector<std::int32_t>{kNoGpu};
  }
  if (!tokens.take_if("gpu")) {
    return refuse(fmt::format("\"{}\" stands where a GPU or the driver is expected", tokens.peek()),
                  "accepted: gpu N …, gpu * … or driver …");
  }
  if (gpus == 0) {
    return refuse("there is no GPU yet", "define it first: gpu 0 mem=80GiB");
  }
  if (tokens.take_if("*")) {
    std::vector<std::int32_t> all(gpus);
    std::ranges::generate(all, [i = 0]() mutable { return i++; });
    return all;
  }
  const auto text = tokens.take("a GPU's number");
  const auto index =
      text ? parse_whole(*text, "a GPU of this machine", 0, static_cast<std::int64_t>(gpus) - 1)
           : Result<std::int64_t>(std::unexpected(text.error()));
  if (!index) {
    return std::unexpected(index.error());
  }
  return std::vector{static_cast<std::int32_t>(*index)};
}

/// "gpu 0 temp 80 …" for each GPU it names.
Result<std::vector<Step>> take_action(Tokens& tokens, std::size_t gpus, When when) {
  const auto target = take_target(tokens, gpus);
  if (!target) {
    return std::unexpected(target.error());
  }
  std::vector<Step> steps;
  for (const std::int32_t gpu : *target) {
    Tokens own = tokens;
    auto some = parse_items(own, gpu, when);
    if (!some) {
      return some;
    }
    steps.insert(steps.end(), some->begin(), some->end());
  }
  return steps;
}

class ScenarioParser {
 public:
  Result<Scenario> run(std::string_view text) {
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (const Done done = parse_line(line); !done) {
        return std::unexpected(done.error().within(fmt::format("line {}", number)));
      }
    }
    return finish();
  }

 private:
  Done parse_line(std::string_view line) {
    auto words = split_line(line);
    if (!words) {
      return std::unexpected(words.error());
    }
    if (words->empty()) {
      return {};
    }
    if (!has_header_) {
      has_header_ = true;
      return *words == std::vector<std::string>{"levee-sim", "1"}
                 ? Done{}
                 : refuse(fmt::format("\"{}\" is not how a scenario begins", (*words)[0]),
                          "accepted: levee-sim 1");
    }
    const bool defines =
        words->size() == 2 || (words->size() > 2 && (*words)[2].find('=') != std::string::npos);
    Tokens tokens(std::move(*words));
    const std::string_view first = tokens.peek();
    if (first == "clock" || first == "seed") {
      return setting(tokens);
    }
    if (first == "gpu" && defines) {
      return gpu_line(tokens);
    }
    if (first == "at" || first == "ramp" || first == "gpu" || first == "driver") {
      return action(tokens);
    }
    return refuse(fmt::format("\"{}\" begins no line", first),
                  "accepted: clock, seed, gpu, driver, at, ramp");
  }

  Done setting(Tokens& tokens) {
    const std::string name = *tokens.take("");
    const auto text = tokens.take("a value");
    if (!text) {
      return std::unexpected(text.error());
    }
    if (!tokens.at_end()) {
      return refuse(fmt::format("\"{}\" is too much on this line", tokens.peek()),
                    fmt::format("accepted: {} VALUE", name));
    }
    if (name == "clock") {
      if (*text != "step" && *text != "real") {
        return refuse(fmt::format("\"{}\" is no clock", *text), "accepted: clock step, clock real");
      }
      scenario_.clock = *text == "step" ? ClockKind::step : ClockKind::real;
      return {};
    }
    const auto seed = parse_whole(*text, "a seed", 0, INT64_MAX);
    if (!seed) {
      return std::unexpected(seed.error());
    }
    scenario_.seed = static_cast<std::uint64_t>(*seed);
    return {};
  }

  Done gpu_line(Tokens& tokens) {
    tokens.skip();
    const std::string text = *tokens.take("");
    const auto index = parse_whole(text, "a GPU's number", 0, kMaxGpus - 1);
    if (!index) {
      return std::unexpected(index.error());
    }
    if (static_cast<std::size_t>(*index) != scenario_.gpus.size()) {
      return refuse(fmt::format("gpu {} is defined here", text),
                    fmt::format("accepted: gpu {}; GPUs are numbered from 0, each once",
                                scenario_.gpus.size()));
    }
    auto line = parse_gpu_line(tokens, static_cast<std::int32_t>(*index));
    if (!line) {
      return std::unexpected(line.error());
    }
    if (line->profile && profile_ && *line->profile != *profile_) {
      return refuse(fmt::format("\"profile={}\" differs from that of an earlier GPU",
                                info(*line->profile).name),
                    "a machine has one driver: give the same profile, or give it once");
    }
    profile_ = line->profile ? line->profile : profile_;
    scenario_.gpus.push_back(std::move(line->gpu));
    return {};
  }

  Done action(Tokens& tokens) {
    const auto when = take_when(tokens);
    if (!when) {
      return std::unexpected(when.error());
    }
    auto steps = take_action(tokens, scenario_.gpus.size(), *when);
    if (!steps) {
      return std::unexpected(steps.error());
    }
    for (const Step& step : *steps) {
      const std::size_t instances =
          step.gpu == kNoGpu ? 0
                             : scenario_.gpus[static_cast<std::size_t>(step.gpu)].instances.size();
      if (step.instance >= static_cast<std::int32_t>(instances)) {
        return refuse(
            fmt::format("mig={}: gpu {} has {} instances", step.instance, step.gpu, instances),
            "accepted: an instance of the GPU's mig= list, counted from 0");
      }
    }
    for (const Step& step : *steps) {  // After all others of the same time.
      scenario_.steps.insert(
          std::ranges::upper_bound(scenario_.steps, step.at_ns, {}, &Step::at_ns), step);
    }
    return {};
  }

  static Result<When> take_when(Tokens& tokens) {
    When when;
    const bool is_ramp = tokens.take_if("ramp");
    if (!is_ramp && !tokens.take_if("at")) {
      return when;
    }
    const auto at = take_duration(tokens, "a time");
    if (!at) {
      return std::unexpected(at.error());
    }
    when.at_ns = *at;
    if (is_ramp) {
      const auto end = take_duration(tokens, "the time at which the ramp ends");
      if (!end) {
        return std::unexpected(end.error());
      }
      if (*end <= *at) {
        return refuse("the ramp ends before it begins", "accepted: ramp 10s 40s gpu 0 temp 41 88");
      }
      when.ramp_ns = *end - *at;
    } else if (tokens.take_if("for")) {
      const auto lasts = take_duration(tokens, "a duration");
      if (!lasts || *lasts == 0) {
        return lasts ? refuse("\"for 0\" never happens", "accepted: at 10s for 5s gpu 0 lost")
                     : Result<When>(std::unexpected(lasts.error()));
      }
      when.for_ns = *lasts;
    }
    return when;
  }

  Result<Scenario> finish() {
    if (!has_header_) {
      return refuse("the scenario is empty", "its first line is: levee-sim 1");
    }
    if (scenario_.steps.size() > kMaxSteps) {
      return refuse(fmt::format("the scenario has {} steps", scenario_.steps.size()),
                    fmt::format("accepted: up to {}", kMaxSteps));
    }
    scenario_.profile = profile_.value_or(Profile::r550);
    return std::move(scenario_);
  }

  Scenario scenario_;
  std::optional<Profile> profile_;
  bool has_header_ = false;
};

}  // namespace

Result<Scenario> parse_scenario(std::string_view text) { return ScenarioParser().run(text); }

Result<std::vector<Step>> parse_action(std::string_view text, std::size_t gpus, std::uint64_t now) {
  auto words = split_line(text);
  if (!words) {
    return std::unexpected(words.error());
  }
  Tokens tokens(std::move(*words));
  When when{now, 0, 0};
  if (tokens.take_if("for")) {
    const auto lasts = take_duration(tokens, "a duration");
    if (!lasts) {
      return std::unexpected(lasts.error());
    }
    when.for_ns = *lasts;
  }
  return take_action(tokens, gpus, when);
}

}  // namespace levee::simgpu
