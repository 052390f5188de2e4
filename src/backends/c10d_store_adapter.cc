#include "backends/c10d_store_adapter.h"

#include <algorithm>
#include <utility>

#include "c10/util/Exception.h"
#include "torch/csrc/distributed/c10d/HashStore.hpp"

namespace millrace {
namespace {

std::string ToString(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }
std::vector<uint8_t> ToBytes(const std::string& text) { return {text.begin(), text.end()}; }

void ThrowIfError(const absl::Status& status, const std::string& key) {
  if (status.ok()) return;
  C10_THROW_ERROR(DistStoreError, "rendezvous key \"" + key + "\": " + status.ToString());
}

template <typename T>
T ValueOrThrow(absl::StatusOr<T> result, const std::string& key) {
  ThrowIfError(result.status(), key);
  return *std::move(result);
}

}  // namespace

C10dStoreAdapter::C10dStoreAdapter(StoreCallbacks callbacks, std::chrono::milliseconds timeout)
    : c10d::Store(timeout), callbacks_(std::move(callbacks)) {}

c10::intrusive_ptr<c10d::Store> C10dStoreAdapter::clone() {
  return c10::make_intrusive<C10dStoreAdapter>(callbacks_, timeout_);
}

void C10dStoreAdapter::set(const std::string& key, const std::vector<uint8_t>& value) {
  ThrowIfError(callbacks_.set(key, ToString(value)), key);
}

std::vector<uint8_t> C10dStoreAdapter::compareSet(const std::string& key,
                                                  const std::vector<uint8_t>& expected,
                                                  const std::vector<uint8_t>& desired) {
  return ToBytes(
      ValueOrThrow(callbacks_.compare_set(key, ToString(expected), ToString(desired)), key));
}

std::vector<uint8_t> C10dStoreAdapter::get(const std::string& key) {
  return ToBytes(ValueOrThrow(callbacks_.get(key, timeout_), key));
}

int64_t C10dStoreAdapter::add(const std::string& key, int64_t value) {
  return ValueOrThrow(callbacks_.add(key, value), key);
}

bool C10dStoreAdapter::deleteKey(const std::string& key) {
  return ValueOrThrow(callbacks_.remove(key), key);
}

bool C10dStoreAdapter::check(const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(), [this](const std::string& key) {
    return ValueOrThrow(callbacks_.contains(key), key);
  });
}

int64_t C10dStoreAdapter::getNumKeys() {
  C10_THROW_ERROR(NotImplementedError, "the store adapter does not count its keys");
}

void C10dStoreAdapter::wait(const std::vector<std::string>& keys) { wait(keys, timeout_); }

void C10dStoreAdapter::wait(const std::vector<std::string>& keys,
                            const std::chrono::milliseconds& timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (const std::string& key : keys) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    ValueOrThrow(callbacks_.get(key, std::max(left, std::chrono::milliseconds(0))), key);
  }
}

c10::intrusive_ptr<c10d::Store> MakeProcessStore() {
  return c10::make_intrusive<c10d::HashStore>();
}

}  // namespace millrace
