// A worker's side of the control plane: registration, lease, commands and the mirrored name
// service.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "net/name_service.h"

namespace millrace {

// What the controller wants of a worker, in the order of escalation.
enum class WorkerCommand : uint32_t { kRun = 0, kPause = 1, kDrain = 2, kExit = 3 };

struct ControlClientOptions {
  std::filesystem::path
      run_directory;  // holds controller.json: address and token of the controller
  std::string role;
  uint32_t index = 0;
  uint32_t incarnation = 0;
  Doorbell* bell = nullptr;  // rung when the command changes; outlives the client
  Clock::duration connect_deadline = std::chrono::seconds(30);
};

// Keeps the lease alive on its own thread. If the controller goes away the worker goes on; a new
// controller is found through controller.json, and this worker's keys are put again. After the
// grace time without any controller the command becomes kExit. Thread-safe.
class ControlClient : public NameService {
 public:
  // Registers with the controller. kUnavailable if none answers in time, kFailedPrecondition if it
  // refuses (version mismatch, unknown role), with its reason.
  static absl::StatusOr<std::unique_ptr<ControlClient>> Connect(
      const ControlClientOptions& options);

  // The resolved experiment (YAML).
  virtual const std::string& config_yaml() const = 0;
  virtual WorkerCommand command() const = 0;
  // The worker is set up and does its work now (shown in `status`, counted for start-up).
  virtual absl::Status ReportReady() = 0;
  // The worker cannot go on: the reason is shown to the user.
  virtual absl::Status ReportFailure(const std::string& reason, int exit_code) = 0;

  // Shared keys for rendezvous, under RUN-wide names; unlike Put they belong to nobody and never
  // expire.
  virtual absl::Status StoreSet(const std::string& key, const std::string& value) = 0;
  // kNotFound.
  virtual absl::StatusOr<std::string> StoreGet(const std::string& key) = 0;
  virtual absl::StatusOr<int64_t> StoreAdd(const std::string& key, int64_t amount) = 0;
  virtual absl::StatusOr<std::string> StoreCompareSet(const std::string& key,
                                                      const std::string& expected,
                                                      const std::string& desired) = 0;
  virtual absl::Status StoreDelete(const std::string& key) = 0;
};

}  // namespace millrace
