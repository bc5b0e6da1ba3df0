#include "simgpu/machine/timeline.hpp"

#include <algorithm>

#include "abi/nvml.hpp"

namespace levee::simgpu {
namespace {

Value& value_of(Gpu& gpu, Key key) noexcept { return gpu.values.at(static_cast<std::size_t>(key)); }

Value constant(std::int64_t number) noexcept {
  return Value{number, number, 0, 0, kForever, number};
}

void set_value(Gpu& gpu, const Step& step, std::uint64_t now) noexcept {
  Value& value = value_of(gpu, step.key);
  const std::int64_t before = value_at(value, now);
  value = Value{step.from,
                step.to,
                step.at_ns,
                step.at_ns + step.duration_ns,
                step.for_ns == 0 ? kForever : step.at_ns + step.for_ns,
                before};
}

void push_event(Machine& machine, std::int32_t gpu, std::uint64_t type, std::uint64_t data) {
  Event& event = machine.event.at(machine.events % kMaxEvents);
  event = Event{machine.events + 1, gpu, machine.gpu.at(static_cast<std::size_t>(gpu)).generation,
                type, data};
  ++machine.events;
}

void add_foreign(Machine& machine, const Step& step) noexcept {
  Foreign* free = nullptr;
  for (Foreign& holder : machine.foreign) {
    if (holder.is_used != 0 && holder.gpu == step.gpu && holder.instance == step.instance &&
        holder.pid == static_cast<std::uint32_t>(step.from) && holder.kind == step.holder) {
      free = &holder;  // The same holder again: its memory changes.
      break;
    }
    if (free == nullptr && holder.is_used == 0) {
      free = &holder;
    }
  }
  if (free == nullptr) {
    return;  // The parser refuses scenarios with more than fit; only `set` can get here.
  }
  *free = Foreign{1,
                  step.gpu,
                  step.instance,
                  static_cast<std::uint32_t>(step.from),
                  step.holder,
                  step.sm_percent,
                  static_cast<std::uint64_t>(step.to)};
  const auto index = static_cast<std::uint64_t>(free - machine.foreign.data());
  machine.foreigners = std::max(machine.foreigners, index + 1);
}

void remove_foreign(Machine& machine, const Step& step) noexcept {
  for (Foreign& holder : machine.foreign) {
    if (holder.gpu == step.gpu && holder.pid == static_cast<std::uint32_t>(step.from)) {
      holder.is_used = 0;
    }
  }
}

void add_rule(Machine& machine, const Step& step) noexcept {
  const auto free = std::ranges::find(machine.rule, RuleKind::none, &Rule::kind);
  if (free == machine.rule.end()) {
    return;
  }
  *free = step.rule;
  free->gpu = step.gpu;
  free->until_ns = step.for_ns == 0 ? kForever : step.at_ns + step.for_ns;
  machine.rules =
      std::max(machine.rules, static_cast<std::uint64_t>(free - machine.rule.begin()) + 1);
}

void recover(Gpu& gpu) noexcept {
  value_of(gpu, Key::lost) = constant(0);
  value_of(gpu, Key::reset_required) = constant(0);
}

void clear_rules(Machine& machine, std::int32_t gpu) noexcept {
  for (Rule& rule : machine.rule) {
    if (gpu == kNoGpu || rule.gpu == gpu) {
      rule.kind = RuleKind::none;
    }
  }
  if (std::ranges::all_of(machine.rule, [](const Rule& r) { return r.kind == RuleKind::none; })) {
    machine.rules = 0;
  }
}

void plug(Machine& machine, Gpu& gpu, bool is_present) noexcept {
  if (is_present && gpu.is_present == 0) {
    ++gpu.generation;
    recover(gpu);
  }
  if (!is_present) {
    const auto index = static_cast<std::size_t>(&gpu - machine.gpu.data());
    for (Process& process : machine.process) {
      process.holding.at(index) = Holding{};  // Its memory went with it.
    }
  }
  gpu.is_present = is_present ? 1 : 0;
}

void apply_to_gpu(Machine& machine, Gpu& gpu, const Step& step, std::uint64_t now) noexcept {
  switch (step.kind) {
    case StepKind::value:
      set_value(gpu, step, now);
      break;
    case StepKind::xid:
      push_event(machine, step.gpu, nvml::event::kXidCriticalError,
                 static_cast<std::uint64_t>(step.from));
      break;
    case StepKind::unplug:
      plug(machine, gpu, false);
      break;
    case StepKind::replug:
      plug(machine, gpu, true);
      break;
    case StepKind::foreign:
      add_foreign(machine, step);
      break;
    case StepKind::foreign_gone:
      remove_foreign(machine, step);
      break;
    case StepKind::nvlink: {
      const std::uint32_t bit = 1U << static_cast<unsigned>(step.from);
      gpu.nvlinks_down = step.to != 0 ? gpu.nvlinks_down & ~bit : gpu.nvlinks_down | bit;
      break;
    }
    case StepKind::free_jump:
      gpu.free_jump_bytes = step.from;
      break;
    case StepKind::recover:
      recover(gpu);
      break;
    case StepKind::clear:
      recover(gpu);
      clear_rules(machine, step.gpu);
      break;
    default:
      break;
  }
}

void apply_to_driver(Machine& machine, const Step& step) noexcept {
  switch (step.kind) {
    case StepKind::init:
      machine.init_result = step.from;
      break;
    case StepKind::pid_offset:
      machine.pid_offset = step.from;
      break;
    case StepKind::die_inside_lock:
      machine.die_countdown = step.from;
      break;
    case StepKind::clear:
      machine.init_result = 0;
      machine.die_countdown = 0;
      for (Gpu& gpu : machine.gpu) {
        recover(gpu);
      }
      clear_rules(machine, kNoGpu);
      break;
    default:
      break;
  }
}

}  // namespace

std::int64_t value_at(const Value& value, std::uint64_t now) noexcept {
  if (now >= value.until_ns) {
    return value.after;
  }
  if (now >= value.end_ns || value.from == kNotSupported || value.to == kNotSupported) {
    return value.to;
  }
  if (now <= value.start_ns) {
    return value.from;
  }
  const double share = static_cast<double>(now - value.start_ns) /
                       static_cast<double>(value.end_ns - value.start_ns);
  return value.from + static_cast<std::int64_t>(share * static_cast<double>(value.to - value.from));
}

void apply(Machine& machine, const Step& step, std::uint64_t now) noexcept {
  if (step.kind == StepKind::rule) {
    add_rule(machine, step);
  } else if (step.gpu == kNoGpu) {
    apply_to_driver(machine, step);
  } else {
    apply_to_gpu(machine, machine.gpu.at(static_cast<std::size_t>(step.gpu)), step, now);
  }
}

void run_timeline(Machine& machine, std::uint64_t now) noexcept {
  while (machine.next_step < machine.steps && machine.step.at(machine.next_step).at_ns <= now) {
    const Step& step = machine.step.at(machine.next_step);
    apply(machine, step, step.at_ns);
    ++machine.next_step;
  }
}

bool insert_step(Machine& machine, const Step& step) noexcept {
  if (machine.steps == machine.next_step) {
    machine.steps = machine.next_step = 0;  // All have happened: their room is free.
  }
  if (machine.steps == kMaxSteps) {
    return false;
  }
  const auto begin = machine.step.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(machine.steps);
  const auto place =
      std::upper_bound(begin + static_cast<std::ptrdiff_t>(machine.next_step), end, step.at_ns,
                       [](std::uint64_t at, const Step& other) { return at < other.at_ns; });
  std::copy_backward(place, end, end + 1);
  *place = step;
  ++machine.steps;
  return true;
}

}  // namespace levee::simgpu
