// A program that watches GPU memory by itself, without a daemon: it keeps a cache on GPU 0, and
// empties it when the memory runs out.
//
//   monitor CACHE [KEY=VALUE …]
//
// CACHE is a size ("3GB"), keys are those of docs/configuration.md. It runs until its standard
// input ends.
#include <cstdio>
#include <iostream>
#include <string>

#include "levee/balloon.hpp"
#include "levee/monitor.hpp"

namespace {

void print(const std::string& line) { std::cout << line << std::endl; }

levee::MonitorOptions options_of(int count, char** arguments) {
  levee::MonitorOptions options;
  for (int i = 2; i < count; ++i) {
    const std::string text = arguments[i];
    const auto equals = text.find('=');
    options.settings[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: monitor CACHE [KEY=VALUE …]\n";
    return 2;
  }
  // What the cache keeps on the GPU.
  auto cache = levee::Balloon::make(0, {.mb = arguments[1]});
  if (!cache || !cache->inflate()) {
    std::cerr << "the cache does not fit\n";
    return 1;
  }

  levee::MemoryMonitor monitor(options_of(count, arguments));
  for (const auto severity :
       {levee::Severity::warning, levee::Severity::critical, levee::Severity::emergency}) {
    monitor.on_alert(severity, [](const levee::MemoryAlert& alert) {
      print("alert " + std::string(to_string(alert.severity)) + " " + alert.type + ": " +
            alert.message);
    });
  }
  monitor.on_recovery(levee::ReclaimStrategy::reduce_batch, [](const levee::RecoveryRequest&) {
    print("the batch is halved");
    return true;
  });
  monitor.on_recovery(levee::ReclaimStrategy::clear_cache,
                      [&](const levee::RecoveryRequest& request) {
                        print("the cache is emptied");
                        return request.memory.gpu_id == 0 && cache->deflate() > levee::Bytes{};
                      });
  monitor.on_outcome([](const levee::RecoveryOutcome& outcome) {
    print("step " + outcome.step + " " + outcome.result + ": " + outcome.message);
  });

  if (const auto started = monitor.start(); !started) {
    std::cerr << started.error().message << '\n';
    return 1;
  }
  print("watching");
  while (std::cin.get() != EOF) {
  }
  return 0;
}
