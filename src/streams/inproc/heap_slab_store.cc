#include "streams/inproc/heap_slab_store.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/mutex.h"

namespace millrace {
namespace {

// A doorbell that peers may ring until its owner's stream end is gone. Thread-safe.
class SharedBell {
 public:
  explicit SharedBell(Doorbell* bell) : bell_(bell) {}
  void Ring() {
    MutexLock lock(mutex_);
    if (bell_ != nullptr) bell_->Ring();
  }
  void Detach() {
    MutexLock lock(mutex_);
    bell_ = nullptr;
  }

 private:
  Mutex mutex_;
  Doorbell* bell_ ABSL_GUARDED_BY(mutex_);
};

class HeapPeerBell final : public PeerBell {
 public:
  explicit HeapPeerBell(std::shared_ptr<SharedBell> bell) : bell_(std::move(bell)) {}
  void Ring() override { bell_->Ring(); }

 private:
  std::shared_ptr<SharedBell> bell_;
};

// The slabs and bells of this process, by name service and address. It owns none of them: like a
// mapping, a slab lives as long as an end uses it. Thread-safe.
class Hub {
 public:
  using Key = std::pair<const NameService*, std::string>;
  struct Slab {
    std::weak_ptr<void> owner;
    std::span<std::byte> bytes;
  };

  absl::Status AddSlab(const Key& key, const SlabMemory& memory) {
    MutexLock lock(mutex_);
    std::erase_if(slabs_, [](const auto& entry) { return entry.second.owner.expired(); });
    if (slabs_.contains(key)) {
      return absl::AlreadyExistsError(absl::StrCat("there is a slab ", key.second, " already"));
    }
    slabs_[key] = {memory.owner, memory.bytes};
    return absl::OkStatus();
  }

  absl::StatusOr<SlabMemory> FindSlab(const Key& key) {
    MutexLock lock(mutex_);
    const auto found = slabs_.find(key);
    auto owner = found == slabs_.end() ? nullptr : found->second.owner.lock();
    if (owner == nullptr) return absl::NotFoundError(absl::StrCat("no slab ", key.second));
    return SlabMemory{std::move(owner), found->second.bytes};
  }

  void RemoveSlab(const Key& key) {
    MutexLock lock(mutex_);
    slabs_.erase(key);
  }

  // The bell's address.
  std::string AddBell(const std::shared_ptr<SharedBell>& bell) {
    MutexLock lock(mutex_);
    std::erase_if(bells_, [](const auto& entry) { return entry.second.expired(); });
    std::string address = absl::StrCat("bell-", ++num_bells_);
    bells_[address] = bell;
    return address;
  }

  std::shared_ptr<SharedBell> FindBell(const std::string& address) {
    MutexLock lock(mutex_);
    const auto found = bells_.find(address);
    return found == bells_.end() ? nullptr : found->second.lock();
  }

 private:
  Mutex mutex_;
  std::map<Key, Slab> slabs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::weak_ptr<SharedBell>> bells_ ABSL_GUARDED_BY(mutex_);
  uint64_t num_bells_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Made at first use and never destroyed, so that no order of destruction matters.
Hub& ProcessHub() {
  static Hub* hub = new Hub;
  return *hub;
}

class HeapSlabStore final : public SlabStore {
 public:
  explicit HeapSlabStore(const StreamContext& context)
      : names_(context.names),
        bell_(std::make_shared<SharedBell>(context.bell)),
        bell_address_(ProcessHub().AddBell(bell_)) {}
  ~HeapSlabStore() override { bell_->Detach(); }

  absl::StatusOr<SlabMemory> Create(const std::string& name, size_t bytes) override {
    SlabMemory memory = AllocateHeapSlab(bytes);
    if (absl::Status added = ProcessHub().AddSlab({names_, name}, memory); !added.ok()) {
      return added;
    }
    return memory;
  }

  std::string Address(const std::string& name) const override { return name; }

  absl::StatusOr<SlabMemory> Open(const std::string& address, size_t minimum_bytes) override {
    auto memory = ProcessHub().FindSlab({names_, address});
    if (memory.ok() && memory->bytes.size() < minimum_bytes) {
      return absl::DataLossError(absl::StrCat(address, ": expected at least ", minimum_bytes,
                                              " bytes, got ", memory->bytes.size()));
    }
    return memory;
  }

  void Remove(const std::string& address) override { ProcessHub().RemoveSlab({names_, address}); }

  std::string bell_address() const override { return bell_address_; }

  absl::StatusOr<std::unique_ptr<PeerBell>> OpenBell(const std::string& address) override {
    auto bell = ProcessHub().FindBell(address);
    if (bell == nullptr) return absl::NotFoundError(absl::StrCat("no doorbell ", address));
    return std::make_unique<HeapPeerBell>(std::move(bell));
  }

 private:
  const NameService* const names_;
  const std::shared_ptr<SharedBell> bell_;
  const std::string bell_address_;
};

}  // namespace

std::unique_ptr<SlabStore> MakeHeapSlabStore(const StreamContext& context) {
  return std::make_unique<HeapSlabStore>(context);
}

}  // namespace millrace
