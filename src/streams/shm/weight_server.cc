// A host's parameter servers over shared memory. The one that holds the lock copies every new
// version from the trainers' files to the host's; the kernel releases the lock of a process that
// dies, and the next server takes over.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/thread_name.h"
#include "millrace/core/status.h"
#include "streams/shm/reader_bells.h"
#include "streams/shm/weight_factory.h"
#include "streams/shm/weight_fence.h"
#include "streams/shm/weight_file.h"

namespace millrace {
namespace {

constexpr auto kTakeoverPoll = std::chrono::milliseconds(20);
constexpr auto kIdlePoll = std::chrono::seconds(1);

// An exclusive lock on a file, gone with this object or its process.
class HostLock {
 public:
  explicit HostLock(int fd) : fd_(fd) {}
  ~HostLock() { ::close(fd_); }
  HostLock(const HostLock&) = delete;
  HostLock& operator=(const HostLock&) = delete;
  static absl::StatusOr<std::unique_ptr<HostLock>> Open(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) return std::make_unique<HostLock>(fd);
    return absl::InternalError(
        absl::StrCat("cannot open ", path.string(), ": ", std::strerror(errno)));
  }
  bool Try() { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }

 private:
  const int fd_;
};

// One policy's way from the trainer to the host. Bound to the server's thread, newest() excepted.
class PolicyRelay {
 public:
  static absl::StatusOr<std::unique_ptr<PolicyRelay>> Create(const std::filesystem::path& directory,
                                                             const WeightSpec& spec) {
    MILLRACE_ASSIGN_OR_RETURN(auto fence, WeightFence::Open(directory, spec.policy));
    MILLRACE_ASSIGN_OR_RETURN(auto host,
                              WeightFile::OpenOrCreate(HostWeights(directory, spec.policy), spec));
    MILLRACE_ASSIGN_OR_RETURN(auto readers, ReaderBells::Open(directory, spec.policy));
    return std::unique_ptr<PolicyRelay>(
        new PolicyRelay(directory, spec, std::move(fence), std::move(host), std::move(readers)));
  }

  WeightVersion newest() const { return host_->newest(); }
  void RingReaders() { readers_->Ring(); }

  // Copies the trainer's newest version if the host has none as new. True if it did.
  absl::StatusOr<bool> Copy() {
    const uint64_t epoch = fence_->epoch();
    if (trainer_ == nullptr || epoch_ != epoch) {
      auto opened = WeightFile::Open(TrainerWeights(directory_, spec_.policy, epoch), spec_);
      if (absl::IsNotFound(opened.status())) return false;  // nothing published yet
      MILLRACE_ASSIGN_OR_RETURN(trainer_, std::move(opened));
      epoch_ = epoch;
    }
    if (trainer_->newest() <= host_->newest()) return false;
    MILLRACE_RETURN_IF_ERROR(host_->CopyNewest(*trainer_).status());
    readers_->Ring();
    return true;
  }

 private:
  PolicyRelay(std::filesystem::path directory, WeightSpec spec, std::unique_ptr<WeightFence> fence,
              std::unique_ptr<WeightFile> host, std::unique_ptr<ReaderBells> readers)
      : directory_(std::move(directory)),
        spec_(std::move(spec)),
        fence_(std::move(fence)),
        host_(std::move(host)),
        readers_(std::move(readers)) {}

  const std::filesystem::path directory_;
  const WeightSpec spec_;
  const std::unique_ptr<WeightFence> fence_;
  const std::unique_ptr<WeightFile> host_;
  const std::unique_ptr<ReaderBells> readers_;
  std::unique_ptr<WeightFile> trainer_;  // of epoch_
  uint64_t epoch_ = 0;
};

using Relays = std::map<std::string, std::unique_ptr<PolicyRelay>>;

// Thread-safe.
class ShmWeightServer final : public WeightServer {
 public:
  ShmWeightServer(Relays relays, std::unique_ptr<HostLock> lock, std::unique_ptr<WeightBell> bell)
      : relays_(std::move(relays)), lock_(std::move(lock)), bell_(std::move(bell)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  ~ShmWeightServer() override {
    thread_.request_stop();
    (**bell_).Ring();
  }
  WeightVersion Held(const std::string& policy) const override {
    const auto found = relays_.find(policy);
    return found == relays_.end() ? WeightVersion{} : found->second->newest();
  }
  uint64_t received() const override { return received_.load(); }

 private:
  void Run(const std::stop_token& stop) {
    SetThreadName("weight-server");
    bool active = false;
    while (!stop.stop_requested()) {
      const uint32_t seen = (**bell_).Value();
      if (!active) {
        active = lock_->Try();
        if (active) RingAll();  // the one before may have died before it did
      }
      if (active) CopyAll();
      if (stop.stop_requested()) return;
      if (active) {
        (**bell_).Wait(seen, After(kIdlePoll));
      } else {
        std::this_thread::sleep_for(kTakeoverPoll);
      }
    }
  }

  void RingAll() {
    for (const auto& [policy, relay] : relays_) relay->RingReaders();
  }

  void CopyAll() {
    for (const auto& [policy, relay] : relays_) {
      const auto copied = relay->Copy();
      if (!copied.ok()) {
        spdlog::warn("weights of policy {}: {}", policy, std::string(copied.status().message()));
      } else if (*copied) {
        received_.fetch_add(1);
      }
    }
  }

  const Relays relays_;
  const std::unique_ptr<HostLock> lock_;
  const std::unique_ptr<WeightBell> bell_;
  std::atomic<uint64_t> received_{0};
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightServer>> MakeShmWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs) {
  const std::filesystem::path& directory = context.shm_directory;
  Relays relays;
  for (const WeightSpec& spec : specs) {
    MILLRACE_ASSIGN_OR_RETURN(relays[spec.policy], PolicyRelay::Create(directory, spec));
  }
  MILLRACE_ASSIGN_OR_RETURN(auto lock, HostLock::Open(directory / "weight.lock"));
  MILLRACE_ASSIGN_OR_RETURN(auto bell, WeightBell::Open(directory));
  return std::make_unique<ShmWeightServer>(std::move(relays), std::move(lock), std::move(bell));
}

}  // namespace millrace
