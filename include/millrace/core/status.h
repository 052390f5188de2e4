// Status macros. A failure that can happen in a healthy program is a value: absl::Status or
// absl::StatusOr<T>. docs/errors.md says what each code means here.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status from the enclosing function if it is not OK.
#define MILLRACE_RETURN_IF_ERROR(expression)                                    \
  do {                                                                          \
    if (absl::Status millrace_status_ = (expression); !millrace_status_.ok()) { \
      return millrace_status_;                                                  \
    }                                                                           \
  } while (false)

// Evaluates an absl::StatusOr; returns its status on failure, otherwise moves its value into
// `declaration`, for example MILLRACE_ASSIGN_OR_RETURN(auto schema, Schema::Create(fields));
#define MILLRACE_ASSIGN_OR_RETURN(declaration, expression)                                  \
  MILLRACE_ASSIGN_OR_RETURN_IMPL_(MILLRACE_CONCAT_(millrace_value_, __LINE__), declaration, \
                                  expression)

#define MILLRACE_CONCAT_INNER_(a, b) a##b
#define MILLRACE_CONCAT_(a, b) MILLRACE_CONCAT_INNER_(a, b)
#define MILLRACE_ASSIGN_OR_RETURN_IMPL_(temporary, declaration, expression) \
  auto temporary = (expression);                                            \
  if (!temporary.ok()) return std::move(temporary).status();                \
  declaration = *std::move(temporary)

namespace millrace {

// The same status with `context` put before its message.
inline absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), std::string(context) + ": " + std::string(status.message()));
}

}  // namespace millrace
