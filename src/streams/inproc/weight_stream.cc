#include <cstring>
#include <map>
#include <utility>

#include "millrace/core/status.h"
#include "streams/inproc/weight_factory.h"
#include "streams/inproc/weight_hub.h"

namespace millrace {
namespace {

using HubPtr = std::shared_ptr<WeightHub>;

WeightVersion VersionOf(const WeightBlobPtr& blob) {
  return blob == nullptr ? WeightVersion{} : blob->version;
}

class InprocWeightPublisher final : public WeightPublisher {
 public:
  explicit InprocWeightPublisher(HubPtr hub) : hub_(std::move(hub)) {}
  absl::Status Publish(WeightVersion version, std::span<const std::byte> blob) override {
    return hub_->Publish(version, blob);
  }

 private:
  const HubPtr hub_;
};

// Keeps the hubs alive while trainers come and go; there is nothing to move. Thread-safe.
class InprocWeightServer final : public WeightServer {
 public:
  explicit InprocWeightServer(std::map<std::string, HubPtr> hubs)
      : hubs_(std::move(hubs)), before_(Published()) {}
  WeightVersion Held(const std::string& policy) const override {
    const auto found = hubs_.find(policy);
    return found == hubs_.end() ? WeightVersion{} : VersionOf(found->second->newest());
  }
  uint64_t received() const override { return Published() - before_; }

 private:
  uint64_t Published() const {
    uint64_t sum = 0;
    for (const auto& [policy, hub] : hubs_) sum += hub->published();
    return sum;
  }
  const std::map<std::string, HubPtr> hubs_;
  const uint64_t before_;
};

class InprocWeightReader final : public WeightReader {
 public:
  InprocWeightReader(HubPtr hub, WeightSpec spec, Doorbell* bell)
      : hub_(std::move(hub)), spec_(std::move(spec)), bell_(bell) {
    if (bell_ != nullptr) hub_->AddBell(bell_);
  }
  ~InprocWeightReader() override {
    if (bell_ != nullptr) hub_->RemoveBell(bell_);
  }
  WeightVersion Available() const override { return VersionOf(hub_->newest()); }
  absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(spec_, blob.size()));
    const WeightBlobPtr newest = hub_->newest();
    if (newest == nullptr) return absl::UnavailableError("no weights have been published yet");
    std::memcpy(blob.data(), newest->bytes.data(), blob.size());
    return newest->version;
  }

 private:
  const HubPtr hub_;
  const WeightSpec spec_;
  Doorbell* const bell_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeInprocWeightPublisher(
    const StreamContext& context, const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto hub, WeightHub::Join(context.names, spec));
  return std::make_unique<InprocWeightPublisher>(std::move(hub));
}

absl::StatusOr<std::unique_ptr<WeightServer>> MakeInprocWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs) {
  std::map<std::string, HubPtr> hubs;
  for (const WeightSpec& spec : specs) {
    MILLRACE_ASSIGN_OR_RETURN(hubs[spec.policy], WeightHub::Join(context.names, spec));
  }
  return std::make_unique<InprocWeightServer>(std::move(hubs));
}

absl::StatusOr<std::unique_ptr<WeightReader>> MakeInprocWeightReader(const StreamContext& context,
                                                                     const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto hub, WeightHub::Join(context.names, spec));
  return std::make_unique<InprocWeightReader>(std::move(hub), spec, context.bell);
}

}  // namespace millrace
