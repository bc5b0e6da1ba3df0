// CUDA: contexts. Each costs the GPU's `ctx` memory while it lives.
#include <algorithm>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/library.hpp"
#include "simgpu/machine/processes.hpp"

using namespace levee::simgpu;

namespace {

Holding& holding_of(Process& process, Part part) noexcept {
  return process.holding.at(static_cast<std::size_t>(part.gpu));
}

/// Somebody else has a context there; that matters in exclusive mode.
bool is_taken(const OnDevice& target, const Process& own) noexcept {
  Machine& machine = target.session.machine();
  sweep_processes(machine, Look::thorough);
  const Part part = target.device.part;
  for (std::size_t i = 0; i < machine.processes; ++i) {
    Process& process = machine.process.at(i);
    if (process.is_used != 0 && &process != &own && holding_of(process, part).contexts > 0) {
      return true;
    }
  }
  return std::ranges::any_of(machine.foreign, [&](const Foreign& holder) {
    return holder.is_used != 0 && holder.gpu == part.gpu && holder.kind == HolderKind::compute;
  });
}

Result may_create(const OnDevice& target, const Process& own) noexcept {
  if (const std::int64_t failure = target.value(Key::context_failure); failure != 0) {
    return Result{static_cast<std::uint32_t>(failure)};
  }
  const std::int64_t mode = target.value(Key::compute_mode);
  const bool is_refused = mode == choice::kComputeProhibited ||
                          (mode == choice::kComputeExclusive && is_taken(target, own));
  return is_refused ? Result::device_unavailable : Result::success;
}

Result create(OnDevice& target, bool is_primary, ContextObject*& created) {
  Process* process = target.library.slot(target.session);
  if (process == nullptr) {
    return Result::out_of_memory;
  }
  if (const Result result = may_create(target, *process); result != Result::success) {
    return result;
  }
  const Part part = target.device.part;
  if (!charge(target.session, *process, part, Pool::context, target.gpu.context_bytes)) {
    return Result::out_of_memory;
  }
  ++holding_of(*process, part).contexts;
  created = target.library.contexts.emplace_back(std::make_unique<ContextObject>()).get();
  created->device = target.ordinal;
  created->is_primary = is_primary;
  created->is_alive = true;
  return Result::success;
}

Result push(Context context) noexcept {
  ContextStack& contexts = current_contexts();
  if (contexts.depth == ContextStack::kDepth) {
    return Result::invalid_value;
  }
  contexts.stack.at(contexts.depth++) = context;
  return Result::success;
}

Result release_primary(const char* function, Device device, bool at_once) noexcept {
  return device_call(function, device, [&](OnDevice& target) {
    ContextObject* primary = target.device.primary;
    if (primary == nullptr) {
      return at_once ? Result::success : Result::invalid_context;
    }
    if (at_once || --primary->users == 0) {
      end_context(target.session, target.library, *primary);
    }
    return Result::success;
  });
}

Result create_and_push(const char* function, Context* context, Device device) noexcept {
  return device_call(function, device, [&](OnDevice& target) {
    if (context == nullptr) {
      return Result::invalid_value;
    }
    ContextObject* created = nullptr;
    const Result result = create(target, false, created);
    if (result != Result::success) {
      return result;
    }
    *context = created;
    return push(created);
  });
}

Result destroy(const char* function, Context context) noexcept {
  return driver_call(function, [&](Session& session, CudaLibrary& library) {
    if (!library.knows(context) || !context->is_alive || context->is_primary) {
      return Result::invalid_context;
    }
    end_context(session, library, *context);
    ContextStack& contexts = current_contexts();
    if (contexts.top() == context) {
      --contexts.depth;
    }
    return Result::success;
  });
}

Result push_checked(const char* function, Context context) noexcept {
  return driver_call(function, [&](Session&, CudaLibrary& library) {
    return library.knows(context) ? push(context) : Result::invalid_context;
  });
}

Result pop(const char* function, Context* context) noexcept {
  return driver_call(function, [&](Session&, CudaLibrary&) {
    ContextStack& contexts = current_contexts();
    if (contexts.depth == 0) {
      return Result::invalid_context;
    }
    if (context != nullptr) {
      *context = contexts.top();
    }
    --contexts.depth;
    return Result::success;
  });
}

}  // namespace

void levee::simgpu::end_context(Session& session, CudaLibrary& library,
                                ContextObject& context) noexcept {
  CudaDevice& device = *library.find(context.device);
  context.is_alive = false;
  context.users = 0;
  if (device.primary == &context) {
    device.primary = nullptr;
  }
  Process* process = library.slot(session);
  if (process == nullptr) {
    return;
  }
  device.plain.free_all_of(session, *process, device.part, &context);
  device.async.free_all_of(session, *process, device.part, &context);
  Holding& holding = holding_of(*process, device.part);
  holding.contexts -= holding.contexts > 0 ? 1 : 0;
  const Gpu& gpu = session.machine().gpu.at(static_cast<std::size_t>(device.part.gpu));
  release(session, *process, device.part, Pool::context, gpu.context_bytes);
}

Result cuDevicePrimaryCtxRetain(Context* context, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (context == nullptr) {
      return Result::invalid_value;
    }
    ContextObject*& primary = target.device.primary;
    if (primary == nullptr) {
      if (const Result result = create(target, true, primary); result != Result::success) {
        primary = nullptr;
        return result;
      }
    }
    ++primary->users;
    *context = primary;
    return Result::success;
  });
}

Result cuDevicePrimaryCtxRelease(Device device) { return release_primary(__func__, device, false); }

Result cuDevicePrimaryCtxRelease_v2(Device device) {
  return release_primary(__func__, device, false);
}

Result cuDevicePrimaryCtxReset(Device device) { return release_primary(__func__, device, true); }

Result cuDevicePrimaryCtxReset_v2(Device device) { return release_primary(__func__, device, true); }

Result cuDevicePrimaryCtxGetState(Device device, unsigned* flags, int* is_active) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (flags == nullptr || is_active == nullptr) {
      return Result::invalid_value;
    }
    *flags = 0;
    *is_active = target.device.primary != nullptr ? 1 : 0;
    return Result::success;
  });
}

Result cuCtxCreate(Context* context, unsigned /*flags*/, Device device) {
  return create_and_push(__func__, context, device);
}

Result cuCtxCreate_v2(Context* context, unsigned /*flags*/, Device device) {
  return create_and_push(__func__, context, device);
}

Result cuCtxDestroy(Context context) { return destroy(__func__, context); }

Result cuCtxDestroy_v2(Context context) { return destroy(__func__, context); }

Result cuCtxSetCurrent(Context context) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    if (context != nullptr && !library.knows(context)) {
      return Result::invalid_context;
    }
    ContextStack& contexts = current_contexts();
    contexts.depth -= contexts.depth > 0 ? 1 : 0;
    return context == nullptr ? Result::success : push(context);
  });
}

Result cuCtxGetCurrent(Context* context) {
  return driver_call(__func__, [&](Session&, CudaLibrary&) {
    if (context == nullptr) {
      return Result::invalid_value;
    }
    *context = current_contexts().top();
    return Result::success;
  });
}

Result cuCtxPushCurrent(Context context) { return push_checked(__func__, context); }

Result cuCtxPushCurrent_v2(Context context) { return push_checked(__func__, context); }

Result cuCtxPopCurrent(Context* context) { return pop(__func__, context); }

Result cuCtxPopCurrent_v2(Context* context) { return pop(__func__, context); }

Result cuCtxGetDevice(Device* device) {
  return context_call(__func__, [&](OnDevice& target) {
    if (device == nullptr) {
      return Result::invalid_value;
    }
    *device = target.ordinal;
    return Result::success;
  });
}

Result cuCtxSynchronize() {
  return context_call(__func__, [](OnDevice&) { return Result::success; });
}
