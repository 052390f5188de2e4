#include "cli/millrace/streams_bench.h"

#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/millrace/run_directory.h"
#include "cli/millrace/stream_ends.h"
#include "cli/millrace/trial_run.h"
#include "control/controller.h"
#include "launcher/process.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kPatience = std::chrono::seconds(60);  // for one measurement
constexpr int kSpinMicroseconds = 200;

// A run directory for one measurement, with its shared memory; both are removed at the end.
class Workplace {
 public:
  static absl::StatusOr<std::unique_ptr<Workplace>> Make() {
    MILLRACE_ASSIGN_OR_RETURN(auto directory, TrialDirectory::Make());
    std::unique_ptr<Workplace> workplace(new Workplace(std::move(directory)));
    std::error_code error;
    fs::create_directories(workplace->paths_.ledger(), error);
    fs::create_directories(workplace->paths_.shm(), error);
    if (!error) return workplace;
    return absl::ResourceExhaustedError("cannot make " + workplace->paths_.shm().string());
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(paths_.shm(), ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  const RunPaths& paths() const { return paths_; }

 private:
  explicit Workplace(std::unique_ptr<TrialDirectory> directory)
      : directory_(std::move(directory)), paths_(directory_->path()) {}

  const std::unique_ptr<TrialDirectory> directory_;
  const RunPaths paths_;
};

// The processes of one measurement. Those that are left are killed at the end.
class Ends {
 public:
  explicit Ends(const RunPaths& paths) : paths_(paths) {}
  ~Ends() {
    for (const Process& process : processes_) {
      if (process.gone) continue;
      SignalGroup(process.group, SIGKILL);
      while (!ReapFromGroup(process.group)) std::this_thread::sleep_for(kGlance);
    }
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;

  absl::Status Start(const StreamEndOptions& end, bool has_result) {
    MILLRACE_ASSIGN_OR_RETURN(const fs::path binaries, BinariesDirectory());
    const std::string stem = fmt::format("{}-{}", end.kind, processes_.size());
    Process process{.kind = end.kind, .log = paths_.root() / (stem + ".log")};
    if (has_result) process.result = paths_.root() / (stem + ".json");
    ProcessOptions options;
    options.log_file = process.log;
    options.arguments = {(binaries / "millrace").string(),
                         "stream-end",
                         end.kind,
                         paths_.root().string(),
                         end.role,
                         std::to_string(end.index),
                         "--transport",
                         end.transport,
                         "--bytes",
                         std::to_string(end.bytes),
                         "--checksum",
                         end.checksum ? "true" : "false",
                         "--spin-us",
                         std::to_string(end.spin_us),
                         "--count",
                         std::to_string(end.count),
                         "--peers",
                         std::to_string(end.peers),
                         "--result",
                         process.result.string()};
    MILLRACE_ASSIGN_OR_RETURN(process.group, Spawn(options));
    processes_.push_back(std::move(process));
    return absl::OkStatus();
  }

  // Waits for every end that has a result; in the order they were started.
  absl::StatusOr<std::vector<json>> Results() {
    const Deadline deadline = After(kPatience);
    std::vector<json> results;
    for (Process& process : processes_) {
      if (process.result.empty()) continue;
      MILLRACE_RETURN_IF_ERROR(Await(process, deadline));
      std::ifstream file(process.result);
      results.push_back(json::parse(file, nullptr, /*allow_exceptions=*/false));
    }
    return results;
  }

 private:
  static constexpr auto kGlance = std::chrono::milliseconds(2);
  struct Process {
    std::string kind;
    fs::path log, result = {};
    pid_t group = 0;
    bool gone = false;
  };

  absl::Status Await(Process& process, Deadline deadline) {
    while (true) {
      if (const auto exit = ReapFromGroup(process.group)) {
        process.gone = true;
        if (exit->exit_code == 0 && exit->signal == 0) return absl::OkStatus();
        return absl::InternalError(
            fmt::format("{} failed: {}", process.kind, LastLine(process.log)));
      }
      if (Expired(deadline)) {
        return absl::DeadlineExceededError(fmt::format("{} took too long", process.kind));
      }
      std::this_thread::sleep_for(kGlance);
    }
  }

  static std::string LastLine(const fs::path& log) {
    std::ifstream file(log);
    std::string last = "no reason given";
    for (std::string line; std::getline(file, line);) last = line;
    return last;
  }

  const RunPaths paths_;
  std::vector<Process> processes_;
};

struct PlannedEnd {
  StreamEndOptions options;
  bool has_result = false;
};

// Runs the ends to the last result.
absl::StatusOr<std::vector<json>> Measure(const std::vector<PlannedEnd>& plan) {
  MILLRACE_ASSIGN_OR_RETURN(const auto workplace, Workplace::Make());
  ControllerOptions options;
  options.run_directory = workplace->paths().root();
  for (const PlannedEnd& end : plan) options.plan.push_back({end.options.role, end.options.index});
  MILLRACE_ASSIGN_OR_RETURN(const auto controller, Controller::Start(options));
  Ends ends(workplace->paths());
  for (const PlannedEnd& end : plan) {
    MILLRACE_RETURN_IF_ERROR(ends.Start(end.options, end.has_result));
  }
  return ends.Results();
}

// ---- what is measured ----

// One figure of every round. `lower_is_better` as in BenchRow.
struct Figure {
  std::string name, unit, baseline;
  bool lower_is_better = false;
  std::vector<double> samples, baseline_samples;
};

class StreamsBench {
 public:
  explicit StreamsBench(const StreamsBenchOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<BenchRow>> Run() {
    for (int round = 0; round < options_.rounds; ++round) {
      std::fprintf(stderr, "round %d of %d\n", round + 1, options_.rounds);
      for (const size_t bytes : options_.round_trip_bytes) {
        MILLRACE_RETURN_IF_ERROR(MeasureRoundTrips(bytes));
      }
      for (const size_t bytes : options_.segment_bytes) {
        MILLRACE_RETURN_IF_ERROR(MeasureSamples(bytes));
      }
      MILLRACE_RETURN_IF_ERROR(MeasureWeights("shm", /*checksum=*/false));
      MILLRACE_RETURN_IF_ERROR(MeasureWeights("shm", /*checksum=*/true));
      MILLRACE_RETURN_IF_ERROR(MeasureWeights("grpc", /*checksum=*/true));
    }
    return Rows();
  }

 private:
  struct Trips {
    double p50 = 0, p99 = 0, cpu_us = 0;
  };

  static constexpr int kBeside = 4;

  absl::StatusOr<Trips> RoundTrips(const std::string& client, const std::string& server,
                                   const std::string& transport, size_t bytes, int spin_us,
                                   int busy) {
    const StreamEndOptions common{
        .transport = transport,
        .bytes = bytes,
        .spin_us = spin_us,
        .count = busy > 0 ? options_.round_trips / 5 : options_.round_trips};
    std::vector<PlannedEnd> plan;
    const auto add = [&](const std::string& kind, const std::string& role, uint32_t index,
                         bool has_result) {
      plan.push_back({common, has_result});
      plan.back().options.kind = kind;
      plan.back().options.role = role;
      plan.back().options.index = index;
    };
    if (!server.empty()) add(server, "policy", 0, false);
    add(client, "actor", 0, true);
    for (int i = 0; i < busy; ++i) add("busy", "trainer", static_cast<uint32_t>(i), false);
    MILLRACE_ASSIGN_OR_RETURN(const auto results, Measure(plan));
    return Trips{results[0].value("p50", 0.0), results[0].value("p99", 0.0),
                 results[0].value("cpu_us", 0.0)};
  }

  absl::Status MeasureRoundTrips(size_t bytes) {
    MILLRACE_ASSIGN_OR_RETURN(const Trips raw,
                              RoundTrips("socket-client", "socket-server", "zmq", bytes, 0, 0));
    MILLRACE_ASSIGN_OR_RETURN(const Trips raw_beside, RoundTrips("socket-client", "socket-server",
                                                                 "zmq", bytes, 0, kBeside));
    struct Arm {
      std::string client, server, transport;
      int spin_us;
    };
    const std::vector<Arm> arms = {
        {"inference-threads", "", "inproc", kSpinMicroseconds},
        {"inference-threads", "", "inproc", 0},
        {"inference-client", "inference-server", "shm", kSpinMicroseconds},
        {"inference-client", "inference-server", "shm", 0},
        {"inference-client", "inference-server", "zmq", 0},
    };
    for (const Arm& arm : arms) {
      const std::string name =
          fmt::format("streams/inference/{}/round_trip_us/{}/{}", arm.transport, bytes,
                      arm.spin_us > 0 ? "spin" : "futex");
      MILLRACE_ASSIGN_OR_RETURN(const Trips trips, RoundTrips(arm.client, arm.server, arm.transport,
                                                              bytes, arm.spin_us, 0));
      AddTime(name, "us, median", trips.p50, raw.p50);
      AddTime(name + "/p99", "us", trips.p99, raw.p99);
      AddTime(name + "/cpu", "us of the asking process", trips.cpu_us, raw.cpu_us);
      if (arm.transport != "shm") continue;
      MILLRACE_ASSIGN_OR_RETURN(
          const Trips beside,
          RoundTrips(arm.client, arm.server, arm.transport, bytes, arm.spin_us, kBeside));
      AddTime(name + "/p99_beside_4", "us, beside 4 busy ones", beside.p99, raw_beside.p99);
    }
    return absl::OkStatus();
  }

  absl::Status MeasureSamples(size_t bytes) {
    const double roof = CopyRate(bytes);
    struct Arm {
      std::string transport;
      bool checksum;
    };
    for (const Arm& arm : {Arm{"shm", false}, Arm{"shm", true}, Arm{"zmq", true}}) {
      const size_t total = size_t{arm.transport == "shm" ? 2048U : 256U} << 20;
      StreamEndOptions end{.transport = arm.transport,
                           .bytes = bytes,
                           .checksum = arm.checksum,
                           .spin_us = 20,
                           .count = static_cast<int>(total / bytes)};
      std::vector<PlannedEnd> plan = {{end, false}, {end, true}};
      plan[0].options.kind = "sample-producer";
      plan[0].options.role = "actor";
      plan[1].options.kind = "sample-consumer";
      plan[1].options.role = "trainer";
      MILLRACE_ASSIGN_OR_RETURN(const auto results, Measure(plan));
      Add(fmt::format("streams/sample/{}/gigabytes_per_second/{}/{}", arm.transport, bytes,
                      arm.checksum ? "crc" : "nocrc"),
          "GB/s", "memcpy in one thread", false, results[0].value("gigabytes_per_second", 0.0),
          roof);
    }
    return absl::OkStatus();
  }

  // Copies of `bytes` from one buffer to another, in gigabytes per second.
  static double CopyRate(size_t bytes) {
    std::vector<std::byte> from(bytes, std::byte{1}), to(bytes);
    const size_t copies = (size_t{1} << 30) / bytes;
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < copies; ++i) {
      from[i % bytes] = static_cast<std::byte>(i);
      std::memcpy(to.data(), from.data(), bytes);
      __asm__ volatile("" : : "r"(to.data()) : "memory");  // the copy counts as used
    }
    return 1e-9 * static_cast<double>(copies * bytes) / SecondsSince(start);
  }

  absl::Status MeasureWeights(const std::string& transport, bool checksum) {
    constexpr int kVersions = 12, kWarm = 2;
    const StreamEndOptions common{.transport = transport,
                                  .bytes = options_.weight_bytes,
                                  .checksum = checksum,
                                  .count = kVersions,
                                  .peers = options_.readers};
    std::vector<PlannedEnd> plan = {{common, false}, {common, true}};
    plan[0].options.kind = "weight-server";
    plan[0].options.role = "parameter_server";
    plan[1].options.kind = "weight-publisher";
    plan[1].options.role = "trainer";
    for (int i = 0; i < options_.readers; ++i) {
      plan.push_back({common, true});
      plan.back().options.kind = "weight-reader";
      plan.back().options.role = "policy";
      plan.back().options.index = static_cast<uint32_t>(i);
    }
    const double roof = CopyRate(options_.weight_bytes);
    MILLRACE_ASSIGN_OR_RETURN(const auto results, Measure(plan));
    std::vector<double> milliseconds;
    for (const auto& [version, began] : Times(results[0])) {
      if (version <= kWarm) continue;
      int64_t last = began;
      for (size_t reader = 1; reader < results.size(); ++reader) {
        last = std::max(last, Times(results[reader])[version]);
      }
      milliseconds.push_back(1e-6 * static_cast<double>(last - began));
    }
    const double bytes = static_cast<double>(options_.weight_bytes) * options_.readers;
    const double median = Median(milliseconds);
    const std::string name = fmt::format("streams/weight/{}/", transport);
    const std::string check = checksum ? "crc" : "nocrc";
    const double copies_ms = 1e-6 * bytes / roof;
    Add(fmt::format("{}publish_ms/{}/{}_readers/{}", name, options_.weight_bytes, options_.readers,
                    check),
        "ms to the last reader", "copies, one after another", true, median, copies_ms);
    Add(fmt::format("{}gigabytes_per_second/{}/{}", name, options_.weight_bytes, check),
        "GB/s to all readers", "memcpy in one thread", false, 1e-6 * bytes / median, roof);
    return absl::OkStatus();
  }

  static std::map<int, int64_t> Times(const json& list) {
    std::map<int, int64_t> times;
    for (const json& entry : list) times[entry.at(0).get<int>()] = entry.at(1).get<int64_t>();
    return times;
  }

  void AddTime(const std::string& name, const std::string& unit, double value, double raw) {
    Add(name, unit, "bare ZeroMQ, ipc", true, value, raw);
  }

  void Add(const std::string& name, const std::string& unit, const std::string& baseline,
           bool lower_is_better, double value, double baseline_value) {
    auto found = std::ranges::find(figures_, name, &Figure::name);
    if (found == figures_.end()) {
      figures_.push_back({name, unit, baseline, lower_is_better, {}, {}});
      found = std::prev(figures_.end());
    }
    found->samples.push_back(value);
    found->baseline_samples.push_back(baseline_value);
  }

  std::vector<BenchRow> Rows() const {
    std::vector<BenchRow> rows;
    for (const Figure& figure : figures_) {
      rows.push_back({figure.name, figure.unit, Median(figure.samples), figure.baseline,
                      Median(figure.baseline_samples), figure.samples, figure.lower_is_better});
    }
    return rows;
  }

  const StreamsBenchOptions options_;
  std::vector<Figure> figures_;
};

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunStreamsBench(const StreamsBenchOptions& options) {
  spdlog::set_level(spdlog::level::warn);  // a controller a measurement
  return StreamsBench(options).Run();
}

}  // namespace millrace
