// Recovery: the ladders of all devices, and the hands that do what they say (contract G5). The
// daemon shows it every tick; it begins at most one step for each device, hears what came of it,
// and writes one event for each step. In a dry run it decides the same and does nothing.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/api.hpp"
#include "api/recovery_view.hpp"
#include "api/view.hpp"
#include "control/ladder.hpp"
#include "core/alert.hpp"
#include "engine/remedies.hpp"

namespace levee::engine {

class Recovery {
 public:
  /// What it acts through.
  struct Hands {
    api::ReclaimPort reclaim;
    api::LedgerPort ledger;
    /// Brings an answer to the engine's thread, and a tick soon after it. Thread-safe.
    std::function<void(std::function<void()>)> post;
    std::function<MonoTime()> clock;
  };

  explicit Recovery(Hands hands) : hands_(std::move(hands)) {}

  /// A tick. The engine's thread only, as all that follows.
  void observe(const api::View& view, Now now);
  /// What has happened since the last call.
  [[nodiscard]] std::vector<Event> events() { return std::exchange(events_, {}); }
  [[nodiscard]] std::shared_ptr<const api::RecoveryView> view() const { return view_; }

  /// An allocation of so much failed on `device`: for a minute that much is wanted free.
  void want(const api::ReportShortage& failed, MonoTime now);

  /// Frees what can be freed without harm, on every device, whatever the pressure; with `force`
  /// also what slows work down. Answers when that is over, with how much it was.
  using Swept = std::function<void(const api::CleanedUp&)>;
  void clean_up(bool force, Swept done);

  /// Answers those who wait for a cleanup: nothing more is done.
  void stop();

 private:
  struct Device {
    std::string label;
    control::Ladder ladder;
    std::string who;  ///< Of the step under way.
    bool is_sweeping = false;
    std::size_t swept_steps = 0;
    Bytes swept;  ///< Freed by the sweep.
  };

  void look_after(const PressedDevice& device, const api::View& view, Now now);
  void begin(const std::string& name, Device& device, const control::LadderStep& step,
             const api::View& view);
  void ask_client(const std::string& device, const control::LadderStep& step,
                  const std::string& client, const config::Recovery& how);
  void deflate(const std::string& device, const control::LadderStep& step,
               const std::string& lease);
  void answer(const std::string& device, control::StepAnswer answer);
  void tell(const std::string& name, Device& device, const control::StepReport& report,
            bool is_dry_run, Now now);
  [[nodiscard]] bool is_sweeping() const;
  void begin_sweep();
  void finish_sweep(config::RecoveryMode mode);
  void publish(std::vector<PressedDevice> devices, const config::Recovery& how);

  const Hands hands_;
  std::map<std::string, Device> devices_;
  std::vector<Shortage> shortages_;
  std::optional<control::Sweep> wanted_sweep_;
  std::vector<Swept> waiting_;  ///< For a sweep that is wanted or under way.
  std::deque<api::RecoveryStep> recent_;
  std::vector<Event> events_;
  std::shared_ptr<const api::RecoveryView> view_ = std::make_shared<const api::RecoveryView>();
};

}  // namespace levee::engine
