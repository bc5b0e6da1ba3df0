#include "simgpu/scenario/items.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "simgpu/machine/text.hpp"
#include "simgpu/scenario/quantity.hpp"

namespace levee::simgpu {
namespace {

constexpr std::int64_t kHighestResult = 9999;
constexpr std::int64_t kHighestPid = 4'194'304;

/// Everything one line's items need: where they go, and the words still to come.
class ItemParser {
 public:
  ItemParser(Tokens& tokens, std::int32_t gpu, When when)
      : tokens_(tokens), gpu_(gpu), when_(when) {}

  Result<std::vector<Step>> run() {
    if (tokens_.at_end()) {
      return fail(ErrorCode::invalid_argument, "the line does not say what happens",
                  "add an item, such as temp 80 or lost");
    }
    while (!tokens_.at_end()) {
      if (const Result<void> done = item(); !done) {
        return std::unexpected(done.error());
      }
    }
    return std::move(steps_);
  }

 private:
  using Done = Result<void>;

  [[nodiscard]] Step step(StepKind kind) const {
    Step step{};
    step.kind = kind;
    step.at_ns = when_.at_ns;
    step.gpu = gpu_;
    step.instance = kNoInstanceId;
    return step;
  }

  Done item() {
    const std::string word = *tokens_.take("an item");
    if (const KeyInfo* key = find_key(word); key != nullptr && gpu_ != kNoGpu) {
      return value(*key);
    }
    const ItemInfo* known = find_item(word);
    if (known == nullptr || (gpu_ == kNoGpu ? !known->is_of_driver : !known->is_of_gpu)) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" is nothing that {} do", word,
                              gpu_ == kNoGpu ? "the driver can" : "a GPU can"),
                  "accepted: " + words_known(gpu_ == kNoGpu));
    }
    if (when_.ramp_ns > 0) {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" cannot be ramped", word),
                  "accepted: ramp FROM TO gpu N KEY VALUE VALUE, such as temp 41 88");
    }
    return within(special(word), known->form);
  }

  /// Complaints about a part of an item show the whole form.
  static Done within(Done done, std::string_view form) {
    if (!done) {
      done.error().hint = fmt::format("accepted: {} ({})", form, done.error().hint);
    }
    return done;
  }

  Done value(const KeyInfo& key) {
    Step next = step(StepKind::value);
    next.key = key.key;
    next.for_ns = when_.for_ns;
    next.duration_ns = when_.ramp_ns;
    const Result<std::int64_t> from = one_value(key);
    if (!from) {
      return std::unexpected(from.error());
    }
    next.from = next.to = *from;
    if (when_.ramp_ns > 0) {
      const bool is_number = key.unit != Unit::flag && key.unit != Unit::choice &&
                             key.unit != Unit::reasons && *from != kNotSupported;
      const Result<std::int64_t> to = is_number ? one_value(key) : from;
      if (!is_number) {
        return fail(ErrorCode::invalid_argument, fmt::format("{} cannot be ramped", key.word),
                    "accepted: a key whose values are numbers");
      }
      if (!to) {
        return std::unexpected(to.error());
      }
      next.to = *to;
    }
    steps_.push_back(next);
    return {};
  }

  Result<std::int64_t> one_value(const KeyInfo& key) {
    // Flags stand for "on", and `lost` for "later", when no value follows.
    const bool may_stand_alone = key.unit == Unit::flag || key.key == Key::lost;
    if (may_stand_alone && when_.ramp_ns == 0) {
      const Result<std::int64_t> given = parse_value(key, tokens_.peek());
      if (!given) {
        return 1;
      }
      tokens_.skip();
      return given;
    }
    const auto text = tokens_.take(fmt::format("a value of {}", key.word));
    if (!text) {
      return std::unexpected(
          Error{text.error().code, text.error().message, "accepted: " + form_of(key)});
    }
    return parse_value(key, *text);
  }

  Done special(std::string_view word) {
    if (word == "foreign") {
      return foreign();
    }
    if (word == "nvlink") {
      return nvlink();
    }
    if (word == "slow" || word == "hang" || word == "return") {
      return rule(word);
    }
    if (word == "free-jump") {
      return free_jump();
    }
    if (word == "unplug") {
      return lasting(step(StepKind::unplug), step(StepKind::replug));
    }
    if (word == "xid") {
      return instant_number(StepKind::xid, "an XID", 0, kHighestResult);
    }
    if (word == "die-inside-lock") {
      return instant_number(StepKind::die_inside_lock, "a count", 1, 1'000'000'000);
    }
    if (word == "init") {
      return lasting_number(StepKind::init, "a return code", 0, kHighestResult);
    }
    if (word == "pid-offset") {
      return lasting_number(StepKind::pid_offset, "an offset", -kHighestPid, kHighestPid);
    }
    return instant(step(word == "replug"    ? StepKind::replug
                        : word == "recover" ? StepKind::recover
                                            : StepKind::clear));
  }

  Done instant(const Step& once) {
    if (when_.for_ns > 0) {
      return fail(ErrorCode::invalid_argument, "this happens at an instant and cannot last",
                  "leave out \"for\"");
    }
    steps_.push_back(once);
    return {};
  }

  Done lasting(const Step& begin, Step end) {
    steps_.push_back(begin);
    if (when_.for_ns > 0) {
      end.at_ns += when_.for_ns;
      steps_.push_back(end);
    }
    return {};
  }

  Result<Step> with_number(StepKind kind, std::string_view what, std::int64_t low,
                           std::int64_t high) {
    const auto text = tokens_.take(what);
    if (!text) {
      return std::unexpected(text.error());
    }
    const auto number = parse_whole(*text, what, low, high);
    if (!number) {
      return std::unexpected(number.error());
    }
    Step next = step(kind);
    next.from = *number;
    return next;
  }

  Done instant_number(StepKind kind, std::string_view what, std::int64_t low, std::int64_t high) {
    const auto next = with_number(kind, what, low, high);
    return next ? instant(*next) : Done(std::unexpected(next.error()));
  }

  Done lasting_number(StepKind kind, std::string_view what, std::int64_t low, std::int64_t high) {
    const auto next = with_number(kind, what, low, high);
    return next ? lasting(*next, step(kind)) : Done(std::unexpected(next.error()));
  }

  Done free_jump() {
    auto text = tokens_.take("an amount of memory");
    if (!text) {
      return std::unexpected(text.error());
    }
    const bool falls = text->starts_with('-');
    const auto bytes =
        parse_memory(std::string_view(*text).substr(falls || text->starts_with('+') ? 1 : 0));
    if (!bytes) {
      return std::unexpected(bytes.error());
    }
    Step next = step(StepKind::free_jump);
    next.from = falls ? static_cast<std::int64_t>(*bytes) : -static_cast<std::int64_t>(*bytes);
    return instant(next);
  }

  Done nvlink() {
    auto next = with_number(StepKind::nvlink, "a link", 0, 17);
    if (!next) {
      return std::unexpected(next.error());
    }
    const auto state = tokens_.take("down or up");
    if (!state) {
      return std::unexpected(state.error());
    }
    if (*state != "down" && *state != "up") {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not down or up", *state), "");
    }
    next->to = *state == "up" ? 1 : 0;
    Step end = *next;
    end.to = 1 - end.to;
    return lasting(*next, end);
  }

  Done foreign() {
    Step next = step(StepKind::foreign);
    bool has_pid = false;
    bool has_memory = false;
    while (tokens_.peek().find('=') != std::string_view::npos || tokens_.peek() == "gone") {
      const std::string text = *tokens_.take("");
      if (text == "gone") {
        next.kind = StepKind::foreign_gone;
        break;
      }
      const auto equals = text.find('=');
      const std::string_view name = std::string_view(text).substr(0, equals);
      if (const Done done = foreign_part(next, name, std::string_view(text).substr(equals + 1));
          !done) {
        return done;
      }
      has_pid |= name == "pid";
      has_memory |= name == "mem";
    }
    if (!has_pid || (next.kind == StepKind::foreign && !has_memory)) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("the foreign holder has no {}", has_pid ? "mem=" : "pid="), "");
    }
    if (next.kind == StepKind::foreign_gone) {
      return instant(next);
    }
    Step end = next;
    end.kind = StepKind::foreign_gone;
    return lasting(next, end);
  }

  static Done foreign_part(Step& holder, std::string_view name, std::string_view text) {
    const auto store = [](const Result<std::int64_t>& number, auto&& into) -> Done {
      if (!number) {
        return std::unexpected(number.error());
      }
      into(*number);
      return {};
    };
    if (name == "pid") {
      return store(parse_whole(text, "a pid", 1, kHighestPid),
                   [&](std::int64_t n) { holder.from = n; });
    }
    if (name == "sm") {
      return store(parse_whole(text, "a percentage", 0, 100),
                   [&](std::int64_t n) { holder.sm_percent = static_cast<std::uint32_t>(n); });
    }
    if (name == "mig") {
      return store(parse_whole(text, "a MIG instance", 0, kMaxInstances - 1),
                   [&](std::int64_t n) { holder.instance = static_cast<std::int32_t>(n); });
    }
    if (name == "mem") {
      const auto bytes = parse_memory(text);
      if (!bytes) {
        return std::unexpected(bytes.error());
      }
      holder.to = static_cast<std::int64_t>(*bytes);
      return {};
    }
    constexpr std::array<std::string_view, 3> kKinds{"compute", "graphics", "mps"};
    for (std::size_t i = 0; name == "kind" && i < kKinds.size(); ++i) {
      if (kKinds.at(i) == text) {
        holder.holder = static_cast<HolderKind>(i);
        return {};
      }
    }
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}={}\" is nothing a foreign holder has", name, text), "");
  }

  Done rule(std::string_view word) {
    Step next = step(StepKind::rule);
    next.for_ns = when_.for_ns;
    next.rule.kind = word == "slow"   ? RuleKind::slow
                     : word == "hang" ? RuleKind::hang
                                      : RuleKind::give;
    next.rule.calls_left = kForever;
    if (const Done done = word == "return" ? rule_result(next.rule) : Done{}; !done) {
      return done;
    }
    const auto function = tokens_.take("a function");
    if (!function) {
      return std::unexpected(function.error());
    }
    const bool is_known =
        function->starts_with("nvml") || function->starts_with("cu") || *function == "*";
    if (!is_known || function->size() >= next.rule.function.size()) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("\"{}\" is no function of NVML or CUDA", *function),
                  "a name such as nvmlInit_v2, or its beginning and a star, such as nvmlDevice*");
    }
    put(next.rule.function, *function);
    if (word == "slow") {
      const auto text = tokens_.take("a duration");
      const auto time =
          text ? parse_duration(*text) : Result<std::uint64_t>(std::unexpected(text.error()));
      if (!time) {
        return std::unexpected(time.error());
      }
      next.rule.number = *time;
    }
    if (const Done done = rule_calls(next.rule); !done) {
      return done;
    }
    steps_.push_back(next);
    return {};
  }

  Done rule_result(Rule& rule) {
    const auto number = with_number(StepKind::rule, "a return code", 0, kHighestResult);
    if (!number) {
      return std::unexpected(number.error());
    }
    rule.number = static_cast<std::uint64_t>(number->from);
    if (!tokens_.take_if("from")) {
      return fail(ErrorCode::invalid_argument, "\"from\" is missing after the return code", "");
    }
    return {};
  }

  Done rule_calls(Rule& rule) {
    const Done spared = calls_after("after", rule.calls_before);
    return spared ? calls_after("for", rule.calls_left) : spared;
  }

  /// "for 3 calls", if it is there.
  Done calls_after(std::string_view word, std::uint64_t& calls) {
    if (!tokens_.take_if(word)) {
      return {};
    }
    const auto number = with_number(StepKind::rule, "a number of calls", 1, 1'000'000'000);
    if (!number) {
      return std::unexpected(number.error());
    }
    calls = static_cast<std::uint64_t>(number->from);
    if (!tokens_.take_if("calls") && !tokens_.take_if("call")) {
      return fail(ErrorCode::invalid_argument, "\"calls\" is missing after their number",
                  "durations are written before the GPU: at 10s for 5s gpu 0 …");
    }
    return {};
  }

  Tokens& tokens_;
  std::int32_t gpu_;
  When when_;
  std::vector<Step> steps_;
};

}  // namespace

Result<std::vector<Step>> parse_items(Tokens& tokens, std::int32_t gpu, When when) {
  return ItemParser(tokens, gpu, when).run();
}

}  // namespace levee::simgpu
