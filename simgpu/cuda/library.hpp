// What every CUDA function of the simulator goes through, and what this process holds: contexts,
// allocations, handles and addresses. What they cost stands in this process's slot of the machine,
// so a process that dies needs no farewell.
//
// Thread-safe: the machine's lock is taken first, then (inside it) nothing else; `CudaLibrary` is
// only touched with the machine locked, except for the questions whether it is initialised.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/cuda.hpp"
#include "simgpu/cuda/heap.hpp"
#include "simgpu/machine/faults.hpp"
#include "simgpu/machine/memory.hpp"
#include "simgpu/machine/segment.hpp"
#include "simgpu/machine/trace.hpp"

namespace levee::cuda {

struct ContextObject {
  Device device = 0;
  bool is_primary = false;
  unsigned users = 0;  ///< Retains of a primary context.
  bool is_alive = false;
};

}  // namespace levee::cuda

namespace levee::simgpu {

/// A CUDA device of this process: CUDA_VISIBLE_DEVICES decides which, and in what order.
struct CudaDevice {
  Part part;
  std::uint32_t generation = 0;
  cuda::ContextObject* primary = nullptr;
  Heap plain{Pool::plain};
  Heap async{Pool::async};
};

/// A physical allocation of cuMemCreate.
struct Physical {
  cuda::Device device = 0;
  std::uint64_t bytes = 0;
  unsigned handles = 1;
  unsigned mappings = 0;
};

struct Mapping {
  std::uint64_t bytes = 0;
  cuda::AllocationHandle handle = 0;
};

struct CudaLibrary {
  static CudaLibrary& get() noexcept;

  CudaLibrary() = default;
  CudaLibrary(const CudaLibrary&) = delete;
  CudaLibrary& operator=(const CudaLibrary&) = delete;
  ~CudaLibrary();  ///< Gives the slot up, as a driver does when a process ends.

  [[nodiscard]] cuda::Result init(unsigned flags) noexcept;

  /// Initialised in this very process: a forked child is not.
  [[nodiscard]] bool is_ready() const noexcept { return owner == ::getpid(); }

  /// This process's slot, taken when first needed; nullptr when there is none left.
  [[nodiscard]] Process* slot(Session& session) noexcept;

  [[nodiscard]] CudaDevice* find(cuda::Device device) noexcept;
  [[nodiscard]] bool knows(cuda::Context context) const noexcept;

  std::atomic<pid_t> owner{0};
  std::shared_ptr<Segment> segment;
  std::vector<CudaDevice> devices;
  std::vector<std::unique_ptr<cuda::ContextObject>> contexts;
  std::map<cuda::AllocationHandle, Physical> physical;
  std::map<cuda::DevicePtr, std::uint64_t> reservations;  ///< Address to size.
  std::map<cuda::DevicePtr, Mapping> mappings;
  cuda::AllocationHandle next_handle = 1;

 private:
  Process* slot_ = nullptr;
};

/// The GPUs and instances that CUDA_VISIBLE_DEVICES lets this process see.
[[nodiscard]] std::vector<Part> visible_parts(const Machine& machine, const char* wish);

/// The calling thread's stack of contexts.
struct ContextStack {
  static constexpr std::size_t kDepth = 32;
  std::array<cuda::Context, kDepth> stack;
  std::size_t depth;

  [[nodiscard]] cuda::Context top() const noexcept {
    return depth == 0 ? nullptr : stack.at(depth - 1);
  }
};
[[nodiscard]] ContextStack& current_contexts() noexcept;

/// The session, the library and a device that works.
struct OnDevice {
  Session& session;
  CudaLibrary& library;
  cuda::Device ordinal;
  CudaDevice& device;
  Gpu& gpu;

  [[nodiscard]] std::int64_t value(Key key) const noexcept { return session.value(gpu, key); }
};

/// `body(Session&, CudaLibrary&)` for a function without a device. `gpu` is for faults and trace.
template <class Body>
[[nodiscard]] cuda::Result driver_call(const char* function, Body body,
                                       std::int32_t gpu = kNoGpu) noexcept {
  CudaLibrary& library = CudaLibrary::get();
  cuda::Result result = cuda::Result::not_initialized;
  if (library.is_ready()) {
    Session session(*library.segment);
    const auto forced = pass_gate(session, function, gpu);
    result = forced ? cuda::Result{*forced} : body(session, library);
  }
  trace(function, gpu, static_cast<std::uint32_t>(result));
  return result;
}

/// `body(OnDevice&)` for a function that names its device.
template <class Body>
[[nodiscard]] cuda::Result device_call(const char* function, cuda::Device ordinal,
                                       Body body) noexcept {
  // The list of devices never changes once cuInit is done.
  CudaLibrary& known = CudaLibrary::get();
  const CudaDevice* named = known.is_ready() ? known.find(ordinal) : nullptr;
  return driver_call(
      function,
      [&](Session& session, CudaLibrary& library) {
        CudaDevice* device = library.find(ordinal);
        if (device == nullptr) {
          return cuda::Result::invalid_device;
        }
        Gpu& gpu = session.machine().gpu.at(static_cast<std::size_t>(device->part.gpu));
        const bool is_lost = gpu.is_present == 0 || gpu.generation != device->generation ||
                             session.value(gpu, Key::lost) > 0 ||
                             session.value(gpu, Key::reset_required) > 0;
        if (is_lost) {
          return cuda::Result::unknown;
        }
        OnDevice target{session, library, ordinal, *device, gpu};
        return body(target);
      },
      named == nullptr ? kNoGpu : named->part.gpu);
}

/// The same on the device of the thread's current context.
template <class Body>
[[nodiscard]] cuda::Result context_call(const char* function, Body body) noexcept {
  const cuda::Context context = current_contexts().top();
  if (CudaLibrary::get().is_ready() && context == nullptr) {
    return driver_call(function,
                       [](Session&, CudaLibrary&) { return cuda::Result::invalid_context; });
  }
  return device_call(function, context == nullptr ? -1 : context->device, [&](OnDevice& target) {
    const bool is_alive = context != nullptr && context->is_alive;
    return is_alive ? body(target) : cuda::Result::context_is_destroyed;
  });
}

/// Ends a context: its memory is free again. For the driver's own use, with the machine locked.
void end_context(Session& session, CudaLibrary& library, cuda::ContextObject& context) noexcept;

}  // namespace levee::simgpu
