// OwnerWatch: what the processes of one account use of one GPU, by the driver, at this moment;
// quick enough to be asked every few milliseconds. Levee's own holders are nobody's. One thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balloon/driver.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "sources/file.hpp"
#include "sources/kinship.hpp"
#include "sources/root.hpp"

namespace levee::balloon {

struct OwnerLook {
  /// One of its processes is there and is no `levee run` that waits for its turn.
  bool has_begun = false;
  std::optional<Bytes> use;   ///< Absent where the driver does not tell.
  std::optional<Bytes> free;  ///< On the whole GPU.
  std::string trouble;        ///< Why something is absent.
};

class OwnerWatch {
 public:
  OwnerWatch(std::shared_ptr<const Driver> driver, Gpu gpu, const sources::Kin& account,
             const sources::Root& root = sources::Root{});

  [[nodiscard]] OwnerLook look(MonoTime now);

 private:
  struct Known {
    pid_t pid = 0;
    bool is_kin = false;
  };

  [[nodiscard]] std::optional<Bytes> free_now() const;
  [[nodiscard]] bool has_members_at_work() const;
  [[nodiscard]] bool is_kin(pid_t pid, MonoTime now);
  void meet(const std::vector<GpuProcess>& processes, MonoTime now);

  const std::shared_ptr<const Driver> driver_;
  const Gpu gpu_;
  const std::string account_;
  const BootId boot_;
  sources::Fd proc_;
  sources::Kinship kinship_;
  MonoTime refreshed_at_;
  std::vector<Known> known_;  ///< Those on the GPU, in the driver's order.
};

}  // namespace levee::balloon
