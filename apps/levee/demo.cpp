// levee demo: a simulated machine with two GPUs, a story that happens on it, and the daemon that
// watches it. Nothing of the real machine's GPUs is touched.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stop_token>

#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/serve.hpp"
#include "sinks/child.hpp"

namespace levee::cli {
namespace {

namespace fs = std::filesystem;
using sinks::Child;

/// The story, in the simulator's words (docs/simulator.md). Memory is taken by real processes.
constexpr std::string_view kScenario = R"(levee-sim 1
clock real
gpu 0 name="Sim H200" mem=143771MiB reserved=600MiB ctx=512MiB cc=9.0 profile=r550 power-limit=700W
gpu 1 name="Sim A100" mem=81920MiB reserved=500MiB ctx=400MiB cc=8.0 power-limit=400W
at 0s gpu 0 temp 41 util 0 power 78W
at 0s gpu 1 temp 44 util 2 power 62W
at 5s gpu 0 util 97 power 690W
at 5s gpu 1 util 35 power 180W
ramp 5s 60s gpu 0 temp 41 93
ramp 65s 100s gpu 0 temp 93 58
at 65s gpu 0 util 40 power 320W
at 120s gpu 1 xid 79 lost
at 150s gpu 1 recover
)";

constexpr std::string_view kStory = R"(
  What happens:
    from  5 s  a training job takes 90 GiB of GPU 0, which heats up: normal, throttled, critical
    from  5 s  a worker on GPU 1 leaks 1 GiB a second: warning, critical, emergency
    at   65 s  GPU 0 cools down: resumed
    at  120 s  GPU 1 falls off the bus (XID 79); its row stays and says so
    at  150 s  GPU 1 is back
)";

struct Options {
  std::optional<std::string> simulator;
  std::string listen = "127.0.0.1:0";
};

/// A directory that is gone when this is.
class OwnDirectory {
 public:
  static Result<std::unique_ptr<OwnDirectory>> make() {
    std::string path = (fs::temp_directory_path() / "levee-demo-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      return fail(ErrorCode::permission_denied,
                  fmt::format("cannot make a directory like {}: {}", path, std::strerror(errno)),
                  "set TMPDIR to a directory you may write");
    }
    return std::unique_ptr<OwnDirectory>(new OwnDirectory(path));
  }
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;
  ~OwnDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  explicit OwnDirectory(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

/// Where the simulator is: said by the user, beside this program, or where packages put it.
Result<fs::path> simulator_dir(const std::optional<std::string>& wish) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<fs::path> places{program / "simgpu", program / "../lib/levee/simgpu"};
  if (wish) {
    places = {*wish};
  }
  for (const fs::path& place : places) {
    if (fs::exists(place / "levee-simctl", error)) {
      return fs::absolute(place, error);
    }
  }
  return fail(ErrorCode::not_found,
              fmt::format("the simulator is not in {}", places.front().string()),
              "`./dev build` makes it beside the program; or give --simulator DIR");
}

std::vector<std::string> environment_of(const Surroundings& surroundings) {
  std::vector<std::string> environment;
  environment.reserve(surroundings.environment.size());
  for (const auto& [name, value] : surroundings.environment) {
    environment.push_back(fmt::format("{}={}", name, value));
  }
  return environment;
}

Result<Child> start(const std::vector<std::string>& argv, const Surroundings& surroundings) {
  auto child = Child::start(argv, environment_of(surroundings));
  if (!child) {
    return fail(child.error().code, child.error().message, "is the simulator complete?");
  }
  return child;
}

/// Makes the machine; every process started afterwards lives on it.
Result<void> make_machine(const fs::path& simulator, const fs::path& directory,
                          Surroundings& surroundings) {
  const fs::path scenario = directory / "demo.sim";
  std::ofstream(scenario) << kScenario;
  const std::string segment = (directory / "machine").string();
  auto maker = start({(simulator / "levee-simctl").string(), "create", "--scenario",
                      scenario.string(), "--segment", segment},
                     surroundings);
  if (!maker) {
    return std::unexpected(maker.error());
  }
  const auto status =
      maker->finish("", Child::Clock::now() + std::chrono::seconds{10}, std::stop_token{});
  if (!status || *status != 0) {
    return fail(ErrorCode::internal, "the simulated machine could not be made",
                fmt::format("try: {} create --scenario {}", (simulator / "levee-simctl").string(),
                            scenario.string()));
  }
  surroundings.environment["LEVEE_SIM"] = segment;
  surroundings.environment["LD_LIBRARY_PATH"] = (simulator / "r550").string();
  // The GPU helper is a child of this process and inherits its environment.
  ::setenv("LEVEE_SIM", segment.c_str(), 1);
  ::setenv("LD_LIBRARY_PATH", surroundings.environment["LD_LIBRARY_PATH"].c_str(), 1);
  return {};
}

int run(const Options& options, Surroundings surroundings) {
  const auto simulator = simulator_dir(options.simulator);
  if (!simulator) {
    return complain(simulator.error());
  }
  const auto directory = OwnDirectory::make();
  if (!directory) {
    return complain(directory.error());
  }
  const fs::path& own = (*directory)->path();
  if (const auto made = make_machine(*simulator, own, surroundings); !made) {
    return complain(made.error());
  }
  const std::string hog = (*simulator / "simhog").string();
  const auto trainer = start({hog, "--gpu", "0", "--mem", "90GiB", "--step", "2GiB", "--every",
                              "0.5", "--after", "5", "--hold", "600"},
                             surroundings);
  const auto leaker = start({hog, "--gpu", "1", "--mem", "80GiB", "--step", "1GiB", "--every", "1",
                             "--after", "5", "--hold", "600"},
                            surroundings);
  for (const auto* job : {&trainer, &leaker}) {
    if (!*job) {
      return complain(job->error());
    }
  }
  const std::string socket = (own / "levee.sock").string();
  static_cast<void>(write_all(
      STDERR_FILENO,
      fmt::format("A simulated machine with two GPUs. In another terminal:\n"
                  "  levee status --watch --socket {}\n{}  Ctrl-C ends it; nothing is left.\n\n",
                  socket, kStory)));
  return serve({.config = {},
                .listen = options.listen,
                .socket = socket,
                .state_dir = (own / "state").string(),
                .pairs = {}},
               surroundings);
}

}  // namespace

void declare_demo(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("demo", "Watch a simulated two-GPU machine on which things go wrong");
  command->add_option("--simulator", options->simulator, "Directory of the simulator")
      ->type_name("DIR");
  command->add_option("--listen", options->listen, "Loopback address for HTTP; port 0 picks one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  add_footer(*command,
             "levee demo\n"
             "levee demo --listen 127.0.0.1:9000",
             "0 ended by Ctrl-C, 1 could not start, 2 wrong use. The state is in a temporary\n"
             "directory; neither this machine's GPUs nor its daemon are touched.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
