// A recording in the making, for tests: ticks of a hand-made machine, encoded as the recorder does.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "recorder/encoder.hpp"
#include "recorder/reader.hpp"
#include "support/values.hpp"

namespace levee::recorder {

inline Opening opening_of(std::uint64_t number = 0, Now at = test::at({})) {
  Opening opening;
  opening.version = "0.1.0";
  opening.recording = "run-1";
  opening.number = number;
  opening.hostname = "box";
  opening.boot = BootId{1, 2};
  opening.at = at;
  return opening;
}

inline TickItem tick_of(std::chrono::milliseconds when, HostReading host,
                        std::vector<ProcessReading> processes = {},
                        std::vector<GpuReading> gpus = {}) {
  TickItem tick;
  tick.now = test::at(when);
  tick.readings.host = std::move(host);
  tick.readings.processes =
      sources::ProcessScan{.processes = std::move(processes), .seen = 300, .listed = nullptr};
  tick.readings.gpus.gpus = std::move(gpus);
  tick.readings.gpus.is_known = true;
  return tick;
}

/// `items` as a file has them; incidents as bundles begin with.
inline std::string recording_of(const std::vector<Item>& items) {
  Encoder encoder;
  std::string bytes = file_head();
  for (const Item& item : items) {
    const auto* incident = std::get_if<Incident>(&item);
    bytes += incident != nullptr ? encode_incident(*incident) : encoder.encode(item);
  }
  return bytes;
}

inline std::vector<Item> items_in(const std::string& bytes) {
  auto reader = Reader::of(bytes);
  return reader ? read_all(*reader) : std::vector<Item>{};
}

}  // namespace levee::recorder
