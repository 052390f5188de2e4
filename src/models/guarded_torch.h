// The boundary to LibTorch and to users' modules, which throw.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "millrace/models/torch.h"

namespace millrace {

// The result of `call` (an absl::Status or StatusOr); an exception becomes kInternal, LibTorch's
// without its stack trace.
template <typename Call>
auto GuardedTorch(std::string_view what, Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (const c10::Error& error) {
    return absl::InternalError(
        absl::StrCat(std::string(what), " threw: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(std::string(what), " threw: ", error.what()));
  }
}

}  // namespace millrace
