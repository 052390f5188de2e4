#include "workers/trainer/store_bridge.h"

#include <thread>
#include <utility>

#include "core/deadline.h"

namespace millrace {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);

// The keys are few and short-lived (one rendezvous), so a waiting get() simply asks again.
absl::StatusOr<std::string> AwaitKey(ControlClient* control, const std::string& key,
                                     std::chrono::milliseconds timeout) {
  const Deadline deadline = After(timeout);
  while (true) {
    auto value = control->StoreGet(key);
    if (value.status().code() != absl::StatusCode::kNotFound) return value;
    if (Expired(deadline))
      return absl::DeadlineExceededError("rendezvous key " + key + " is missing");
    std::this_thread::sleep_for(kPoll);
  }
}

absl::StatusOr<bool> Contains(ControlClient* control, const std::string& key) {
  const auto value = control->StoreGet(key);
  if (value.ok()) return true;
  if (value.status().code() == absl::StatusCode::kNotFound) return false;
  return value.status();
}

}  // namespace

c10::intrusive_ptr<c10d::Store> MakeControlStore(ControlClient* control, std::string prefix,
                                                 std::chrono::milliseconds timeout) {
  StoreCallbacks callbacks;
  const auto full = [prefix = std::move(prefix)](const std::string& key) {
    return prefix + "/" + key;
  };
  callbacks.set = [=](const std::string& key, const std::string& value) {
    return control->StoreSet(full(key), value);
  };
  callbacks.get = [=](const std::string& key, std::chrono::milliseconds wait) {
    return AwaitKey(control, full(key), wait);
  };
  callbacks.add = [=](const std::string& key, int64_t delta) {
    return control->StoreAdd(full(key), delta);
  };
  callbacks.contains = [=](const std::string& key) { return Contains(control, full(key)); };
  callbacks.remove = [=](const std::string& key) -> absl::StatusOr<bool> {
    auto there = Contains(control, full(key));
    if (!there.ok() || !*there) return there;
    if (absl::Status deleted = control->StoreDelete(full(key)); !deleted.ok()) return deleted;
    return true;
  };
  callbacks.compare_set = [=](const std::string& key, const std::string& expected,
                              const std::string& desired) {
    return control->StoreCompareSet(full(key), expected, desired);
  };
  return c10::make_intrusive<C10dStoreAdapter>(std::move(callbacks), timeout);
}

}  // namespace millrace
