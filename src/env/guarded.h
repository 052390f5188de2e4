// The boundary to code of users, which may throw.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace millrace {

// The result of `call` (an absl::Status or StatusOr); an exception becomes kInternal.
template <typename Call>
auto Guarded(std::string_view what, Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::exception& error) {
    return absl::InternalError(std::string(what) + " threw an exception: " + error.what());
  } catch (...) {
    return absl::InternalError(std::string(what) + " threw something that is no std::exception");
  }
}

}  // namespace millrace
