#include "gpus/device_worker.hpp"

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

namespace levee::gpus {
namespace {

Now read_clock() {
  return Now{std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
             std::chrono::steady_clock::now()};
}

}  // namespace

std::shared_ptr<DeviceWorker> DeviceWorker::start(std::unique_ptr<Device> device, Calls calls) {
  const std::shared_ptr<DeviceWorker> worker(new DeviceWorker(std::move(device), std::move(calls)));
  std::thread([worker] { worker->run(); }).detach();
  return worker;
}

DeviceWorker::DeviceWorker(std::unique_ptr<Device> device, Calls calls)
    : calls_(std::move(calls)), device_(std::move(device)) {}

void DeviceWorker::ask(std::uint64_t number) {
  const std::scoped_lock lock(mutex_);
  if (!is_reading_) {
    question_ = Question{number, std::chrono::steady_clock::now()};
    wake_.notify_one();
  }
}

void DeviceWorker::replace(std::unique_ptr<Device> device) {
  const std::scoped_lock lock(mutex_);
  replacement_ = std::move(device);
}

void DeviceWorker::end() {
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  wake_.notify_one();
}

bool DeviceWorker::is_well() const {
  const std::scoped_lock lock(mutex_);
  return is_well_;
}

void DeviceWorker::run() {
  while (const auto question = next_question()) {
    answer(*question);
    // A question that arrives meanwhile waits for its end.
    device_->catch_up(read_clock());
  }
}

std::optional<DeviceWorker::Question> DeviceWorker::next_question() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return ended_ || question_; });
  if (ended_) {
    return std::nullopt;
  }
  if (replacement_) {
    device_ = std::move(replacement_);
  }
  is_reading_ = true;
  return std::exchange(question_, std::nullopt);
}

void DeviceWorker::answer(const Question& question) {
  std::vector<GpuReading> readings = device_->read(read_clock());
  const bool is_well = readings.front().condition == GpuCondition::ok;
  bool was_well = false;
  {
    const std::scoped_lock lock(mutex_);
    is_reading_ = false;
    was_well = std::exchange(is_well_, is_well);
    if (ended_) {
      return;  // Nobody wants to know of a device that is no longer listed.
    }
  }
  const auto took = std::chrono::steady_clock::now() - question.arrived;
  calls_.answer(
      {question.number, std::chrono::floor<std::chrono::microseconds>(took), std::move(readings)});
  if (was_well && !is_well) {
    calls_.turned_bad();
  }
}

}  // namespace levee::gpus
