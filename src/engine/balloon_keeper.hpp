// BalloonKeeper: holds what the ledger has promised to balloons: one process per balloon and GPU.
// It follows the ledger: a balloon that is granted is held, one that is over is let go, whatever
// became of those who asked for it. Thread-safe; nothing here blocks but the destructor and stop().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/balloon_port.hpp"
#include "engine/balloon_order.hpp"
#include "engine/balloon_post.hpp"

namespace levee::engine {

class BalloonKeeper {
 public:
  explicit BalloonKeeper(BalloonPost::Settings settings);
  ~BalloonKeeper() { stop(); }

  /// All balloons that are granted now.
  void keep(const std::vector<BalloonOrder>& balloons);

  [[nodiscard]] api::BalloonPort port();
  [[nodiscard]] std::vector<api::Holding> holdings() const;

  /// Lets everything go, and holds nothing more. Idempotent.
  void stop();

 private:
  using Posts = std::map<std::pair<std::string, std::string>, std::unique_ptr<BalloonPost>>;

  void pass_on(const std::string& lease, const Amount& amount,
               const api::BalloonPort::Answer& done);
  void run();
  [[nodiscard]] std::expected<std::unique_ptr<BalloonPost>, api::Holding> make_post(
      const BalloonOrder& order, const ledger::DeviceShare& share, std::size_t others) const;

  const BalloonPost::Settings settings_;
  mutable std::mutex mutex_;
  Posts posts_;  ///< By lease and UUID; guarded by mutex_, as is what follows.
  std::vector<api::Holding> refused_;  ///< Those for which there was no thread or descriptor.
  std::vector<Posts> over_;            ///< To be let go by the thread: a driver may take its time.
  bool is_stopped_ = false;
  std::condition_variable wake_;

  std::thread thread_;  // last: it uses the others
};

}  // namespace levee::engine
