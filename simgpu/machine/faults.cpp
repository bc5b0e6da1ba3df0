#include "simgpu/machine/faults.hpp"

#include "simgpu/machine/text.hpp"

namespace levee::simgpu {
namespace {

constexpr std::uint64_t kHangLook = 10'000'000;  // ns between two looks whether a hang is over

bool applies(const Rule& rule, std::string_view function, std::int32_t gpu,
             std::uint64_t now) noexcept {
  return rule.kind != RuleKind::none && now < rule.until_ns && rule.calls_left > 0 &&
         (rule.gpu == kNoGpu || rule.gpu == gpu) && matches(view(rule.function), function);
}

void count_call(Rule& rule) noexcept {
  if (rule.calls_left != kForever) {
    --rule.calls_left;
    if (rule.calls_left == 0) {
      rule.kind = RuleKind::none;
    }
  }
}

bool hangs(const Session& session, std::string_view function, std::int32_t gpu) noexcept {
  const Machine& machine = session.machine();
  for (std::size_t i = 0; i < machine.rules; ++i) {
    const Rule& rule = machine.rule.at(i);
    if (rule.kind == RuleKind::hang && rule.calls_before == 0 &&
        applies(rule, function, gpu, session.now())) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::uint32_t> pass_gate(Session& session, std::string_view function,
                                       std::int32_t gpu) noexcept {
  Machine& machine = session.machine();
  std::uint64_t wait = 0;
  bool may_hang = false;
  std::optional<std::uint32_t> answer;
  for (std::size_t i = 0; i < machine.rules; ++i) {
    Rule& rule = machine.rule.at(i);
    if (!applies(rule, function, gpu, session.now())) {
      continue;
    }
    if (rule.calls_before > 0) {
      --rule.calls_before;
      continue;
    }
    may_hang |= rule.kind == RuleKind::hang;
    if (rule.kind == RuleKind::slow) {
      wait += rule.number;
      count_call(rule);
    } else if (rule.kind == RuleKind::give && !answer) {
      answer = static_cast<std::uint32_t>(rule.number);
      count_call(rule);
    }
  }
  if (wait > 0) {
    session.sleep(wait);
  }
  while (may_hang && hangs(session, function, gpu)) {
    session.sleep(kHangLook);
  }
  return answer;
}

}  // namespace levee::simgpu
