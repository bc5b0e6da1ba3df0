// Outlets: everybody who is told what happened: log, webhooks, hook command, and the store. Each
// has a queue and a thread of its own, so telling costs the engine a pointer. Used by the engine
// thread.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/view.hpp"
#include "config/config.hpp"
#include "history/host_sample.hpp"
#include "sinks/sink.hpp"
#include "store/store_worker.hpp"

namespace levee::engine {

class Outlets {
 public:
  struct Options {
    std::optional<std::filesystem::path> state_dir;  ///< Absent: nothing can be written there.
    std::string why_no_state_dir;                    ///< Then the reason, for health.
    bool log_to_stderr = true;
    bool color = false;
  };

  Outlets(Options options, const config::Config& config);
  ~Outlets();

  /// Hands `notification` to every sink and to the next batch for the store.
  void tell(const std::shared_ptr<const sinks::Notification>& notification);

  /// Adds `sample` to the next batch for the store.
  void remember(const history::HostSample& sample);
  void remember(std::string_view gpu_uuid, const history::GpuSample& sample);

  /// Hands the batch to the store if it is due: after ten seconds, or at once when an event waits.
  void flush_if_due(MonoTime now);

  /// Rebuilds the sinks whose settings differ.
  void reconfigure(const config::Config& before, const config::Config& after);

  /// Writes what waits, for at most `grace` in all, and ends their threads.
  void stop(std::chrono::milliseconds grace);

  [[nodiscard]] store::StoreHealth store_health() const;
  void query(store::Query query, store::StoreWorker::Answer<history::Bucket> answer);
  void events(store::EventQuery query, store::StoreWorker::Answer<store::StoredEvent> answer);
  [[nodiscard]] std::vector<api::SinkView> sinks() const;

 private:
  /// A sink, and the table of the configuration it is made from.
  struct Outlet {
    std::string_view table;
    std::unique_ptr<sinks::Sink> sink;
  };
  /// An old sink on its way out: it may still wait for a network.
  struct Retiring {
    std::shared_ptr<const std::atomic<bool>> is_done;
    std::jthread thread;
  };

  void add_sinks(std::string_view table, const config::Config& config);
  void retire(std::unique_ptr<sinks::Sink> sink);

  const Options options_;
  const bool wants_store_;
  const WallTime began_;
  std::vector<Outlet> outlets_;
  std::unique_ptr<store::StoreWorker> store_;
  store::Batch batch_;
  std::optional<MonoTime> batch_since_;
  std::vector<Retiring> retiring_;
};

[[nodiscard]] store::Retention retention_of(const config::Store& config);

}  // namespace levee::engine
