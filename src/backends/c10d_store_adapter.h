// c10d's rendezvous store on top of any key-value store, for example the controller's.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "torch/csrc/distributed/c10d/Store.hpp"

namespace millrace {

// Each may be called from several threads at once. Values are bytes.
struct StoreCallbacks {
  std::function<absl::Status(const std::string& key, const std::string& value)> set;
  // Waits until the key is there. kDeadlineExceeded if that takes longer.
  std::function<absl::StatusOr<std::string>(const std::string& key,
                                            std::chrono::milliseconds timeout)>
      get;
  // Adds to a decimal number (an absent key counts as 0); returns the sum.
  std::function<absl::StatusOr<int64_t>(const std::string& key, int64_t delta)> add;
  std::function<absl::StatusOr<bool>(const std::string& key)> contains;
  // Whether the key was there.
  std::function<absl::StatusOr<bool>(const std::string& key)> remove;
  // Writes `desired` if the value is `expected` (an absent key counts as empty); returns the value
  // afterwards.
  std::function<absl::StatusOr<std::string>(const std::string& key, const std::string& expected,
                                            const std::string& desired)>
      compare_set;
};

// Thread-safe if the callbacks are. c10d expects exceptions: a failed callback is thrown as
// c10::DistStoreError, which the collectives turn back into a status.
class C10dStoreAdapter : public c10d::Store {
 public:
  C10dStoreAdapter(StoreCallbacks callbacks, std::chrono::milliseconds timeout);

  using c10d::Store::compareSet;
  using c10d::Store::set;
  c10::intrusive_ptr<c10d::Store> clone() override;
  void set(const std::string& key, const std::vector<uint8_t>& value) override;
  std::vector<uint8_t> compareSet(const std::string& key, const std::vector<uint8_t>& expected,
                                  const std::vector<uint8_t>& desired) override;
  std::vector<uint8_t> get(const std::string& key) override;
  int64_t add(const std::string& key, int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  int64_t getNumKeys() override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds& timeout) override;

 private:
  const StoreCallbacks callbacks_;
};

// One in memory, for ranks that are threads of this process.
c10::intrusive_ptr<c10d::Store> MakeProcessStore();

}  // namespace millrace
