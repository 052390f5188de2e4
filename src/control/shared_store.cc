#include "control/shared_store.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace millrace {

std::optional<std::string> SharedStore::Get(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<int64_t> SharedStore::Add(const std::string& key, int64_t amount) {
  int64_t sum = 0;
  if (const auto found = values_.find(key); found != values_.end()) {
    if (!absl::SimpleAtoi(found->second, &sum)) {
      return absl::InvalidArgumentError(
          absl::StrCat("store key \"", key, "\": expected a number to add to, got another value"));
    }
  }
  sum += amount;
  values_[key] = absl::StrCat(sum);
  return sum;
}

std::string SharedStore::CompareSet(const std::string& key, const std::string& expected,
                                    const std::string& desired) {
  const auto found = values_.find(key);
  if (found == values_.end()) {
    if (!expected.empty()) return expected;
    values_[key] = desired;
    return desired;
  }
  if (found->second == expected) found->second = desired;
  return found->second;
}

bool SharedStore::Repeats(const std::string& owner, const control::StoreRequest& request) const {
  const auto last = last_.find(owner);
  return request.operation() != control::StoreRequest::GET && last != last_.end() &&
         request.sequence() <= last->second.sequence;
}

void SharedStore::Apply(const std::string& owner, const control::StoreRequest& request,
                        control::StoreReply* reply) {
  if (Repeats(owner, request)) {
    *reply = last_.at(owner).reply;
    return;
  }
  Execute(request, reply);
  if (request.operation() != control::StoreRequest::GET) {
    last_[owner] = {.sequence = request.sequence(), .reply = *reply};
  }
}

void SharedStore::Execute(const control::StoreRequest& request, control::StoreReply* reply) {
  switch (request.operation()) {
    case control::StoreRequest::GET: {
      const std::optional<std::string> value = Get(request.key());
      reply->set_found(value.has_value());
      reply->set_value(value.value_or(""));
      break;
    }
    case control::StoreRequest::SET:
      Set(request.key(), request.value());
      break;
    case control::StoreRequest::ADD: {
      const absl::StatusOr<int64_t> sum = Add(request.key(), request.amount());
      if (sum.ok()) reply->set_number(*sum);
      if (!sum.ok()) reply->set_error(std::string(sum.status().message()));
      break;
    }
    case control::StoreRequest::COMPARE_SET:
      reply->set_value(CompareSet(request.key(), request.expected(), request.value()));
      break;
    case control::StoreRequest::DELETE:
      reply->set_found(Delete(request.key()));
      break;
    default:
      reply->set_error("unknown operation");
      break;
  }
}

}  // namespace millrace
