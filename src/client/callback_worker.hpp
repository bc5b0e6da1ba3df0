// CallbackWorker: a thread that runs one job at a time, for jobs that may take for ever. Whoever
// stops it waits only so long. One owner at a time; the jobs run on its thread.
#pragma once

#include <signal.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace levee::client {

class CallbackWorker {
 public:
  CallbackWorker();
  ~CallbackWorker();  ///< As stop() without patience.
  CallbackWorker(const CallbackWorker&) = delete;
  CallbackWorker& operator=(const CallbackWorker&) = delete;

  /// What is to be told once the next job may come: whoever hears it may ask for that at once.
  using News = std::function<void()>;
  using Job = std::function<News()>;

  /// Runs `job`, then what it returns; neither may throw. The thread is started for the first one,
  /// with `signals` blocked. False while another one runs, or when no thread is to be had.
  [[nodiscard]] bool run(Job job, const sigset_t& signals);

  /// Waits for the job that is running, for `patience` at most, then leaves the thread to end by
  /// itself when that is done. From within a job it does not wait.
  void stop(std::chrono::milliseconds patience);

 private:
  struct Desk;
  static void work(const std::shared_ptr<Desk>& desk);

  std::shared_ptr<Desk> desk_;  ///< The thread's, too: it may outlive this.
  std::thread thread_;
};

}  // namespace levee::client
