#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "support/temp_dir.hpp"
#include "unit/recorder/items.hpp"

namespace levee::recorder {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

ledger::Lease example_lease() {
  ledger::Lease lease;
  lease.id = "job-1";
  lease.name = "train.py";
  lease.demand.named = {{"GPU-0", gib(4)}};
  lease.demand.host = gib(1);
  lease.demand.step = mib(256);
  lease.state = ledger::LeaseState::granted;
  lease.shares = {{"GPU-0", gib(4)}};
  lease.owner = {BootId{1, 2}, 77, 1077};
  lease.uid = 1000;
  lease.prediction = Prediction{.model = "llama",
                                .framework = "vllm",
                                .is_training = false,
                                .fills_memory = true,
                                .fixed = gib(1),
                                .soft = gib(2),
                                .low = gib(3),
                                .expected = gib(4),
                                .high = gib(5)};
  lease.ticket = 9;
  lease.asked = test::at(1s).wall;
  lease.granted = test::at(2s).wall;
  lease.ttl = 60s;
  lease.expires_at = test::at(62s).mono;
  return lease;
}

/// One with something in every field.
TickItem full_tick() {
  HostReading host = test::host_using(80);
  host.mem_free = gib(3);
  host.swap_total = gib(4);
  host.ceiling = MemoryCeiling{"/job", CgroupVersion::v1, gib(8), gib(7), gib(1)};
  host.pressure = Pressure{.some = PressureLine{0.1, 1.0 / 3, 2, 7}, .full = {}};
  host.cpu_percent = 33.3;
  host.cores = 8;
  GpuReading gpu = test::gpu_with(0, 66.5, 92, test::at(900ms).mono);
  gpu.slowdown_reasons = {"sw_power_cap"};
  gpu.health.remap_pending = false;
  gpu.memory->balloons = gib(9);
  const ProcessReading process = test::process_of(77, "python", gib(2), 1e6, Seconds{12.5});
  gpu.processes = {GpuProcess{.pid = 77,
                              .memory = gib(3),
                              .compute = true,
                              .graphics = false,
                              .sm_percent = 4.5,
                              .memory_percent = {},
                              .gpu_instance = 1,
                              .identity = process.identity,
                              .rss = gib(2),
                              .cpu_percent = 99.5,
                              .growth_per_second = -7.25}};
  TickItem tick = tick_of(1s, host, {process}, {gpu});
  tick.readings.gpus.xids = {GpuXid{"GPU-0", 79, test::at(1s).wall}};
  tick.readings.gpus.troubles = {{"nvml", {ErrorCode::timed_out, "no answer", "wait"}}};
  tick.readings.troubles = {{"pressure", {ErrorCode::unavailable, "none", ""}}};
  tick.guard.available = gib(7);
  tick.guard.at_line = true;
  tick.guard.fill_bytes_per_second = 48e9;
  tick.daemon.pid = 4711;
  tick.daemon.ticks = 12;
  tick.daemon.tick_time = 1500us;
  auto ledger = std::make_shared<api::LedgerView>();
  ledger->leases = {{.lease = example_lease(),
                     .place = 0,
                     .user = "ada",
                     .used = {{{"GPU-0", gib(3)}}, gib(1)},
                     .peak = {{{"GPU-0", gib(3)}}, gib(1)}}};
  ledger->host_available = gib(5);
  tick.daemon.ledger = ledger;
  tick.told = {R"({"id":1})", R"({"id":2})"};
  return tick;
}

TEST(Recording, KeepsATickToTheLastBit) {
  const auto items = items_in(recording_of({opening_of(), full_tick()}));
  ASSERT_THAT(items, SizeIs(2));
  const TickItem& got = std::get<TickItem>(items[1]);
  const TickItem want = full_tick();
  ASSERT_TRUE(got.readings.host);
  EXPECT_EQ(got.readings.host->ceiling, want.readings.host->ceiling);
  EXPECT_EQ(got.readings.host->pressure, want.readings.host->pressure);
  EXPECT_EQ(got.readings.host->cpu_percent, want.readings.host->cpu_percent);
  ASSERT_THAT(got.readings.processes->processes, SizeIs(1));
  const ProcessReading& process = got.readings.processes->processes[0];
  EXPECT_EQ(process.identity->command, "python --run");
  EXPECT_EQ(process.growth_per_second, 1e6);
  EXPECT_EQ(process.growth_window, Seconds{12.5});
  ASSERT_THAT(got.readings.gpus.gpus, SizeIs(1));
  const GpuReading& gpu = got.readings.gpus.gpus[0];
  EXPECT_EQ(*gpu.identity, *want.readings.gpus.gpus[0].identity);
  EXPECT_EQ(gpu.memory, want.readings.gpus.gpus[0].memory);
  EXPECT_EQ(gpu.read_at, want.readings.gpus.gpus[0].read_at);
  EXPECT_EQ(gpu.processes->at(0).growth_per_second, -7.25);
  EXPECT_EQ(gpu.processes->at(0).identity, process.identity) << "written once, meant twice";
  EXPECT_EQ(got.readings.gpus.xids, want.readings.gpus.xids);
  EXPECT_EQ(got.readings.gpus.troubles[0].error, want.readings.gpus.troubles[0].error);
  EXPECT_TRUE(got.guard.at_line);
  EXPECT_EQ(got.daemon.tick_time, 1500us);
  ASSERT_NE(got.daemon.ledger, nullptr);
  EXPECT_EQ(got.daemon.ledger->leases[0].lease, example_lease());
  EXPECT_EQ(got.told, want.told);
  EXPECT_EQ(got.now.mono, want.now.mono);
  // Whatever a field means, it is written again as it was read.
  EXPECT_EQ(recording_of(items), recording_of({opening_of(), full_tick()}));
}

TEST(Recording, KeepsNumbersThatAreNone) {
  TickItem tick = full_tick();
  tick.readings.host->cpu_percent = std::numeric_limits<double>::quiet_NaN();
  tick.readings.host->load1 = -std::numeric_limits<double>::infinity();
  const auto items = items_in(recording_of({opening_of(), tick}));
  ASSERT_THAT(items, SizeIs(2));
  const HostReading& host = *std::get<TickItem>(items[1]).readings.host;
  EXPECT_TRUE(std::isnan(*host.cpu_percent));
  EXPECT_EQ(host.load1, -std::numeric_limits<double>::infinity());
}

TEST(Recording, KeepsEveryOtherKindOfItem) {
  Layers layers;
  layers[config::Origin::file]["memory_optimal"] = {config::Value{65.5}, "/etc/levee.toml:3"};
  layers[config::Origin::runtime]["hook.command"] = {
      config::Value{std::vector<std::string>{"a", "b"}}, "run time"};
  Event event;
  event.id = 5;
  event.kind = EventKind::lease_released;
  event.severity = Severity::critical;
  event.message = "bytes \xff that are no text";
  event.details = {{"lease", "job-1"}};
  event.alert = Alert{};
  event.alert->culprit = Culprit{.id = {},
                                 .user = "ada",
                                 .comm = "x",
                                 .command = "x y",
                                 .rss = gib(1),
                                 .gpu_memory = gib(2),
                                 .growth_per_second = 2.5};
  estimate::Requirements requirements;
  requirements.host = gib(1);
  requirements.notes = "n";
  const std::vector<Item> all{
      opening_of(),
      SettingsItem{.settings = layers, .now = test::at(1s), .told = "{}"},
      EventItem{.event = event, .told = "{}"},
      CommandItem{.command = api::TrackModel{"llama", gib(4)}, .now = test::at(2s)},
      CommandItem{.command = api::RegisterModel{"m", requirements}, .now = test::at(3s)},
      GapItem{.lost = 7}};
  const auto items = items_in(recording_of(all));
  ASSERT_THAT(items, SizeIs(all.size()));
  const auto& read = std::get<SettingsItem>(items[1]).settings;
  EXPECT_EQ(read.at(config::Origin::file).at("memory_optimal").value, config::Value{65.5});
  EXPECT_EQ(std::get<EventItem>(items[2]).event.message, event.message);
  EXPECT_EQ(std::get<EventItem>(items[2]).event.kind, EventKind::lease_released);
  EXPECT_EQ(std::get<EventItem>(items[2]).event.alert->culprit->gpu_memory, gib(2));
  EXPECT_EQ(std::get<api::TrackModel>(std::get<CommandItem>(items[3]).command).size, gib(4));
  EXPECT_EQ(std::get<GapItem>(items[5]).lost, 7U);
  EXPECT_EQ(recording_of(items), recording_of(all));
}

TEST(Recording, ProcessesThatAreNotReadAnewComeBackAsTheyWere) {
  const ProcessReading a = test::process_of(10, "a", gib(3));
  ProcessReading b = test::process_of(11, "b", gib(2));
  std::vector<Item> all{opening_of(), tick_of(0s, test::host_using(50), {a, b})};
  b.rss = gib(5);
  b.read_at = test::at(1s).mono;
  all.emplace_back(tick_of(1s, test::host_using(50), {b, a}));
  all.emplace_back(tick_of(2s, test::host_using(50), {b}));
  const std::string bytes = recording_of(all);
  const auto items = items_in(bytes);
  ASSERT_THAT(items, SizeIs(4));
  const auto& second = std::get<TickItem>(items[2]).readings.processes->processes;
  ASSERT_THAT(second, SizeIs(2));
  EXPECT_EQ(second[0].identity->comm, "b");
  EXPECT_EQ(second[0].rss, gib(5));
  EXPECT_EQ(second[1].rss, gib(3));
  EXPECT_THAT(std::get<TickItem>(items[3]).readings.processes->processes, SizeIs(1));
}

TEST(Recording, AnUnusualOrderOfProcessesComesBackToo) {
  const std::vector<ProcessReading> odd{test::process_of(12, "c", gib(1)),
                                        test::process_of(10, "a", gib(3)),
                                        test::process_of(11, "b", gib(3))};
  const auto items = items_in(recording_of({opening_of(), tick_of(0s, test::host_using(5), odd)}));
  ASSERT_THAT(items, SizeIs(2));
  const auto& got = std::get<TickItem>(items[1]).readings.processes->processes;
  ASSERT_THAT(got, SizeIs(3));
  EXPECT_EQ(got[0].identity->id.pid, 12);
  EXPECT_EQ(got[1].identity->id.pid, 10);
}

TEST(Recording, LostSourcesComeBackWithTheirReasons) {
  TickItem tick = tick_of(0s, {});
  tick.readings.host = fail(ErrorCode::corrupt, "meminfo is empty", "look");
  tick.readings.processes = fail(ErrorCode::permission_denied, "/proc", "mount it");
  const auto items = items_in(recording_of({opening_of(), tick}));
  ASSERT_THAT(items, SizeIs(2));
  const Readings& got = std::get<TickItem>(items[1]).readings;
  EXPECT_EQ(got.host.error(), tick.readings.host.error());
  EXPECT_EQ(got.processes.error(), tick.readings.processes.error());
}

TEST(Recording, CutAnywhereEverythingBeforeTheCutIsRead) {
  const std::string bytes =
      recording_of({opening_of(), full_tick(), GapItem{.lost = 1}, opening_of(1), full_tick()});
  std::vector<std::size_t> counts;
  for (std::size_t length = file_head().size(); length <= bytes.size(); ++length) {
    auto reader = Reader::of(bytes.substr(0, length));
    ASSERT_TRUE(reader) << length;
    counts.push_back(read_all(*reader).size());
    const bool is_between = length == bytes.size() || length == file_head().size() ||
                            (counts.size() > 1 && counts.back() > counts[counts.size() - 2]);
    EXPECT_EQ(reader->damage().empty(), is_between) << length;
  }
  EXPECT_TRUE(std::ranges::is_sorted(counts));
  EXPECT_EQ(counts.front(), 0U);
  EXPECT_EQ(counts.back(), 5U);
}

TEST(Recording, EveryChangedByteIsNoticedAndNothingBeforeItIsLost) {
  const std::string good = recording_of({opening_of(), full_tick()});
  for (std::size_t place = file_head().size(); place < good.size(); ++place) {
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 0x55);
    auto reader = Reader::of(bad);
    ASSERT_TRUE(reader);
    const std::size_t count = read_all(*reader).size();
    EXPECT_LT(count, 2U) << place;
    EXPECT_THAT(reader->damage(), HasSubstr("left out")) << place;
  }
}

TEST(Recording, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "levee", "levee-recording ", "levee-recording 1", "levee-recording \n",
        "levee-recording 1x\n", "levee-recording -1\n", "levee-recording 99999999999999999999\n",
        "SQLite format 3", "{\"a\":1}", "\n"}) {
    const auto reader = Reader::of(text);
    ASSERT_FALSE(reader) << text;
    EXPECT_EQ(reader.error().code, ErrorCode::invalid_argument) << text;
  }
}

TEST(Recording, NamesTheFormatOfAnotherVersion) {
  const auto reader = Reader::of("levee-recording 2\n");
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().message, HasSubstr("format \"2\""));
}

TEST(Recording, GarbageAfterTheHeadIsDamageAndNoCrash) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = file_head();
    const std::size_t length = random() % 200;
    for (std::size_t i = 0; i < length; ++i) {
      bytes.push_back(static_cast<char>(i == 0 ? "OTSECGI"[random() % 7] : random()));
    }
    auto reader = Reader::of(bytes);
    ASSERT_TRUE(reader);
    EXPECT_THAT(read_all(*reader), IsEmpty());
  }
}

TEST(Recording, AFrameBeforeAnyOpeningIsDamage) {
  const std::string bytes = recording_of({opening_of(), full_tick()});
  const std::string opening = recording_of({opening_of()});
  auto reader = Reader::of(file_head() + bytes.substr(opening.size()));
  ASSERT_TRUE(reader);
  EXPECT_THAT(read_all(*reader), IsEmpty());
  EXPECT_THAT(reader->damage(), HasSubstr("before any opening"));
}

TEST(Recording, MissingPiecesShowAsAGap) {
  const std::string bytes = recording_of({opening_of(3), full_tick(), opening_of(5), full_tick()});
  const auto items = items_in(bytes);
  ASSERT_THAT(items, SizeIs(5));
  EXPECT_TRUE(std::holds_alternative<GapItem>(items[2]));
  EXPECT_TRUE(std::holds_alternative<Opening>(items[3]));
}

TEST(Recording, TheOlderPartOfAFileIsReadFirstIfItIsOfTheSameRun) {
  const test::TempDir dir;
  const std::string part = recording_of({opening_of(0), full_tick()});
  dir.write("day", recording_of({opening_of(1), full_tick()}));
  dir.write("day.1", part);
  auto reader = Reader::open(dir / "day");
  ASSERT_TRUE(reader);
  EXPECT_THAT(read_all(*reader), SizeIs(4));
  EXPECT_EQ(reader->bytes_read(), reader->bytes_in_all());

  Opening other = opening_of(0);
  other.recording = "run-2";
  dir.write("day.1", recording_of({other, full_tick()}));
  auto alone = Reader::open(dir / "day");
  ASSERT_TRUE(alone);
  EXPECT_THAT(read_all(*alone), SizeIs(2));
}

TEST(Recording, FilesThatAreNotThereAreRefusedByName) {
  const test::TempDir dir;
  const auto missing = Reader::open(dir / "none");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("none"));
  EXPECT_FALSE(Reader::open(dir.path()));
}

TEST(Redactor, KeepsHostsAndNoSecrets) {
  Layers layers;
  layers[config::Origin::file]["webhook.urls"] = {
      config::Value{std::vector<std::string>{"https://hooks.example.org/T0/secret",
                                             "https://user:pass@plain.example.org",
                                             "https://open.example.org"}},
      "levee.toml:1"};
  layers[config::Origin::file]["memory_optimal"] = {config::Value{65.0}, "levee.toml:2"};
  Redactor redactor;
  Layers again = layers;
  redactor.redact(layers);
  redactor.redact(again);
  const auto urls =
      std::get<std::vector<std::string>>(layers[config::Origin::file]["webhook.urls"].value);
  EXPECT_THAT(urls, testing::ElementsAre("https://hooks.example.org/address-1",
                                         "https://plain.example.org/address-2",
                                         "https://open.example.org"));
  EXPECT_EQ(again[config::Origin::file]["webhook.urls"].value,
            layers[config::Origin::file]["webhook.urls"].value);
  EXPECT_TRUE(config::Settings::of_layers(layers));
}

}  // namespace
}  // namespace levee::recorder
